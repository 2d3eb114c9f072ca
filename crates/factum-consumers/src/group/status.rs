//! [`Status`]: how a group stands, for people who look.

use std::sync::Arc;

use factum_store::{Position, Timestamp};

use super::{Group, Spot};
use crate::Reference;

/// How a group stands.
#[derive(Clone, Debug)]
pub struct Status {
    /// Every matching event up to here is settled, parked, or waits behind a parked one.
    pub position: Position,
    /// Every matching event up to here was looked at.
    pub seen: Position,
    /// Whether somebody has paused it.
    pub paused: bool,
    /// Whether it stopped at a bound.
    pub stopped: Option<Stopped>,
    /// Events that consumers have.
    pub in_flight: usize,
    /// Events that were looked at and whose turn has come.
    pub ready: usize,
    /// Events that wait for their next attempt.
    pub retrying: usize,
    /// Events that wait for one of the same key before them.
    pub behind: usize,
    /// Events that are parked.
    pub parked: usize,
    /// Events that wait behind parked ones.
    pub held: usize,
    /// Who has drawn of late, and how many events each has.
    pub consumers: Vec<(Arc<str>, usize, Timestamp)>,
}

/// Why a group that is not paused delivers nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stopped {
    /// As many events are parked as may be.
    Parked,
    /// As many events wait behind parked ones as may.
    Held,
}

impl Group {
    /// Why nothing is delivered, though the group is not paused: it has reached a bound. Requeueing
    /// or skipping parked events, or a higher bound, lets it go on.
    #[must_use]
    pub fn stopped(&self) -> Option<Stopped> {
        if self.load.parked >= self.pace().parked_max {
            return Some(Stopped::Parked);
        }
        (self.load.held >= self.pace().held_max).then_some(Stopped::Held)
    }

    /// How it stands.
    #[must_use]
    pub fn status(&self) -> Status {
        let of = |spot| self.open.values().filter(|entry| entry.spot == spot).count();
        let (held, behind) = (of(Spot::Held), of(Spot::Behind));
        let consumers = self.consumers.iter();
        let mut consumers: Vec<_> = consumers
            .map(|(name, consumer)| (Arc::clone(name), consumer.in_flight, consumer.seen))
            .collect();
        consumers.sort_unstable();
        Status {
            position: self.reached(),
            seen: self.seen,
            paused: self.durable.paused,
            stopped: self.stopped(),
            in_flight: self.leases.len(),
            ready: self.ready.len(),
            retrying: self.retries.len(),
            behind,
            parked: self.load.parked,
            held,
            consumers,
        }
    }

    /// The parked events after `after`, oldest first.
    pub fn parked(&self, after: Position) -> impl Iterator<Item = &Reference> {
        let open = self.open.range(after.next()..).map(|(_, entry)| &entry.reference);
        open.filter(|reference| reference.is_parked())
    }
}
