//! A group and the oracle side by side: each step is made on both, and what they say is compared.

use std::sync::Arc;

use factum_consumers::{
    Change, Definition, DeliveryId, Durable, Group, Key, Nack, NotOpen, Offered, Order, Pace, Pick,
};
use factum_store::{Position, Query, Timestamp};

use crate::oracle::{Became, Event, Oracle};

/// Events are this far apart: what lies between does not match.
const GAP: u64 = 3;
/// How far the group looks ahead.
const LOOK_AHEAD: usize = 7;

/// One step of a run.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Offer { events: usize, between: bool },
    Draw { consumer: u8, max: usize },
    Ack(usize),
    Nack(usize, Nack),
    Extend(usize),
    GiveBack(usize),
    Gone(usize),
    Pass(u64),
    Write,
    Crash,
    Requeue(Pick),
    Skip(Pick),
    Pause,
    Resume,
    SetPace { parked_max: usize, held_max: usize },
    Reset(usize),
}

pub(crate) struct World {
    group: Group,
    oracle: Oracle,
    /// The oracle when changes were last written down.
    oracle_written: Oracle,
    /// What the changes that were written down come to.
    written: Durable,
    /// Deliveries so far.
    ids: Vec<DeliveryId>,
    now: u64,
    run: u64,
    adjust: fn(Group) -> Group,
}

impl World {
    /// `adjust` makes what is tested of the group.
    pub(crate) fn new(keys: Vec<Vec<u8>>, adjust: fn(Group) -> Group) -> Self {
        let pace = Pace {
            ack_deadline_ms: 100,
            attempts_max: 3,
            backoff_initial_ms: 10,
            backoff_max_ms: 15,
            in_flight_max: 4,
            in_flight_per_consumer_max: 3,
            parked_max: 3,
            held_max: 6,
        };
        let definition = Definition { query: Query::all(), order: Order::Tag("k".into()) };
        let written = Durable::new(definition, pace, Position::START);
        let event = |keys| {
            let became = Became::Waiting(0);
            Event { keys, became, attempts: 0, known: false, delivery: None }
        };
        let events = keys.into_iter().map(event).collect();
        let oracle = Oracle { events, pace, paused: false };
        Self {
            group: adjust(Group::restore(written.clone(), 0, LOOK_AHEAD)),
            oracle_written: oracle.clone(),
            oracle,
            written,
            ids: Vec::new(),
            now: 1_000,
            run: 0,
            adjust,
        }
    }

    pub(crate) fn step(&mut self, step: &Step) {
        match step {
            Step::Offer { events, between } => self.offer(*events, *between),
            Step::Draw { consumer, max } => drop(self.draw(*consumer, *max)),
            Step::Ack(back) => self.ack(*back),
            Step::Nack(back, then) => self.nack(*back, *then),
            Step::Extend(back) => self.extend(*back),
            Step::GiveBack(back) => self.give_back(*back),
            Step::Gone(back) => self.gone(*back),
            Step::Pass(millis) => self.pass(*millis),
            Step::Write => self.write(),
            Step::Crash => self.crash(),
            Step::Requeue(pick) => self.requeue(pick),
            Step::Skip(pick) => self.skip(pick),
            Step::Pause => {
                self.group.pause();
                self.oracle.paused = true;
            }
            Step::Resume => {
                self.group.resume();
                self.oracle.paused = false;
            }
            Step::SetPace { parked_max, held_max } => {
                let pace = &mut self.oracle.pace;
                *pace = Pace { parked_max: *parked_max, held_max: *held_max, ..*pace };
                self.group.set_pace(*pace);
            }
            Step::Reset(passed) => self.reset(*passed),
        }
        self.check();
    }

    /// Handles all that is left, and finds that nothing was lost.
    pub(crate) fn finish(&mut self) {
        self.crash();
        self.step(&Step::Resume);
        self.step(&Step::SetPace { parked_max: 1_000, held_max: 1_000 });
        self.step(&Step::Requeue(Pick::All));
        for _ in 0..self.oracle.events.len() + 1 {
            self.offer(usize::MAX, true);
            self.pass(1_000_000);
            for delivery in self.draw(0, usize::MAX) {
                assert_eq!(self.group.ack(self.ids[delivery]).ok(), self.event_of(delivery));
                let at = self.oracle.answered(delivery, true).expect("is in flight");
                self.oracle.settle(at);
            }
        }
        self.write();
        let left = self.oracle.events.iter().position(|event| event.became != Became::Settled);
        assert_eq!(left, None, "an event was never delivered");
        assert_eq!((self.written.kept.len(), self.written.done.len()), (0, 0));
        assert!(self.written.checkpoint >= position(self.oracle.events.len().saturating_sub(1)));
    }

    fn event_of(&self, delivery: usize) -> Option<Position> {
        self.oracle.answered(delivery, false).map(position)
    }

    fn offer(&mut self, events: usize, between: bool) {
        for _ in 0..events {
            let next = index(self.group.seen());
            if next >= self.oracle.events.len() || !self.group.wants_more() {
                break;
            }
            let event = &mut self.oracle.events[next];
            let keys = event.keys.iter().map(|key| Key::from(format!("k:{key}"))).collect();
            event.known = true;
            let event_type = Arc::from("happened");
            self.group.offer(Offered { position: position(next), event_type, keys });
        }
        if between {
            self.group.looked(position(index(self.group.seen())).prev());
        }
    }

    /// The deliveries, as places among all there were.
    fn draw(&mut self, consumer: u8, max: usize) -> Vec<usize> {
        // The shell draws only when what happened before is written down.
        self.write();
        self.pass(0);
        let expected = self.oracle.draw(consumer, max, self.now);
        let drawn = self.group.draw(&format!("consumer {consumer}"), max, micros(self.now));
        let positions: Vec<_> = drawn.iter().map(|delivery| delivery.position).collect();
        let expected_positions: Vec<_> = expected.iter().copied().map(position).collect();
        assert_eq!(positions, expected_positions, "what is delivered");
        let mut deliveries = Vec::new();
        for (at, delivery) in expected.into_iter().zip(drawn) {
            assert_eq!(delivery.attempt, self.oracle.events[at].attempts + 1, "the attempt");
            assert!(delivery.attempt <= self.oracle.pace.attempts_max, "too many attempts");
            assert!(!self.ids.contains(&delivery.id), "an id is used twice");
            self.oracle.deliver(at, consumer, self.ids.len(), self.now);
            deliveries.push(self.ids.len());
            self.ids.push(delivery.id);
        }
        deliveries
    }

    /// A delivery, counted from the newest.
    fn delivery(&self, back: usize) -> Option<usize> {
        self.ids.len().checked_sub(back + 1)
    }

    fn ack(&mut self, back: usize) {
        let Some(delivery) = self.delivery(back) else { return };
        assert_eq!(self.group.ack(self.ids[delivery]).ok(), self.event_of(delivery));
        if let Some(at) = self.oracle.answered(delivery, false) {
            self.oracle.settle(at);
        }
    }

    fn nack(&mut self, back: usize, then: Nack) {
        let Some(delivery) = self.delivery(back) else { return };
        let fate = self.group.nack(self.ids[delivery], then, "no", micros(self.now));
        let at = self.oracle.answered(delivery, true);
        let expected = at.map(|at| {
            self.oracle.events[at].delivery = None;
            self.oracle.fail(at, then, self.now)
        });
        assert_eq!(fate.ok(), expected, "what becomes of it");
    }

    fn extend(&mut self, back: usize) {
        let Some(delivery) = self.delivery(back) else { return };
        let extended = self.group.extend(self.ids[delivery], micros(self.now));
        let at = self.oracle.answered(delivery, true);
        assert_eq!(extended.is_ok(), at.is_some());
        if let Some(at) = at
            && let Became::InFlight { deadline, .. } = &mut self.oracle.events[at].became
        {
            *deadline = self.now + self.oracle.pace.ack_deadline_ms;
        }
    }

    fn give_back(&mut self, back: usize) {
        let Some(delivery) = self.delivery(back) else { return };
        self.group.give_back(self.ids[delivery]);
        if let Some(at) = self.oracle.answered(delivery, true) {
            self.oracle.events[at].became = Became::Waiting(0);
            self.oracle.events[at].delivery = None;
        }
    }

    fn gone(&mut self, back: usize) {
        let Some(at) = self.delivery(back).and_then(|at| self.oracle.answered(at, true)) else {
            return;
        };
        self.group.gone(position(at));
        self.oracle.settle(at);
    }

    fn pass(&mut self, millis: u64) {
        self.now += millis;
        self.group.tick(micros(self.now));
        self.oracle.tick(self.now);
        assert!(self.group.next_due().is_none_or(|due| due > micros(self.now)));
    }

    /// Writes down what happened, as a log would: as text, of which the state is made again.
    fn write(&mut self) {
        let text = serde_json::to_string(&self.group.changes()).expect("is JSON");
        let changes: Vec<Change> = serde_json::from_str(&text).expect("can be read");
        changes.iter().for_each(|change| self.written.apply(change));
        assert_eq!(&self.written, self.group.durable(), "replay");
        self.oracle_written = self.oracle.clone();
    }

    fn crash(&mut self) {
        let text = serde_json::to_string(&self.written).expect("is JSON");
        let found: Durable = serde_json::from_str(&text).expect("can be read");
        assert_eq!(found, self.written, "a snapshot");
        self.run += 1;
        self.group = (self.adjust)(Group::restore(found, self.run, LOOK_AHEAD));
        self.oracle = self.oracle_written.clone();
        let written = &self.written;
        self.oracle.crash(|at| {
            position(at) <= written.checkpoint || written.kept.contains_key(&position(at))
        });
        self.oracle_written = self.oracle.clone();
        self.pass(0);
    }

    fn picked(&self, pick: &Pick, also_waiting: bool) -> Result<Vec<usize>, NotOpen> {
        let events = &self.oracle.events;
        let parked = (0..events.len()).filter(|at| events[*at].became == Became::Parked);
        Ok(match pick {
            Pick::All => parked.collect(),
            Pick::Key(key) => {
                let has = |at: &usize| events[*at].keys.iter().any(|k| format!("k:{k}") == *key);
                parked.filter(has).collect()
            }
            Pick::At(at) => {
                let index = index(at.prev());
                let event = events.get(index).filter(|event| event.known);
                let fits = event.is_some_and(|event| match event.became {
                    Became::Parked => true,
                    Became::Waiting(from) => also_waiting && from > self.now,
                    _ => false,
                });
                if position(index) != *at || !fits {
                    return Err(NotOpen(*at));
                }
                vec![index]
            }
        })
    }

    fn requeue(&mut self, pick: &Pick) {
        let expected = self.picked(pick, true);
        let found = self.group.requeue(pick);
        assert_eq!(found, expected.as_ref().map(Vec::len).map_err(|not| *not));
        expected.into_iter().flatten().for_each(|at| self.oracle.requeue(at));
    }

    fn skip(&mut self, pick: &Pick) {
        let expected = self.picked(pick, false);
        let found = self.group.skip(pick);
        assert_eq!(found, expected.as_ref().map(Vec::len).map_err(|not| *not));
        expected.into_iter().flatten().for_each(|at| self.oracle.settle(at));
    }

    fn reset(&mut self, passed: usize) {
        let to = Position(passed as u64 * GAP);
        self.group.reset(to, micros(self.now));
        self.oracle.reset(passed.min(self.oracle.events.len()));
    }

    /// What has to hold after every step.
    fn check(&self) {
        let status = self.group.status();
        assert_eq!((status.parked, status.held), (self.oracle.parked(), self.oracle.held()));
        assert_eq!(self.group.stopped().is_some(), self.oracle.is_stopped());
        let durable = self.group.durable();
        let lost = self.oracle.events.iter().enumerate().find(|(at, event)| {
            let passed = position(*at) <= durable.checkpoint;
            let kept = durable.kept.contains_key(&position(*at));
            passed && event.became != Became::Settled && !kept
        });
        assert!(lost.is_none(), "passed, neither settled nor kept: {lost:?} by {durable:?}");
        // An event with two keys can be the first behind a parked one after others were taken.
        let active = status.in_flight + status.ready + status.retrying + status.behind;
        assert!(active <= 2 * LOOK_AHEAD + status.parked + 6, "{active} are open");
        assert!(durable.done.len() <= 3 * LOOK_AHEAD + 6, "{} are done", durable.done.len());
    }
}

fn position(index: usize) -> Position {
    Position(index as u64 * GAP + 1)
}

/// How many events are up to a position.
fn index(position: Position) -> usize {
    usize::try_from(position.0.div_ceil(GAP)).expect("is small")
}

fn micros(millis: u64) -> Timestamp {
    Timestamp::from_micros(millis * 1_000)
}
