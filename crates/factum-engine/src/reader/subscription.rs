//! [`Subscription`]: every matching event once, in order, first from what is there, then as it is
//! appended (G6).
//!
//! It needs no thread and no runtime: when it is polled it looks, a bounded amount; when it has
//! looked up to the head it waits for the writer to publish the next one. It listens first and then
//! looks, so nothing that is appended in between is missed. It looks at snapshots only, so it never
//! shows an event that is not durable (G2), and it remembers how far it has looked, so no event is
//! looked at twice.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use event_listener::EventListener;
use factum_store::{Direction, Head, Position, Query, ReadError, RecordedEvent, Signal, Subscribe};
use futures_core::Stream;

use super::{
    heeded::Sight,
    page::Collected,
    retention::Visible,
    search::{Ended, Search},
};
use crate::{error::EngineError, sabotage::Sabotage, shared::Shared};

/// At most this many events are kept ready.
const READY_EVENTS_MAX: usize = 256;

/// At most about this many bytes are kept ready.
const READY_BYTES_MAX: u64 = 1 << 20;

/// At most this many looks are made for one answer.
const LOOKS_MAX: u64 = 4_096;

/// A subscription to a ledger.
pub(crate) struct Subscription {
    shared: Arc<Shared>,
    sight: Arc<Sight>,
    query: Query,
    /// Events up to here were looked at; those that match are in `ready` or were yielded.
    looked: Position,
    /// The last position that the subscriber was told of.
    told: Position,
    ready: VecDeque<RecordedEvent>,
    /// The head at which the subscriber was told that it has caught up.
    caught_up: Option<Position>,
    listener: Option<Pin<Box<EventListener>>>,
    failed: bool,
}

impl Subscription {
    pub(crate) fn new(shared: Arc<Shared>, sight: Arc<Sight>, subscribe: Subscribe) -> Self {
        let Subscribe { query, after } = subscribe;
        Self {
            shared,
            sight,
            query,
            looked: after,
            told: after,
            ready: VecDeque::new(),
            caught_up: None,
            listener: None,
            failed: false,
        }
    }

    /// What there is to say now, if anything.
    fn next(&mut self) -> Result<Option<Signal>, EngineError> {
        loop {
            if let Some(signal) = self.say_ready() {
                return Ok(Some(signal));
            }
            let snapshot = self.shared.snapshot()?;
            if self.looked < snapshot.head.position {
                self.look(&snapshot)?;
                continue;
            }
            let caught_up = self.say_caught_up(snapshot.head);
            // A ledger that failed appends no more: whoever waits for more is told.
            return match (caught_up, self.shared.poisoned()) {
                (None, Some(why)) => Err(EngineError::Poisoned(why.to_owned())),
                (caught_up, _) => Ok(caught_up),
            };
        }
    }

    /// Looks on, from where the last look ended.
    fn look(&mut self, snapshot: &super::Snapshot) -> Result<(), EngineError> {
        let visible = Visible::of(snapshot, &self.sight, &self.query)?;
        let search = Search {
            query: &self.query,
            visible: visible.as_ref(),
            after: self.looked,
            up_to: snapshot.head.position,
            direction: Direction::Forward,
            limit: READY_EVENTS_MAX,
            looks_max: LOOKS_MAX,
        };
        let mut collected = Collected::new(READY_BYTES_MAX);
        let take: super::search::Take<'_> = &mut |frame, slot| collected.take(frame, slot);
        let ended = search.run(snapshot, None, take)?;
        self.ready.extend(collected.events);
        if snapshot.switch.is(Sabotage::CursorStands) && !self.ready.is_empty() {
            return Ok(());
        }
        self.looked = match ended {
            Ended::Whole => snapshot.head.position,
            Ended::Before(position) => position.prev(),
        };
        Ok(())
    }

    /// The next event that is ready; or progress, when much was passed over before it.
    fn say_ready(&mut self) -> Option<Signal> {
        let upto = self.ready.front().map_or(self.looked, |event| event.position.prev());
        if upto.0 >= self.told.0.saturating_add(Signal::PROGRESS_EVERY) {
            self.told.0 += Signal::PROGRESS_EVERY;
            return Some(Signal::Progress(self.told));
        }
        let event = self.ready.pop_front()?;
        self.told = event.position;
        Some(Signal::Event(Box::new(event)))
    }

    fn say_caught_up(&mut self, head: Head) -> Option<Signal> {
        if self.caught_up == Some(head.position) {
            return None;
        }
        self.caught_up = Some(head.position);
        self.told = self.told.max(head.position);
        Some(Signal::CaughtUp(head))
    }
}

impl Stream for Subscription {
    type Item = Result<Signal, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.failed {
            return Poll::Ready(None);
        }
        loop {
            match self.next() {
                Ok(Some(signal)) => {
                    self.listener = None;
                    return Poll::Ready(Some(Ok(signal)));
                }
                Err(error) => {
                    self.failed = true;
                    return Poll::Ready(Some(Err(error.into())));
                }
                Ok(None) => {}
            }
            // Listen first, then look again: what is published in between is not missed.
            match &mut self.listener {
                None => self.listener = Some(Box::pin(self.shared.listen())),
                Some(listener) => match listener.as_mut().poll(cx) {
                    Poll::Ready(()) => self.listener = None,
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }
}
