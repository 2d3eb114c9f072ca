//! Read events: a page of what a query matches, bounded in number and in bytes (G12).

use std::sync::Arc;

use factum_store::{Direction, Head, Ledger, Position, Query, Read, ReadError, RecordedEvent};

use schemars::JsonSchema;
use serde::Serialize;
use tokio::task::yield_now;

use super::{Api, ApiError};
use crate::{
    access::{Principal, Verb},
    metrics::Began,
    schema,
};

/// Which events to read.
pub(crate) struct ReadEvents {
    pub(crate) ledger: String,
    pub(crate) query: Query,
    pub(crate) after: Position,
    pub(crate) up_to: Position,
    pub(crate) direction: Direction,
    pub(crate) limit: usize,
}

/// Some events, and where to go on.
pub(crate) struct EventsPage {
    pub(crate) events: Vec<RecordedEvent>,
    /// The bound to ask with next: a new `after`, or a new `up_to` when reading backward.
    pub(crate) next: Option<Next>,
    pub(crate) head: Head,
}

/// Where the next page begins: the bound to replace in the request.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Next {
    After(#[schemars(with = "schema::Place")] Position),
    UpTo(#[schemars(with = "schema::Place")] Position),
}

impl ReadEvents {
    /// Events in a page when nobody says how many.
    pub(crate) const LIMIT: usize = 100;
    /// Events in a page at most.
    pub(crate) const LIMIT_MAX: usize = 1_000;
    /// A page ends after the event that takes it beyond this many bytes of payload.
    const BYTES: usize = 8 << 20;
    /// Events read at a time. A page is made of several reads, so that large events end it early.
    const STEP: usize = 32;
    /// After so many reads others who read take their turn.
    const TURN: u32 = 8;
    /// Reads that find nothing before a page ends without having looked at everything.
    const MISSES_MAX: u32 = 16;
}

impl Api {
    /// Reads a page and makes an answer of it, where it was read: those who answer commands have
    /// no part in that (G11).
    pub(crate) async fn events<T: Send + 'static>(
        &self,
        principal: &Principal,
        request: ReadEvents,
        make: impl FnOnce(EventsPage) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let ledger = self.ledger(principal, Verb::Read, &request.ledger)?;
        let (began, name) = (Began::now(), request.ledger.clone());
        let reading = async move {
            let page = page(ledger, request).await?;
            let events = page.events.len();
            Ok::<_, ReadError>((events, make(page)))
        };
        let answer = match self.bulkheads.queries.run(reading).await {
            Ok(answer) => answer.map_err(ApiError::from),
            Err(error) => Err(error),
        };
        self.count_read(&name, began, &answer, |(events, _)| *events);
        answer.map(|(_, made)| made)
    }
}

async fn page(ledger: Arc<dyn Ledger>, request: ReadEvents) -> Result<EventsPage, ReadError> {
    let ReadEvents { query, after, up_to, direction, limit, .. } = request;
    let first = Read { query, after, up_to, direction, limit };
    let (mut events, mut bytes, mut misses, mut head) = (Vec::new(), 0, 0, Head::default());
    let (mut next, mut looks) = (Some(first), 0);
    while let Some(read) = next.take() {
        let enough = events.len() >= limit || bytes >= ReadEvents::BYTES;
        if enough || misses >= ReadEvents::MISSES_MAX {
            next = Some(read);
            break;
        }
        let step = ReadEvents::STEP.min(limit - events.len());
        let page = ledger.read(read.limit(step)).await?;
        misses += u32::from(page.events.is_empty());
        bytes +=
            page.events.iter().map(|event| event.data.len() + event.metadata.len()).sum::<usize>();
        events.extend(page.events);
        head = page.head;
        next = page.next;
        looks += 1;
        if looks % ReadEvents::TURN == 0 {
            // Others take their turn.
            yield_now().await;
        }
    }
    let next = next.map(|read| match read.direction {
        Direction::Forward => Next::After(read.after),
        Direction::Backward => Next::UpTo(read.up_to),
    });
    Ok(EventsPage { events, next, head })
}
