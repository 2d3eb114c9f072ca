//! Reading: one thread that asks again and again.

use anyhow::{Result, ensure};

use super::{Asked, processes};
use crate::{
    clock::{Laps, Runner, race},
    events::{HOT_TAG, TYPES, customer, mix, order, some_voucher},
    job::{Job, Measured},
    systems::{Question, Reader, System},
};

/// Questions of a full round, where each is small.
const QUESTIONS: f64 = 20_000.0;

/// The workload. Everything is read once before the clock.
pub(super) fn read(system: &dyn System, what: Asked, job: &Job) -> Result<Measured> {
    let count = match what {
        Asked::All | Asked::Types => 1,
        _ => (QUESTIONS * job.share) as u64,
    };
    let questions = (0..count).map(|i| question(what, job, i)).collect();
    let asker = Asker { reader: system.reader()?, questions, events: job.events };
    race(vec![asker], &processes())
}

fn question(what: Asked, job: &Job, i: u64) -> Question {
    let chance = mix(job.round << 32 | i);
    match what {
        Asked::All => Question::All,
        Asked::Stream => Question::Stream(order(chance % job.events)),
        Asked::Tag => Question::Tags(vec![customer(chance % job.events)]),
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
    events: u64,
}

impl Runner for Asker {
    fn ready(&mut self) -> Result<()> {
        let found = self.reader.read(&Question::All)?;
        ensure!(found == self.events, "the ledger has {found} events instead of {}", self.events);
        for question in self.questions.iter().rev().take(self.questions.len() / 10) {
            self.reader.read(question)?;
        }
        Ok(())
    }

    fn run(&mut self, laps: &mut Laps) -> Result<()> {
        for question in &self.questions {
            laps.events += laps.time(|| self.reader.read(question))?;
        }
        Ok(())
    }
}
