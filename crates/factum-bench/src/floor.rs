//! The floor: how often the disk takes 4 KiB and a sync, over blocks that were written before. No
//! system that syncs before it acknowledges can serve a lone writer faster.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::FileExt,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::job::{Measured, Waits};

const BLOCK: usize = 4_096;
const FILE_BYTES: usize = 64 << 20;

/// Measures it with `fio`, or with the same loop of our own where there is no `fio`.
pub(crate) fn measure(dir: &Path, seconds: f64) -> Result<Measured> {
    let path = dir.join("floor");
    let mut file = File::create(&path)?;
    file.write_all(&vec![1; FILE_BYTES])?;
    file.sync_all()?;
    match fio(&path, seconds) {
        Ok(measured) => Ok(measured),
        Err(error) if is_missing(&error) => own_loop(&path, seconds),
        Err(error) => Err(error),
    }
}

fn is_missing(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|error| error.kind() == ErrorKind::NotFound)
}

fn fio(path: &Path, seconds: f64) -> Result<Measured> {
    let output = Command::new("fio")
        .args(["--name=floor", "--rw=write", "--bs=4k", "--fdatasync=1", "--overwrite=1"])
        .args(["--ioengine=psync", "--time_based", "--output-format=json"])
        .arg(format!("--filename={}", path.display()))
        .arg(format!("--size={FILE_BYTES}"))
        .arg(format!("--runtime={}", seconds.max(1.0).round()))
        .output()?;
    let answer: Value = serde_json::from_slice(&output.stdout)
        .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
    let job = &answer["jobs"][0];
    let value = job["write"]["iops"].as_f64().context("fio did not say how many writes it did")?;
    // A write and the sync behind it are timed apart; their sum is what a caller waits.
    let at = |percentile: &str| {
        let write = job["write"]["clat_ns"]["percentile"][percentile].as_f64();
        let sync = job["sync"]["lat_ns"]["percentile"][percentile].as_f64();
        (write.unwrap_or_default() + sync.unwrap_or_default()) / 1e3
    };
    let waits = Waits { p50: at("50.000000"), p99: at("99.000000"), p999: at("99.900000") };
    let requests = job["write"]["total_ios"].as_u64().unwrap_or_default();
    Ok(Measured { value, requests, seconds, waits: Some(waits), ..Measured::default() })
}

fn own_loop(path: &Path, seconds: f64) -> Result<Measured> {
    let file = OpenOptions::new().write(true).open(path)?;
    let block = [2; BLOCK];
    let begin = Instant::now();
    let mut requests = 0;
    while begin.elapsed() < Duration::from_secs_f64(seconds) {
        file.write_all_at(&block, requests * BLOCK as u64 % FILE_BYTES as u64)?;
        file.sync_data()?;
        requests += 1;
    }
    let seconds = begin.elapsed().as_secs_f64();
    Ok(Measured { value: requests as f64 / seconds, requests, seconds, ..Measured::default() })
}
