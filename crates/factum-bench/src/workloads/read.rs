//! Reading: one thread that asks again and again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::{Asked, SECONDS_MAX};
use crate::{
    clock::{Laps, Runner, race},
    events::{HOT_TAG, TYPES, customer, mix, order, some_voucher},
    job::{Job, Measured},
    systems::{Question, Reader, System},
};

/// Questions of a full round, where each is small.
const QUESTIONS: f64 = 20_000.0;
/// Questions of a full round, where each waits for the disk.
const COLD_QUESTIONS: f64 = 500.0;

/// The workload. Everything is read once before the clock, unless it is to be cold.
pub(super) fn read(system: &dyn System, what: Asked, job: &Job) -> Result<Measured> {
    let count = match what {
        Asked::All | Asked::Types => 1,
        Asked::TagCold => (COLD_QUESTIONS * job.share) as u64,
        _ => (QUESTIONS * job.share) as u64,
    };
    let questions = (0..count).map(|i| question(what, job, i)).collect();
    let asker = Asker {
        reader: system.reader()?,
        questions,
        end: Duration::from_secs_f64(SECONDS_MAX * job.share),
        warm: (what != Asked::TagCold).then_some(job.events),
    };
    race(vec![Box::new(asker)], job)
}

fn question(what: Asked, job: &Job, i: u64) -> Question {
    let chance = mix(job.round << 32 | i);
    match what {
        Asked::All => Question::All,
        Asked::Stream => Question::Stream(order(chance % job.events)),
        Asked::Tag | Asked::TagCold => Question::Tags(vec![customer(chance % job.events)]),
        Asked::Rare => Question::Tags(vec![some_voucher(job.events, chance)]),
        Asked::RareAndHot => {
            Question::Tags(vec![some_voucher(job.events, chance), HOT_TAG.to_owned()])
        }
        Asked::Types => Question::Types(TYPES[..2].to_vec()),
    }
}

struct Asker {
    reader: Box<dyn Reader>,
    questions: Vec<Question>,
    /// No question is asked later than this.
    end: Duration,
    /// The events that must be there, when they are read before.
    warm: Option<u64>,
}

impl Runner for Asker {
    fn ready(&mut self) -> Result<()> {
        let Some(events) = self.warm else { return drop_page_cache() };
        let found = self.reader.read(&Question::All)?;
        ensure!(found == events, "the ledger has {found} events instead of {events}");
        let begin = Instant::now();
        for question in self.questions.iter().rev().take(self.questions.len() / 10) {
            self.reader.read(question)?;
            if begin.elapsed() > self.end / 10 {
                break;
            }
        }
        Ok(())
    }

    fn run(&mut self, laps: &mut Laps) -> Result<()> {
        let begin = Instant::now();
        for question in &self.questions {
            laps.events += laps.time(|| self.reader.read(question))?;
            if begin.elapsed() > self.end {
                break;
            }
        }
        Ok(())
    }
}

/// What was read of files is forgotten, everywhere on this machine.
fn drop_page_cache() -> Result<()> {
    rustix::fs::sync();
    std::fs::write("/proc/sys/vm/drop_caches", "3")
        .context("dropping the page cache; run it as root, or leave out read-tag-cold")
}
