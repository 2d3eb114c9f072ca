//! Following: one writer, and many who wait at the head for what it appends.

use std::{
    sync::{Arc, OnceLock},
    time::Instant,
};

use anyhow::{Context, Result};

use super::DATA_BYTES;
use crate::{
    clock::{Laps, Runner, race},
    events::shop_event,
    job::{Job, Measured},
    systems::{Batch, Follower, System, Writer},
};

/// The workload. A wait is from the request to append an event to its delivery to one follower.
pub(super) fn follow(
    system: &dyn System,
    followers: usize,
    requests: usize,
    job: &Job,
) -> Result<Measured> {
    let requests = (requests as f64 * job.share) as usize;
    let sent: Arc<Vec<OnceLock<Instant>>> =
        Arc::new((0..requests).map(|_| OnceLock::new()).collect());
    let mut runners: Vec<Box<dyn Runner>> = Vec::new();
    for _ in 0..followers {
        let follower = system.follower()?;
        runners.push(Box::new(Listening { follower, sent: Arc::clone(&sent) }));
    }
    let batches = Vec::new();
    runners.push(Box::new(Telling { writer: system.writer()?, batches, sent }));
    race(runners, job)
}

/// Appends one event at a time.
struct Telling {
    writer: Box<dyn Writer>,
    batches: Vec<Batch>,
    sent: Arc<Vec<OnceLock<Instant>>>,
}

impl Runner for Telling {
    fn ready(&mut self) -> Result<()> {
        let events = self.sent.len() as u64;
        let batches =
            (0..events).map(|i| self.writer.hand_over(&[shop_event(i, events, DATA_BYTES)]));
        self.batches = batches.collect::<Result<_>>()?;
        Ok(())
    }

    fn run(&mut self, laps: &mut Laps) -> Result<()> {
        for (batch, sent) in self.batches.drain(..).zip(&*self.sent) {
            let _ = sent.set(Instant::now());
            self.writer.append(batch, None)?;
            laps.payload_bytes += DATA_BYTES as u64;
        }
        Ok(())
    }
}

/// Waits until everything was delivered to it.
struct Listening {
    follower: Box<dyn Follower>,
    sent: Arc<Vec<OnceLock<Instant>>>,
}

impl Runner for Listening {
    fn ready(&mut self) -> Result<()> {
        Ok(())
    }

    fn run(&mut self, laps: &mut Laps) -> Result<()> {
        let mut next = 0;
        while next < self.sent.len() {
            let more = self.follower.next()? as usize;
            let now = Instant::now();
            for sent in self.sent.get(next..next + more).context("too much was delivered")? {
                let sent = sent.get().context("delivered before it was appended")?;
                laps.waited(now - *sent);
            }
            next += more;
            laps.events += more as u64;
        }
        Ok(())
    }
}
