//! The oracle: a list of events, each with what became of it. It looks at all of them for every
//! question, so that there is nothing in it that could be out of step.

use factum_consumers::{Fate, Nack, Pace};

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Became {
    /// It may be delivered from this time on, in milliseconds.
    Waiting(u64),
    InFlight {
        consumer: u8,
        deadline: u64,
    },
    Parked,
    Settled,
}

#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) keys: Vec<u8>,
    pub(crate) became: Became,
    pub(crate) attempts: u32,
    /// Whether the group knows of it: it was offered, or is kept.
    pub(crate) known: bool,
    /// The newest delivery, as long as it can be answered.
    pub(crate) delivery: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Oracle {
    pub(crate) events: Vec<Event>,
    pub(crate) pace: Pace,
    pub(crate) paused: bool,
}

impl Oracle {
    pub(crate) fn parked(&self) -> usize {
        self.events.iter().filter(|event| event.became == Became::Parked).count()
    }

    fn shares_key(&self, a: usize, b: usize) -> bool {
        self.events[a].keys.iter().any(|key| self.events[b].keys.contains(key))
    }

    /// How many wait, directly or not, for a parked event.
    pub(crate) fn held(&self) -> usize {
        let mut stuck = vec![false; self.events.len()];
        let mut held = 0;
        for at in 0..self.events.len() {
            let (became, known) = (self.events[at].became, self.events[at].known);
            let waits = matches!(became, Became::Waiting(_)) && known;
            let is_held = waits && (0..at).any(|b| stuck[b] && self.shares_key(b, at));
            stuck[at] = is_held || became == Became::Parked;
            held += usize::from(is_held);
        }
        held
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.parked() >= self.pace.parked_max || self.held() >= self.pace.held_max
    }

    fn in_flight(&self, of: Option<u8>) -> usize {
        let counts = |event: &&Event| match event.became {
            Became::InFlight { consumer, .. } => of.is_none_or(|of| of == consumer),
            _ => false,
        };
        self.events.iter().filter(counts).count()
    }

    /// What a draw has to find.
    pub(crate) fn draw(&self, consumer: u8, max: usize, now: u64) -> Vec<usize> {
        if self.paused || self.is_stopped() {
            return Vec::new();
        }
        let in_group = self.pace.in_flight_max.saturating_sub(self.in_flight(None));
        let each = self.pace.in_flight_per_consumer_max;
        let room = max.min(in_group).min(each.saturating_sub(self.in_flight(Some(consumer))));
        let turn = |at: &usize| {
            let event = &self.events[*at];
            let due = matches!(event.became, Became::Waiting(from) if from <= now);
            let settled = |before: usize| self.events[before].became == Became::Settled;
            event.known && due && (0..*at).all(|b| settled(b) || !self.shares_key(b, *at))
        };
        (0..self.events.len()).filter(turn).take(room).collect()
    }

    pub(crate) fn deliver(&mut self, at: usize, consumer: u8, delivery: usize, now: u64) {
        let deadline = now + self.pace.ack_deadline_ms;
        self.events[at].became = Became::InFlight { consumer, deadline };
        self.events[at].delivery = Some(delivery);
    }

    /// The event of a delivery that can be answered.
    pub(crate) fn answered(&self, delivery: usize, in_flight: bool) -> Option<usize> {
        let at = self.events.iter().position(|event| event.delivery == Some(delivery))?;
        let has = matches!(self.events[at].became, Became::InFlight { .. });
        (has || !in_flight).then_some(at)
    }

    pub(crate) fn settle(&mut self, at: usize) {
        self.events[at].became = Became::Settled;
        self.events[at].delivery = None;
    }

    pub(crate) fn fail(&mut self, at: usize, then: Nack, now: u64) -> Fate {
        let pace = self.pace;
        let event = &mut self.events[at];
        event.attempts += 1;
        let wait = match then {
            Nack::Retry => pace.backoff_ms(event.attempts),
            Nack::RetryAfter(wait) => wait,
            Nack::Park => u64::MAX,
        };
        if then == Nack::Park || event.attempts >= pace.attempts_max {
            event.became = Became::Parked;
            return Fate::Parked;
        }
        event.became = Became::Waiting(now + wait);
        Fate::RetriedAt(factum_store::Timestamp::from_micros((now + wait) * 1_000))
    }

    pub(crate) fn tick(&mut self, now: u64) {
        for at in 0..self.events.len() {
            if matches!(self.events[at].became, Became::InFlight { deadline, .. } if deadline <= now)
            {
                self.fail(at, Nack::Retry, now);
            }
        }
    }

    /// What is left after a crash of what was written down: nobody has anything.
    pub(crate) fn crash(&mut self, is_known: impl Fn(usize) -> bool) {
        for (at, event) in self.events.iter_mut().enumerate() {
            event.known = is_known(at);
            event.delivery = None;
            if let Became::InFlight { .. } = event.became {
                event.became = Became::Waiting(0);
            }
        }
    }

    pub(crate) fn requeue(&mut self, at: usize) {
        self.events[at].became = Became::Waiting(0);
        self.events[at].attempts = 0;
    }

    /// Begins anew after the first `passed` events.
    pub(crate) fn reset(&mut self, passed: usize) {
        for (at, event) in self.events.iter_mut().enumerate() {
            let became = if at < passed { Became::Settled } else { Became::Waiting(0) };
            *event = Event {
                keys: std::mem::take(&mut event.keys),
                became,
                attempts: 0,
                known: false,
                delivery: None,
            };
        }
    }
}
