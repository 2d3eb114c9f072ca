//! The clock: threads that begin together, and how long each of their requests took.

use std::{
    sync::Barrier,
    time::{Duration, Instant},
};

use anyhow::{Result, anyhow};

use crate::{
    job::{Job, Measured, Usage, Waits},
    usage::{device_bytes, usage},
};

/// The waits of one thread, and what it counted.
#[derive(Default)]
pub(crate) struct Laps {
    waits: Vec<Duration>,
    pub(crate) refused: u64,
    pub(crate) events: u64,
    pub(crate) payload_bytes: u64,
}

impl Laps {
    /// Counts a wait that somebody else measured.
    pub(crate) fn waited(&mut self, wait: Duration) {
        self.waits.push(wait);
    }

    /// Does one request on the clock.
    pub(crate) fn time<T>(&mut self, request: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let answer = request();
        self.waits.push(begin.elapsed());
        answer
    }
}

/// One thread of a race: made ready before the clock, run on it.
pub(crate) trait Runner: Send {
    /// Off the clock: what is to be done is made, and some of it is done to warm up.
    fn ready(&mut self) -> Result<()>;
    /// On the clock.
    fn run(&mut self, laps: &mut Laps) -> Result<()>;
}

/// Runs each on a thread of its own; the clock runs from when all are ready to when all are done.
/// The value is left to the caller.
pub(crate) fn race(runners: Vec<Box<dyn Runner>>, job: &Job) -> Result<Measured> {
    let processes = job.processes();
    let start = Barrier::new(runners.len() + 1);
    let (laps, seconds, taken) = std::thread::scope(|scope| {
        let threads: Vec<_> = runners
            .into_iter()
            .map(|mut runner| {
                let start = &start;
                scope.spawn(move || -> Result<Laps> {
                    let ready = runner.ready();
                    // All are ready; then what they took so far is noted; then they run.
                    start.wait();
                    start.wait();
                    ready?;
                    let mut laps = Laps::default();
                    runner.run(&mut laps)?;
                    Ok(laps)
                })
            })
            .collect();
        start.wait();
        let on_disk = device_bytes(&job.dir);
        let before = usage(&processes);
        let begin = Instant::now();
        start.wait();
        let laps: Vec<_> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        let seconds = begin.elapsed().as_secs_f64();
        let mut taken = usage(&processes).since(before);
        taken.written_bytes = device_bytes(&job.dir)?.saturating_sub(on_disk?);
        anyhow::Ok((laps, seconds, taken))
    })?;
    let laps: Result<Vec<Laps>> =
        laps.into_iter().map(|one| one.map_err(|_| anyhow!("a thread panicked"))?).collect();
    Ok(sum(laps?, seconds, taken))
}

fn sum(laps: Vec<Laps>, seconds: f64, usage: Usage) -> Measured {
    let mut all = Laps::default();
    for one in laps {
        all.refused += one.refused;
        all.events += one.events;
        all.payload_bytes += one.payload_bytes;
        all.waits.extend(one.waits);
    }
    Measured {
        value: 0.0,
        requests: all.waits.len() as u64,
        refused: all.refused,
        events: all.events,
        payload_bytes: all.payload_bytes,
        seconds,
        waits: percentiles(all.waits),
        usage,
    }
}

fn percentiles(mut waits: Vec<Duration>) -> Option<Waits> {
    waits.sort_unstable();
    let last = waits.len().checked_sub(1)?;
    let at = |share: f64| {
        let wait = waits.get((share * last as f64) as usize).copied().unwrap_or_default();
        wait.as_secs_f64() * 1e6
    };
    Some(Waits { p50: at(0.5), p99: at(0.99), p999: at(0.999) })
}
