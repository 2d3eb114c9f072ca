//! [`Group`]: the state machine. Each file is one kind of step: `draw` hands events out, `settle`
//! takes answers, `steer` does what somebody decided, `changes` says what has to be written down.
//!
//! ```text
//!                     ┌────────────► Behind ◄── offer ──► Held (behind a parked event)
//!                     │                 │ first in its lines   │
//!                     │                 ▼                      │
//!   Retry ── due ──► Ready ── draw ──► Leased ── ack ──► settled
//!     ▲                                 │                      ▲
//!     └──────────── nack, time-out ─────┤                      │ skip
//!                                       └─ too often ──► Parked┘── requeue ──► Ready
//! ```

mod changes;
mod draw;
mod lines;
mod settle;
mod status;
mod steer;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use factum_store::{Position, Timestamp};

pub use draw::{Delivery, DeliveryId};
pub use settle::{Fate, Lost, Nack};
pub use status::{Status, Stopped};
pub use steer::{NotOpen, Pick};

use crate::{
    Change, Durable, Key, Pace, Reference, Standing,
    sabotage::{Sabotage, Switch},
};
use lines::Lines;

/// An event that matches the group's query, without its payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offered {
    /// Where it is.
    pub position: Position,
    /// What it is.
    pub event_type: Arc<str>,
    /// What it may not overtake.
    pub keys: Vec<Key>,
}

/// A consumer group, in memory.
#[derive(Debug)]
pub struct Group {
    /// What was said in changes so far.
    durable: Durable,
    /// Changes that nobody has taken yet.
    pending: Vec<Change>,
    /// Every matching event up to here was offered.
    seen: Position,
    /// What was offered, or kept, and is not settled.
    open: BTreeMap<Position, Entry>,
    lines: Lines,
    ready: BTreeSet<Position>,
    retries: BTreeSet<(Timestamp, Position)>,
    leases: BTreeSet<(Timestamp, Position)>,
    /// The newest delivery of each open event that has one.
    deliveries: HashMap<u64, Position>,
    delivered: u64,
    run: u64,
    consumers: HashMap<Arc<str>, Consumer>,
    load: Load,
    look_ahead: usize,
    switch: Switch,
}

/// An event that is not settled.
#[derive(Debug)]
struct Entry {
    reference: Reference,
    lease: Option<Lease>,
    /// The newest delivery of it.
    delivery: Option<u64>,
    spot: Spot,
}

/// That a consumer has an event, until its deadline.
#[derive(Debug)]
struct Lease {
    consumer: Arc<str>,
    deadline: Timestamp,
}

/// Which of the sets an entry is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    /// Behind another of its key.
    Behind,
    /// Behind a parked one of its key, or behind one that is.
    Held,
    Ready,
    Retry(Timestamp),
    Leased(Timestamp),
    Parked,
}

/// How much room entries take, by what bounds it.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    /// Units of those that are on their way.
    active: usize,
    /// Units of those behind parked ones.
    held: usize,
    /// How many are parked.
    parked: usize,
}

/// Somebody who draws.
#[derive(Debug)]
struct Consumer {
    in_flight: usize,
    seen: Timestamp,
}

impl Group {
    /// The group that was written down. What was in flight is delivered again. `run` must not have
    /// been used before: deliveries of different runs are told apart by it. At most `look_ahead`
    /// units of events are taken ahead of those that are handled, and at least as many as may be in
    /// flight.
    #[must_use]
    pub fn restore(durable: Durable, run: u64, look_ahead: usize) -> Self {
        let mut group = Self {
            pending: Vec::new(),
            seen: durable.checkpoint,
            open: BTreeMap::new(),
            lines: Lines::default(),
            ready: BTreeSet::new(),
            retries: BTreeSet::new(),
            leases: BTreeSet::new(),
            deliveries: HashMap::new(),
            delivered: 0,
            run,
            consumers: HashMap::new(),
            load: Load::default(),
            look_ahead,
            switch: Switch::default(),
            durable,
        };
        for reference in group.durable.kept.values().cloned().collect::<Vec<_>>() {
            group.enter(reference);
        }
        group
    }

    /// The same with a deliberate bug.
    #[cfg(feature = "sabotage")]
    #[must_use]
    pub fn with_sabotage(mut self, bug: Sabotage) -> Self {
        self.switch = Switch(Some(bug));
        self
    }

    /// Where offers have to go on: with the first matching event after this position.
    #[must_use]
    pub fn seen(&self) -> Position {
        self.seen
    }

    /// Whether there is room for more events. A few more than there is room for may be offered.
    #[must_use]
    pub fn wants_more(&self) -> bool {
        let bound = self.look_ahead.max(self.pace().in_flight_max);
        let room = self.load.active < bound || self.switch.is(Sabotage::IntakeUnbounded);
        room && !self.durable.paused && self.stopped().is_none()
    }

    /// The next matching event, in order. One that was offered before, or is settled already, is
    /// not taken twice.
    pub fn offer(&mut self, offered: Offered) {
        let Offered { position, event_type, keys } = offered;
        if position <= self.seen {
            return;
        }
        self.seen = position;
        let done = self.durable.done.contains(&position);
        if self.open.contains_key(&position) || (done && !self.switch.is(Sabotage::DoneForgotten)) {
            return;
        }
        let (attempts, error, standing) = (0, None, Standing::Waiting);
        self.enter(Reference { position, event_type, keys, attempts, error, standing });
    }

    /// Every matching event up to here was offered.
    pub fn looked(&mut self, up_to: Position) {
        self.seen = self.seen.max(up_to);
    }

    /// Lets time pass: what was not answered in time has failed, and what has waited long enough is
    /// ready.
    pub fn tick(&mut self, now: Timestamp) {
        while let Some((deadline, position)) = self.leases.first().copied() {
            if deadline > now || self.switch.is(Sabotage::TimeOutForgotten) {
                break;
            }
            self.timed_out(position, now);
        }
        while let Some((due, position)) = self.retries.first().copied() {
            if due > now {
                break;
            }
            self.stand(position, Standing::Waiting);
        }
        self.forget_consumers(now);
    }

    /// When time next matters.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let (lease, retry) = (self.leases.first(), self.retries.first());
        [lease, retry].into_iter().flatten().map(|(due, _)| *due).min()
    }

    /// What was said in changes so far.
    #[must_use]
    pub fn durable(&self) -> &Durable {
        &self.durable
    }

    fn pace(&self) -> &Pace {
        &self.durable.pace
    }

    fn enter(&mut self, reference: Reference) {
        let position = reference.position;
        self.lines.enter(&reference);
        let units = reference.units();
        self.load.active += units;
        let entry = Entry { reference, lease: None, delivery: None, spot: Spot::Behind };
        self.open.insert(position, entry);
        self.place(position);
    }

    /// Takes a settled event out of everything.
    fn leave(&mut self, position: Position) {
        self.unlease(position);
        self.forget_delivery(position);
        let Some(entry) = self.open.remove(&position) else { return };
        self.unspot(position, entry.spot);
        self.account(entry.spot, entry.reference.units(), false);
        self.lines.leave(&entry.reference);
        self.place_behind(&entry.reference);
    }

    fn stand(&mut self, position: Position, standing: Standing) {
        if let Some(entry) = self.open.get_mut(&position) {
            entry.reference.standing = standing;
            self.place(position);
        }
    }

    /// Puts an entry where it belongs now.
    fn place(&mut self, position: Position) {
        let Some(entry) = self.open.get(&position) else { return };
        let (before, units) = (entry.spot, entry.reference.units());
        let after = self.spot(entry);
        self.unspot(position, before);
        match after {
            Spot::Ready => drop(self.ready.insert(position)),
            Spot::Retry(due) => drop(self.retries.insert((due, position))),
            Spot::Leased(deadline) => drop(self.leases.insert((deadline, position))),
            Spot::Behind | Spot::Held | Spot::Parked => {}
        }
        self.account(before, units, false);
        self.account(after, units, true);
        if let Some(entry) = self.open.get_mut(&position) {
            entry.spot = after;
        }
    }

    fn spot(&self, entry: &Entry) -> Spot {
        if let Some(lease) = &entry.lease {
            return Spot::Leased(lease.deadline);
        }
        match entry.reference.standing {
            Standing::Parked(_) => Spot::Parked,
            Standing::RetryAt(due) => Spot::Retry(due),
            Standing::Waiting if self.lines.is_first(&entry.reference) => Spot::Ready,
            Standing::Waiting if self.switch.is(Sabotage::KeyOverlaps) => Spot::Ready,
            Standing::Waiting if self.is_held(&entry.reference) => match self.switch {
                switch if switch.is(Sabotage::ParkedKeyFlows) => Spot::Ready,
                _ => Spot::Held,
            },
            Standing::Waiting => Spot::Behind,
        }
    }

    /// Whether a parked event stands before it, or one that waits for a parked event itself.
    fn is_held(&self, reference: &Reference) -> bool {
        let stuck = |before| {
            let spot = self.open.get(&before).map(|entry| entry.spot);
            matches!(spot, Some(Spot::Parked | Spot::Held))
        };
        self.lines.before(reference).any(stuck)
    }

    /// Puts those behind an event where they belong, after it has moved. Whether one is stuck follows
    /// from those directly before it, so this ends where nothing changes.
    fn place_behind(&mut self, reference: &Reference) {
        let mut behind: BTreeSet<_> = self.lines.behind(reference).collect();
        while let Some(position) = behind.pop_first() {
            let before = self.open.get(&position).map(|entry| entry.spot);
            self.place(position);
            let Some(entry) = self.open.get(&position) else { continue };
            if before != Some(entry.spot) {
                behind.extend(self.lines.behind(&entry.reference));
            }
        }
    }

    fn unspot(&mut self, position: Position, spot: Spot) {
        match spot {
            Spot::Ready => drop(self.ready.remove(&position)),
            Spot::Retry(due) => drop(self.retries.remove(&(due, position))),
            Spot::Leased(deadline) => drop(self.leases.remove(&(deadline, position))),
            Spot::Behind | Spot::Held | Spot::Parked => {}
        }
    }

    fn account(&mut self, spot: Spot, units: usize, more: bool) {
        let (room, by) = match spot {
            Spot::Parked => (&mut self.load.parked, 1),
            Spot::Held => (&mut self.load.held, units),
            _ => (&mut self.load.active, units),
        };
        *room = if more { *room + by } else { *room - by };
    }
}
