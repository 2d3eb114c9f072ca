//! Room and readiness: how long a start takes, how much memory a system needs beside the page
//! cache, how many bytes its files take.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::Result;

use super::DATA_BYTES;
use crate::{
    clock::{Laps, Runner, race},
    events::{customer, mix, retail_event, shop_event},
    job::{Job, Measured},
    systems::{Question, Reader, System, Writer},
    usage::usage,
};

/// Who appends and who reads while memory is looked at, and for how long.
const WRITERS: u64 = 8;
const READERS: u64 = 2;
const MIXED_SECONDS: f64 = 10.0;
/// Events in each request of the mixed load.
const MIXED_BATCH: u64 = 10;
/// How often memory is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// A shop's own events of a full round, and in each request.
const RETAIL_EVENTS: f64 = 1_000_000.0;
const RETAIL_BATCH: usize = 1_000;
/// What is asked first, so that what is only opened when it is needed is opened.
const FIRST_QUESTION: u64 = 0;

/// Start-up: until the first question is answered.
pub(super) fn start(system: &dyn System, job: &Job, opened: Duration) -> Result<Measured> {
    let begin = Instant::now();
    let question = Question::Tags(vec![customer(FIRST_QUESTION)]);
    let events = system.reader()?.read(&question)?;
    let milliseconds = (opened + begin.elapsed()).as_secs_f64() * 1e3 + job.server_start_ms;
    let usage = usage(&job.processes());
    let seconds = milliseconds / 1e3;
    Ok(Measured { value: milliseconds, events, requests: 1, seconds, usage, ..Measured::default() })
}

/// Bytes on disk for each byte of data, of the ledger as filling it left it.
pub(super) fn disk(job: &Job) -> Result<Measured> {
    let payload_bytes = job.events * DATA_BYTES as u64;
    let value = bytes_under(&job.dir)? as f64 / payload_bytes as f64;
    Ok(Measured { value, ..Measured::default() })
}

/// The same of a shop's own events, after what can be compressed was.
pub(super) fn compressed(system: &dyn System, job: &Job) -> Result<Measured> {
    let events = (RETAIL_EVENTS * job.share) as u64;
    let mut writer = system.writer()?;
    let mut payload_bytes = 0;
    for first in (0..events).step_by(RETAIL_BATCH) {
        let last = (first + RETAIL_BATCH as u64).min(events);
        let batch: Vec<_> = (first..last).map(|i| retail_event(i, events)).collect();
        payload_bytes += batch.iter().map(|event| event.data.len() as u64).sum::<u64>();
        let batch = writer.hand_over(&batch)?;
        writer.append(batch, None)?;
    }
    system.compress()?;
    let value = bytes_under(&job.dir)? as f64 / payload_bytes as f64;
    Ok(Measured { value, ..Measured::default() })
}

fn bytes_under(dir: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let found = entry.metadata()?;
        bytes += if found.is_dir() { bytes_under(&entry.path())? } else { found.blocks() * 512 };
    }
    Ok(bytes)
}

/// Memory while some append and some read.
pub(super) fn memory(system: &dyn System, job: &Job) -> Result<Measured> {
    let mixed = |number: u64| Mixed {
        number,
        events: job.events,
        round: job.round,
        time: Duration::from_secs_f64(MIXED_SECONDS * job.share),
    };
    let mut runners: Vec<Box<dyn Runner>> = Vec::new();
    for number in 0..WRITERS {
        runners.push(Box::new((mixed(number), system.writer()?)));
    }
    for number in WRITERS..WRITERS + READERS {
        runners.push(Box::new((mixed(number), system.reader()?)));
    }
    let (most, done) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut measured = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let now = usage(&job.processes()).anonymous_bytes;
                most.fetch_max(now, Ordering::SeqCst);
                std::thread::sleep(LOOK_EVERY);
            }
        });
        let measured = race(runners, job);
        done.store(true, Ordering::SeqCst);
        measured
    })?;
    measured.usage.anonymous_bytes = most.into_inner();
    measured.value = measured.usage.anonymous_bytes as f64 / (1 << 20) as f64;
    Ok(measured)
}

/// One thread of the mixed load; it makes its requests as it goes, and keeps none.
struct Mixed {
    number: u64,
    events: u64,
    round: u64,
    time: Duration,
}

impl Runner for (Mixed, Box<dyn Writer>) {
    fn ready(&mut self) -> Result<()> {
        Ok(())
    }

    fn run(&mut self, laps: &mut Laps) -> Result<()> {
        let (mixed, writer) = self;
        // Far from what any other row writes.
        let mut number = (mixed.round << 48) + (1 << 47) + (mixed.number << 32);
        let begin = Instant::now();
        while begin.elapsed() < mixed.time {
            let batch: Vec<_> =
                (0..MIXED_BATCH).map(|i| shop_event(number + i, 1 << 50, DATA_BYTES)).collect();
            let batch = writer.hand_over(&batch)?;
            laps.time(|| writer.append(batch, None))?;
            number += MIXED_BATCH;
            laps.events += MIXED_BATCH;
            laps.payload_bytes += MIXED_BATCH * DATA_BYTES as u64;
        }
        Ok(())
    }
}

impl Runner for (Mixed, Box<dyn Reader>) {
    fn ready(&mut self) -> Result<()> {
        Ok(())
    }

    fn run(&mut self, laps: &mut Laps) -> Result<()> {
        let (mixed, reader) = self;
        let begin = Instant::now();
        let mut asked = mixed.number << 32;
        while begin.elapsed() < mixed.time {
            let question = Question::Tags(vec![customer(mix(asked) % mixed.events)]);
            laps.time(|| reader.read(&question))?;
            asked += 1;
        }
        Ok(())
    }
}
