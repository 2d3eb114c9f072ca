//! Scan: everything that a query matches up to the head of the moment, one bounded batch after the
//! other (G12). A batch is used where it was read, on a thread that may block.

use std::sync::Arc;

use factum_store::{Direction, Ledger, Position, Query, Read, ReadError, RecordedEvent};
use tokio::task::yield_now;

use super::{Api, ApiError, apps::Gone};
use crate::access::{Principal, Verb};

/// What to read.
#[derive(Debug)]
pub(crate) struct ScanEvents {
    pub(crate) ledger: String,
    pub(crate) query: Query,
    /// The first position to look at, in the direction of the scan.
    pub(crate) start: Option<Position>,
    pub(crate) direction: Direction,
    pub(crate) limit: Option<u64>,
    /// Events of a batch at most.
    pub(crate) batch: usize,
}

/// A scan that is under way.
pub(crate) struct Scan {
    /// When the ledger is deleted.
    pub(crate) gone: Gone,
    ledger: Arc<dyn Ledger>,
    /// What is to be read next; `None` at the end.
    next: Option<Read>,
    batch: usize,
    /// Events that may still be read.
    left: Option<u64>,
    /// Whether the end of the range is known.
    begun: bool,
    /// The last event that there was when it began, and whoever asks may see it.
    pub(crate) head: Option<Position>,
}

impl Api {
    /// Begins a scan. Nothing is read yet.
    pub(crate) fn scan(
        &self,
        principal: &Principal,
        request: ScanEvents,
    ) -> Result<Scan, ApiError> {
        let ledger = self.ledger(principal, Verb::Read, &request.ledger)?;
        let gone = self.gone(&request.ledger)?;
        let ScanEvents { query, start, direction, limit, batch, .. } = request;
        let mut read = Read::new(query);
        read.direction = direction;
        match direction {
            Direction::Forward => read.after = start.unwrap_or_default().prev(),
            Direction::Backward => read.up_to = start.unwrap_or(Position::END),
        }
        Ok(Scan { gone, ledger, next: Some(read), batch, left: limit, begun: false, head: None })
    }

    /// Reads the next batch and makes something of it. It may be empty before the end: so much is
    /// looked at at once, and no more.
    pub(crate) async fn scan_on<T: Send + 'static>(
        &self,
        mut scan: Scan,
        make: impl FnOnce(&Scan, Vec<RecordedEvent>) -> T + Send + 'static,
    ) -> Result<(Scan, T), ApiError> {
        let reading = async move {
            let events = scan.read_on().await?;
            let made = make(&scan, events);
            Ok::<_, ReadError>((scan, made))
        };
        Ok(self.bulkheads.queries.run(reading).await??)
    }

    /// The last event of the application, or `None` where there is none.
    pub(crate) async fn last_event(
        &self,
        principal: &Principal,
        ledger: &str,
    ) -> Result<Option<Position>, ApiError> {
        let ledger = self.ledger(principal, Verb::Read, ledger)?;
        Ok(self.bulkheads.queries.run(async move { last(&*ledger).await }).await??)
    }
}

impl Scan {
    pub(crate) fn is_over(&self) -> bool {
        self.next.is_none()
    }

    async fn read_on(&mut self) -> Result<Vec<RecordedEvent>, ReadError> {
        if !self.begun {
            self.begin().await?;
        }
        let batch = self.left.map_or(self.batch as u64, |left| left.min(self.batch as u64));
        let Some(read) = self.next.take().filter(|_| batch > 0) else { return Ok(Vec::new()) };
        let page = self.ledger.read(read.limit(usize::try_from(batch).unwrap_or(1))).await?;
        self.left = self.left.map(|left| left.saturating_sub(page.events.len() as u64));
        self.next = page.next.filter(|_| self.left != Some(0));
        Ok(page.events)
    }

    /// What is recorded from here on is not read.
    async fn begin(&mut self) -> Result<(), ReadError> {
        self.begun = true;
        self.head = last(&*self.ledger).await?;
        let head = self.head.unwrap_or_default();
        if let Some(read) = &mut self.next {
            read.up_to = read.up_to.min(head);
        }
        Ok(())
    }
}

/// Factum's own events are nobody's last event.
async fn last(ledger: &dyn Ledger) -> Result<Option<Position>, ReadError> {
    let mut next = Some(Read::new(Query::all()).backward().limit(1));
    while let Some(read) = next {
        let page = ledger.read(read).await?;
        if let Some(last) = page.events.first() {
            return Ok(Some(last.position));
        }
        next = page.next;
        // Others take their turn.
        yield_now().await;
    }
    Ok(None)
}
