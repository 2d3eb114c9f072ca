//! [`Limited`]: a ledger as somebody sees it who may see or write only some of its events. It is a
//! [`Ledger`] itself, so that no operation of the API has to think of it.
//!
//! Hidden events leave no trace but their positions: how many there are is told by every head and
//! every gap. Nothing else depends on whether a hidden event matches what was asked for.

use std::sync::Arc;

use factum_store::{
    Append, AppendError, BoxFuture, BoxStream, ByteString, Condition, Direction, EventId, Head,
    IdempotencyKey, Invalid, Ledger, Page, Position, Query, Read, ReadError, Receipt,
    RecordedEvent, Signal, StreamInfo, StreamName, Subscribe, Timestamp,
};

use super::{scope::Scope, seen::Seen};

/// The field of what is invalid because of somebody's rights.
pub(crate) const YOUR_RIGHTS: &str = "your rights";

/// Positions that one read looks at when what may be seen can't be said in a query.
const WINDOW: u64 = 4_096;
/// A ledger, as far as somebody may see and write it.
pub(crate) struct Limited {
    pub(crate) ledger: Arc<dyn Ledger>,
    /// Whose keys are looked up, and of those they act for: their names follow a control character.
    pub(crate) principal: ByteString,
    pub(crate) reads: Scope,
    pub(crate) appends: Scope,
    /// Told of what is refused.
    pub(crate) on_refusal: Box<dyn Fn() + Send + Sync>,
}

fn refused(problem: impl Into<String>) -> Invalid {
    Invalid::new(YOUR_RIGHTS, problem)
}

impl Limited {
    fn may_append(&self, append: &Append) -> Result<(), Invalid> {
        for event in &append.events {
            if !self.appends.takes(&event.event_type, &event.tags) {
                let name = &event.event_type;
                return Err(refused(format!("do not allow an event of type {name} with its tags")));
            }
        }
        append.conditions.iter().try_for_each(|condition| self.may_ask(condition))
    }

    /// A condition that fails tells of events: so only those may be in it that may be seen. It can't
    /// be narrowed, for then it would hold where it should not.
    fn may_ask(&self, condition: &Condition) -> Result<(), Invalid> {
        match condition {
            Condition::NoMatch { query, .. } if self.reads.covers(query) => Ok(()),
            Condition::NoMatch { .. } => Err(refused(
                "do not allow a condition on events that you may not read; name types and tags \
                 that you may",
            )),
            Condition::Revision { .. } if self.reads.is_all() || self.appends.is_all() => Ok(()),
            Condition::Revision { .. } => {
                Err(refused("do not allow a condition on a whole stream; use one on a query"))
            }
        }
    }

    fn sees(&self, event: &RecordedEvent) -> bool {
        self.reads.has(&event.event_type, &event.tags)
    }

    /// A page of a query that matches nothing that is hidden.
    async fn page(&self, read: Read, narrowed: Query) -> Result<Page, ReadError> {
        let asked = read.query.clone();
        let mut page = self.ledger.read(Read { query: narrowed, ..read }).await?;
        page.events.retain(|event| self.sees(event));
        page.next = page.next.map(|next| Read { query: asked, ..next });
        Ok(page)
    }

    /// A page of a query that matches hidden events too: a window of positions is looked at, whatever
    /// is in it, so where the next page begins tells nothing of them.
    async fn window(&self, read: Read, narrowed: Query) -> Result<Page, ReadError> {
        let head = self.ledger.head().await?;
        let (first, last) = (read.after, read.up_to.min(head.position));
        let (after, up_to) = match read.direction {
            Direction::Forward => (first, last.min(Position(first.0.saturating_add(WINDOW)))),
            Direction::Backward => (first.max(Position(last.0.saturating_sub(WINDOW))), last),
        };
        let mut events = Vec::new();
        let mut next = Some(Read { query: narrowed, after, up_to, ..read.clone() });
        while let Some(inner) = next.take().filter(|_| events.len() < read.limit) {
            let page = self.ledger.read(inner.limit(read.limit - events.len())).await?;
            events.extend(page.events.into_iter().filter(|event| self.sees(event)));
            next = page.next;
        }
        let full = events.len() >= read.limit;
        let reached = events.last().filter(|_| full).map(|event| event.position);
        let next = match read.direction {
            Direction::Forward => {
                let after = reached.unwrap_or(up_to);
                (after < last).then(|| Read { after, ..read })
            }
            Direction::Backward => {
                let up_to = reached.map_or(after, Position::prev);
                (first < up_to).then(|| Read { up_to, ..read })
            }
        };
        Ok(Page { events, next, head })
    }
}

impl Ledger for Limited {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Receipt, AppendError>> {
        Box::pin(async move {
            self.may_append(&append).inspect_err(|_| (self.on_refusal)())?;
            self.ledger.append(append).await
        })
    }

    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(async move {
            let narrowed = self.reads.narrow(&read.query);
            match narrowed.exactly {
                true => self.page(read, narrowed.query).await,
                false => self.window(read, narrowed.query).await,
            }
        })
    }

    fn subscribe(&self, subscribe: Subscribe) -> BoxStream<Result<Signal, ReadError>> {
        let Subscribe { query: asked, after } = subscribe;
        let narrowed = self.reads.narrow(&asked);
        // When a subscription speaks tells that something was found: so what it follows is either
        // exactly what may be seen, or has nothing to do with what was asked for.
        let query = if narrowed.exactly { narrowed.query } else { self.reads.query() };
        let signals = self.ledger.subscribe(Subscribe { query, after });
        Box::pin(Seen::new(signals, asked, self.reads.clone(), Arc::clone(&self.ledger)))
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, ReadError>> {
        self.ledger.head()
    }

    fn stream(&self, stream: StreamName) -> BoxFuture<'_, Result<StreamInfo, ReadError>> {
        match self.reads.is_all() {
            true => self.ledger.stream(stream),
            false => {
                let problem = "do not allow to see a whole stream; read its events instead";
                Box::pin(std::future::ready(Err(refused(problem).into())))
            }
        }
    }

    fn event(&self, id: EventId) -> BoxFuture<'_, Result<Option<RecordedEvent>, ReadError>> {
        Box::pin(async move { Ok(self.ledger.event(id).await?.filter(|event| self.sees(event))) })
    }

    fn receipt(&self, key: IdempotencyKey) -> BoxFuture<'_, Result<Option<Receipt>, AppendError>> {
        let rest = key.principal.strip_prefix(&*self.principal);
        match rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_control)) {
            true => self.ledger.receipt(key),
            false => Box::pin(std::future::ready(Ok(None))),
        }
    }

    fn position_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        self.ledger.position_at(time)
    }

    fn refuses_appends(&self) -> Option<String> {
        self.ledger.refuses_appends()
    }
}
