//! [`Follower`]: a subscriber that knows what it should be told: each matching event once, in order
//! (G6).

use std::task::{Context, Poll, Waker};

use factum_store::{BoxStream, Ledger, Position, Query, ReadError, Signal, Subscribe, Timestamp};
use futures_lite::future::block_on;

use crate::{
    fates::{Verdict, Visible},
    witness::Witness,
};

/// A subscriber. It survives restarts by subscribing again where it was.
pub(crate) struct Follower {
    query: Query,
    /// Every matching event up to here was yielded.
    upto: Position,
    stream: Option<BoxStream<Result<Signal, ReadError>>>,
    looks: Looks,
}

/// When the subscription may have looked at what it has not yielded yet.
#[derive(Clone, Copy, Default)]
struct Looks {
    /// Not at an earlier head, nor before this step.
    since: Option<(Position, u64)>,
    /// When the clock was between these.
    clock: Option<[Timestamp; 2]>,
}

/// What a poll came to.
pub(crate) enum Polled {
    /// It said something, which has to be checked.
    Said(Signal),
    /// It has nothing to say.
    Pending,
    /// It ended.
    Ended(Option<ReadError>),
}

impl Follower {
    pub(crate) fn new(query: Query, after: Position) -> Self {
        Self { query, upto: after, stream: None, looks: Looks::default() }
    }

    /// The ledger it followed is gone.
    pub(crate) fn leave(&mut self) {
        (self.stream, self.looks) = (None, Looks::default());
    }

    pub(crate) fn poll(
        &mut self,
        ledger: &dyn Ledger,
        now: impl Fn() -> Timestamp,
        step: u64,
    ) -> Polled {
        let before = now();
        if self.looks.since.is_none() {
            let head = block_on(ledger.head()).map_or(Position::START, |head| head.position);
            self.looks.since = Some((head, step));
        }
        let polled = self.poll_now(ledger);
        let [from, to] = self.looks.clock.unwrap_or([before, before]);
        self.looks.clock = Some([from.min(before), to.max(now())]);
        polled
    }

    fn poll_now(&mut self, ledger: &dyn Ledger) -> Polled {
        let subscribe =
            || ledger.subscribe(Subscribe { query: self.query.clone(), after: self.upto });
        let stream = self.stream.get_or_insert_with(subscribe);
        match stream.as_mut().poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(signal))) => Polled::Said(signal),
            Poll::Ready(Some(Err(error))) => {
                self.leave();
                Polled::Ended(Some(error))
            }
            Poll::Ready(None) => {
                self.leave();
                Polled::Ended(None)
            }
            Poll::Pending => Polled::Pending,
        }
    }

    /// Whether that is what it should say, given the log at least up to it.
    pub(crate) fn check(
        &mut self,
        signal: &Signal,
        witness: &Witness,
        step: u64,
    ) -> Result<(), String> {
        let (upto, event) = match signal {
            Signal::Event(event) => (event.position, Some(&**event)),
            Signal::CaughtUp(head) => (head.position, None),
            Signal::Progress(upto) => (*upto, None),
        };
        let log = &witness.log;
        let again = event.is_some() && upto == self.upto;
        if upto < self.upto || again || upto.0 > witness.head() {
            return Err(format!("a subscription at {} says it is at {upto}", self.upto));
        }
        let (since, since_step) = self.looks.since.unwrap_or_default();
        let heads = since.0.min(witness.head())..=witness.head();
        let clock = self.looks.clock.unwrap_or_default();
        let visible = Visible::of(&self.query, log, &witness.fates, heads, clock, since_step);
        let passed = &log[self.upto.0 as usize..upto.0 as usize - usize::from(event.is_some())];
        if let Some(skipped) = passed.iter().find(|event| visible.verdict(event) == Verdict::Must) {
            return Err(format!("a subscription is at {upto} and skipped {}", skipped.position));
        }
        if let Some(event) = event
            && (log.get(upto.0 as usize - 1) != Some(event)
                || visible.verdict(event) == Verdict::Never)
        {
            return Err(format!("a subscription at {} yields {event:?}", self.upto));
        }
        self.upto = upto;
        if let Signal::CaughtUp(head) = signal {
            // What it yields from now on it has not looked at yet.
            self.looks = Looks { since: Some((head.position.next(), step)), clock: None };
        }
        Ok(())
    }
}
