//! [`Follower`]: a subscriber that knows what it should be told: each matching event once, in order
//! (G6).

use std::task::{Context, Poll, Waker};

use factum_store::{
    BoxStream, Ledger, Position, Query, ReadError, RecordedEvent, Signal, Subscribe,
};

/// A subscriber. It survives restarts by subscribing again where it was.
pub(crate) struct Follower {
    query: Query,
    /// Every matching event up to here was yielded.
    upto: Position,
    stream: Option<BoxStream<Result<Signal, ReadError>>>,
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
        Self { query, upto: after, stream: None }
    }

    /// The ledger it followed is gone.
    pub(crate) fn leave(&mut self) {
        self.stream = None;
    }

    pub(crate) fn poll(&mut self, ledger: &dyn Ledger) -> Polled {
        let subscribe =
            || ledger.subscribe(Subscribe { query: self.query.clone(), after: self.upto });
        let stream = self.stream.get_or_insert_with(subscribe);
        match stream.as_mut().poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(signal))) => Polled::Said(signal),
            Poll::Ready(Some(Err(error))) => {
                self.stream = None;
                Polled::Ended(Some(error))
            }
            Poll::Ready(None) => {
                self.stream = None;
                Polled::Ended(None)
            }
            Poll::Pending => Polled::Pending,
        }
    }

    /// Whether that is what it should say, given the log at least up to it.
    pub(crate) fn check(&mut self, signal: &Signal, log: &[RecordedEvent]) -> Result<(), String> {
        let after = log.iter().skip(self.upto.0 as usize);
        let next = after.clone().find(|event| self.query.matches(event));
        let upto = match signal {
            Signal::Event(event) if Some(&**event) == next => event.position,
            Signal::Event(event) => {
                let (at, next) = (event.position, next.map(|event| event.position));
                return Err(format!("a subscription yields {at}, where {next:?} is the next"));
            }
            Signal::CaughtUp(head) => head.position,
            Signal::Progress(upto) => *upto,
        };
        if upto < self.upto || upto.0 > log.len() as u64 {
            return Err(format!("a subscription at {} says it is at {upto}", self.upto));
        }
        if let Some(next) = next
            && !matches!(signal, Signal::Event(_))
            && next.position <= upto
        {
            return Err(format!("a subscription is at {upto} and skipped {}", next.position));
        }
        self.upto = upto;
        Ok(())
    }
}
