//! Appending: so many writers, each a thread that waits for each acknowledgement.

use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Append, DATA_BYTES, Guarding, SECONDS_MAX};
use crate::{
    clock::{Laps, Runner, race},
    events::{Event, mix, own_event, own_tag, shop_event},
    job::{Job, Measured},
    systems::{Appended, Batch, Guard, System, Writer},
};

/// Of a writer's requests, one in so many is done before the clock, to warm up.
const WARM_UP: usize = 20;

/// The workload.
pub(super) fn append(system: &dyn System, how: Append, job: &Job) -> Result<Measured> {
    let end = Duration::from_secs_f64(SECONDS_MAX * job.share);
    let requests = (how.requests as f64 * job.share / how.writers as f64).ceil() as usize;
    let writers = (0..how.writers).map(|number| {
        let appender = Appender {
            writer: system.writer()?,
            first: job.round << 48,
            end,
            how,
            number,
            requests,
            waiting: Vec::new(),
            guard: Guard { tag: own_tag(number), after: 0, revision: 0 },
        };
        Ok(Box::new(appender) as Box<dyn Runner>)
    });
    race(writers.collect::<Result<Vec<_>>>()?, job)
}

/// One writer.
struct Appender {
    writer: Box<dyn Writer>,
    /// The number of its first event: what was written in another round is not written again.
    first: u64,
    /// No request begins later than this.
    end: Duration,
    how: Append,
    number: usize,
    requests: usize,
    /// What it will hand over, the last first.
    waiting: Vec<Batch>,
    /// What it knows of its own tag.
    guard: Guard,
}

impl Runner for Appender {
    fn ready(&mut self) -> Result<()> {
        let warm_up = (self.requests / WARM_UP).max(1);
        for request in 0..self.requests + warm_up {
            let batch: Vec<Event> = (0..self.how.batch).map(|i| self.event(request, i)).collect();
            self.waiting.push(self.writer.hand_over(&batch)?);
        }
        for _ in 0..warm_up {
            self.append(None)?;
        }
        Ok(())
    }

    fn run(&mut self, laps: &mut Laps) -> Result<()> {
        let begin = Instant::now();
        while !self.waiting.is_empty() && begin.elapsed() < self.end {
            self.append(Some(laps))?;
        }
        Ok(())
    }
}

impl Appender {
    fn event(&self, request: usize, i: usize) -> Event {
        let number = (request * self.how.batch + i) as u64;
        match self.how.guard {
            // Every writer writes about its own orders.
            Guarding::None => {
                let own = self.first + ((self.number as u64 + 1) << 32);
                shop_event(own + number, 1 << 50, self.how.bytes)
            }
            Guarding::Own { .. } => own_event(self.number, number, self.how.bytes),
        }
    }

    fn append(&mut self, laps: Option<&mut Laps>) -> Result<()> {
        let Some(batch) = self.waiting.pop() else { return Ok(()) };
        let outdated = self.is_outdated();
        let own = self.guard.after;
        if outdated {
            // What it knew before its last event.
            self.guard.after -= 1;
            self.guard.revision -= 1;
        }
        let guard = (self.how.guard != Guarding::None).then_some(&self.guard);
        let mut unwanted = Laps::default();
        let laps = laps.unwrap_or(&mut unwanted);
        let appended = laps.time(|| self.writer.append(batch, guard))?;
        if outdated {
            self.guard.after = own;
            self.guard.revision += 1;
        }
        self.note(appended, outdated, laps)
    }

    fn note(&mut self, appended: Appended, outdated: bool, laps: &mut Laps) -> Result<()> {
        match appended {
            Appended::At(_) if outdated => {
                anyhow::bail!("an append was accepted though its condition did not hold")
            }
            Appended::At(position) => {
                self.guard.after = position;
                self.guard.revision += self.how.batch as u64;
                laps.events += self.how.batch as u64;
                laps.payload_bytes += (self.how.batch * self.how.bytes) as u64;
            }
            Appended::Refused if outdated => laps.refused += 1,
            Appended::Refused => {
                anyhow::bail!("an append was refused though nothing was in its way")
            }
        }
        Ok(())
    }

    fn is_outdated(&self) -> bool {
        let Guarding::Own { outdated_percent } = self.how.guard else { return false };
        let chance = mix((self.number as u64) << 32 | self.waiting.len() as u64);
        self.guard.after > 0 && chance % 100 < u64::from(outdated_percent)
    }
}

/// Writers, and events in a request, when a ledger is filled.
const FILL_WRITERS: u64 = 2;
const FILL_BATCH: u64 = 1_000;

/// Fills a ledger with the shop's events.
pub(super) fn fill(system: &dyn System, job: &Job) -> Result<Measured> {
    let fillers = (0..FILL_WRITERS).map(|number| {
        let first = number * FILL_BATCH;
        let filler = Filler { writer: system.writer()?, first, events: job.events };
        Ok(Box::new(filler) as Box<dyn Runner>)
    });
    race(fillers.collect::<Result<Vec<_>>>()?, job)
}

/// Writes every other batch of a ledger.
struct Filler {
    writer: Box<dyn Writer>,
    first: u64,
    events: u64,
}

impl Runner for Filler {
    fn ready(&mut self) -> Result<()> {
        Ok(())
    }

    fn run(&mut self, laps: &mut Laps) -> Result<()> {
        while self.first < self.events {
            let end = (self.first + FILL_BATCH).min(self.events);
            let batch: Vec<Event> =
                (self.first..end).map(|i| shop_event(i, self.events, DATA_BYTES)).collect();
            let batch = self.writer.hand_over(&batch)?;
            laps.time(|| self.writer.append(batch, None))?;
            laps.events += end - self.first;
            laps.payload_bytes += (end - self.first) * DATA_BYTES as u64;
            self.first += FILL_BATCH * FILL_WRITERS;
        }
        Ok(())
    }
}
