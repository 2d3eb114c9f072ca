//! What verifying, backing up and restoring cost on a ledger of some size: fills one, and says the
//! seconds and the speed of each.
//!
//! `cargo run --release -p factum-engine --example upkeep -- DIR GIGABYTES`

use std::{path::Path, time::Instant};

use factum_engine::{Backup, DataDir, EngineLedger, Options, Restore};
use factum_store::{Append, EventType, NewEvent, StreamName, Tag};

type Failure = Box<dyn std::error::Error>;

/// Events in a batch, and bytes of data in an event.
const BATCH: u64 = 2_000;
const DATA_BYTES: usize = 256;

fn main() -> Result<(), Failure> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [dir, gigabytes] = args.as_slice() else {
        return Err("usage: upkeep DIR GIGABYTES".into());
    };
    let (dir, bytes) = (Path::new(dir), gigabytes.parse::<u64>()? * 1_000_000_000);
    let (data, backup, restored) = (dir.join("data"), dir.join("backup"), dir.join("restored"));
    let opened = DataDir::open(&data, Options::default())?;
    let ledger = opened.create_ledger("l")?;

    let (mut number, mut written) = (0, 0);
    timed("fill", || {
        while written < bytes {
            written += append(&ledger, number)?;
            number += BATCH;
        }
        Ok(written)
    })?;
    timed("verify", || verify(&ledger))?;
    timed("backup", || Ok(opened.backup(&backup, &mut |_, _| {})?.copied))?;
    for _ in 0..500 {
        append(&ledger, number)?;
        number += BATCH;
    }
    timed("incremental backup", || Ok(opened.backup(&backup, &mut |_, _| {})?.copied))?;
    timed("backup of nothing new", || Ok(opened.backup(&backup, &mut |_, _| {})?.copied))?;
    let whole = Backup::open(&backup, Options::default())?;
    timed("check of the backup", || match &whole.check(&mut |_, _| {})?[..] {
        [] => Ok(whole.bytes()),
        [damage, ..] => Err(damage.to_string().into()),
    })?;
    timed("restore", || Ok(whole.restore(&restored, &Restore::default(), &mut |_, _| {})?.bytes))?;
    let restored = DataDir::open(&restored, Options::default())?.ledger("l")?;
    timed("verify what was restored", || verify(&restored))
}

fn append(ledger: &EngineLedger, from: u64) -> Result<u64, Failure> {
    let mut written = 0;
    let mut events = Vec::with_capacity(BATCH as usize);
    for number in from..from + BATCH {
        let mut data = format!("{{\"n\":{number},\"text\":\"").into_bytes();
        data.resize(DATA_BYTES - 2, b'a' + (number % 26) as u8);
        data.extend_from_slice(b"\"}");
        let event = NewEvent::new(EventType::new(format!("thing.done.{}", number % 12))?, data)
            .tagged([Tag::of("order", number / 5)?, Tag::of("user", number % 50_000)?])
            .in_stream(StreamName::new(format!("order-{}", number / 5))?);
        written += 400;
        events.push(event);
    }
    ledger.append_blocking(Append::new(events))?;
    Ok(written)
}

fn verify(ledger: &EngineLedger) -> Result<u64, Failure> {
    let found = ledger.verify(&mut |_, _| {})?;
    match &found.damage[..] {
        [] => Ok(found.bytes),
        [damage, ..] => Err(damage.to_string().into()),
    }
}

/// Says how long it took, and how many bytes that were a second.
fn timed(what: &str, work: impl FnOnce() -> Result<u64, Failure>) -> Result<(), Failure> {
    let started = Instant::now();
    let bytes = work()?;
    let seconds = started.elapsed().as_secs_f64();
    let (megabytes, speed) = (bytes as f64 / 1e6, bytes as f64 / 1e6 / seconds.max(1e-6));
    println!("{what:24} {seconds:8.2} s  {megabytes:9.1} MB  {speed:7.0} MB/s");
    Ok(())
}
