//! The port [`Ledger`]: append, read, subscribe.
//!
//! ```text
//!   position   0    1    2    3    4    5    6
//!              |  [a1] [a2] [b1] [c1] [c2]  |
//!            START  \__batch/               head = 5
//!
//!   read  after 1, up_to 4          → 2 3 4      (backward: 4 3 2)
//!   subscribe after 3               → 4 5 CaughtUp(5) … 6 …
//! ```
//!
//! Every implementation passes the suites in `conformance`. A reader never sees position p before
//! it could see every position below p (G3), and never sees a batch in part (G1).
//!
//! **Retention.** What an item of a query that names a stream finds is what is visible of that
//! stream (see [`Retention`](crate::Retention)), by what is said of the stream and by the clock at
//! the moment of looking, also for reads of the past: hidden is hidden. What other items find, and
//! what a `NoMatch` condition looks at, is what is there: hidden events too, until a compaction has
//! dropped them. Positions and revisions are never given anew: where an event was dropped they have
//! a gap, which pages and subscriptions pass over like any event that does not match.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::Stream;

use crate::{
    Append, AppendError, EventId, IdempotencyKey, Position, Query, ReadError, Receipt,
    RecordedEvent, StreamInfo, StreamName, Timestamp,
};

/// A future that a port returns.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
/// A stream that a port returns.
pub type BoxStream<T> = Pin<Box<dyn Stream<Item = T> + Send>>;

/// One append-only, totally ordered log of events.
pub trait Ledger: Send + Sync + 'static {
    /// Appends a batch, durably, when all its conditions hold.
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Receipt, AppendError>>;

    /// Reads some of the events that a query matches, in order of position.
    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>>;

    /// Every matching event once, in order, from `after` on and without end (G6). A query beyond the
    /// limits is refused by the first signal, which is the last.
    fn subscribe(&self, subscribe: Subscribe) -> BoxStream<Result<Signal, ReadError>>;

    /// The last event's place and time.
    fn head(&self) -> BoxFuture<'_, Result<Head, ReadError>>;

    /// A stream's end, what is kept of it, and so whether it never existed, is deleted, or is ended
    /// for ever.
    fn stream(&self, stream: StreamName) -> BoxFuture<'_, Result<StreamInfo, ReadError>>;

    /// The event of this identity; the first, should a foreign writer have used an id twice. `None`
    /// too when compaction has dropped it.
    fn event(&self, id: EventId) -> BoxFuture<'_, Result<Option<RecordedEvent>, ReadError>>;

    /// The receipt of the request that was recorded under this key, if there is one. The hash of
    /// the request is compared as in [`Ledger::append`].
    fn receipt(&self, key: IdempotencyKey) -> BoxFuture<'_, Result<Option<Receipt>, AppendError>>;

    /// The greatest position recorded at or before a moment; [`Position::START`] if there is none.
    fn position_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>>;

    /// Why it takes no appends until it is opened again, such as a sync that failed; `None` while
    /// it takes them. Answers at once.
    fn refuses_appends(&self) -> Option<String> {
        None
    }
}

/// The end of a ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The last event's position; [`Position::START`] in an empty ledger.
    pub position: Position,
    /// When the last event was recorded.
    pub recorded_at: Timestamp,
}

/// Which way a read goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    #[default]
    Forward,
    /// Newest first.
    Backward,
}

/// What to read: the events in `after < position <= up_to` that `query` matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// Which events.
    pub query: Query,
    /// Only those after this position.
    pub after: Position,
    /// Only those up to this position; beyond the head means up to the head.
    pub up_to: Position,
    /// From which end.
    pub direction: Direction,
    /// At most this many in the page. The page may be shorter and still not be the last.
    pub limit: usize,
}

impl Read {
    /// Everything that `query` matches, oldest first, in pages of 256.
    #[must_use]
    pub fn new(query: Query) -> Self {
        Self {
            query,
            after: Position::START,
            up_to: Position::END,
            direction: Direction::Forward,
            limit: 256,
        }
    }

    /// Only events after `after`.
    #[must_use]
    pub fn after(mut self, after: Position) -> Self {
        self.after = after;
        self
    }

    /// Only events up to `up_to`.
    #[must_use]
    pub fn up_to(mut self, up_to: Position) -> Self {
        self.up_to = up_to;
        self
    }

    /// Newest first.
    #[must_use]
    pub fn backward(mut self) -> Self {
        self.direction = Direction::Backward;
        self
    }

    /// At most `limit` events in a page.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }
}

/// Some events, and how far the read has looked for more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// In order of the read's direction.
    pub events: Vec<RecordedEvent>,
    /// The read that goes on where this page ends; `None` when nothing is left in the range.
    pub next: Option<Read>,
    /// The head of the ledger that the page was read from.
    pub head: Head,
}

/// What to follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// Which events.
    pub query: Query,
    /// Only those after this position.
    pub after: Position,
}

/// What a subscription says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The next matching event.
    Event(Box<RecordedEvent>),
    /// Every matching event up to here was yielded, and this was the head. Said again each time
    /// the subscription has fallen behind and caught up.
    CaughtUp(Head),
    /// Every matching event up to here was yielded, though there is more to look at. Said at
    /// least once for every 4,096 positions looked at while nothing matches.
    Progress(Position),
}

impl Signal {
    /// Positions looked at without a match after which progress is reported.
    pub const PROGRESS_EVERY: u64 = 4_096;
}

/// A subscription that says why it can't be, and ends.
#[must_use]
pub fn refused_subscription(error: ReadError) -> BoxStream<Result<Signal, ReadError>> {
    struct Refused(Option<ReadError>);
    impl Stream for Refused {
        type Item = Result<Signal, ReadError>;
        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.take().map(Err))
        }
    }
    Box::pin(Refused(Some(error)))
}
