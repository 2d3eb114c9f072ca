//! A soak: a mixed load for minutes or hours, with memory, file handles and latency watched from
//! outside, and everything that was acknowledged compared in the end.

use std::{
    collections::HashMap,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{ChildStdout, Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use clap::Args;
use factum_engine::{DataDir, Options};

use crate::{
    batch::BatchId,
    bug::Bug,
    child::LEDGER,
    line::Line,
    load::Load,
    model::{Counts, Model},
    places::Places,
    serving,
};

/// Keep a mixed load up, and watch what it takes.
#[derive(Args, Debug)]
pub(crate) struct Soak {
    /// For how many minutes.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Soak the server: commands, appends, reads, followers, slow ones and a thousand idle
    /// connections, over HTTP and gRPC.
    #[arg(long)]
    server: bool,
    /// The server's program; beside this one unless it is named.
    #[arg(long, value_name = "FILE")]
    factum: Option<PathBuf>,
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    bug: Bug,
}

/// What the process takes at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) resident: u64,
    pub(crate) handles: u64,
}

/// How often it is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(200);
/// Growth that means nothing: what an allocator keeps differs from moment to moment.
const RESIDENT_SLACK: u64 = 8 << 20;
/// Files that are open at one moment and not at another.
const HANDLES_SLACK: u64 = 8;

impl Soak {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        if self.server {
            return serving::run(self.minutes, self.factum.as_deref(), &self.places);
        }
        let home = self.places.make("soak")?;
        let seconds = (self.minutes * 60.0).ceil() as u64;
        let load = Load { dir: home.dir.clone(), seconds, bug: self.bug.clone() };
        let mut command = Command::new(std::env::current_exe()?);
        command.args(load.arguments()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("starting the load")?;
        let stdout = child.stdout.take().context("its standard output")?;
        let (pid, over) = (child.id(), AtomicBool::new(false));
        let (heard, samples) = std::thread::scope(|scope| {
            let sampling = scope.spawn(|| sample(pid, &over));
            let heard = Heard::of(stdout, &home.dir);
            over.store(true, Ordering::Relaxed);
            (heard, sampling.join())
        });
        let ended = child.wait()?;
        let heard = heard.with_context(|| home.keep())?;
        ensure!(ended.success(), "the load ended with {ended}; {}", home.keep());
        let samples = samples.map_err(|_| anyhow::anyhow!("watching failed"))?;
        heard.report();
        grown(&samples)?;
        home.remove()
    }
}

impl Load {
    fn arguments(&self) -> Vec<String> {
        let seconds = self.seconds.to_string();
        let dir = self.dir.display().to_string();
        let mut arguments =
            ["load", "--dir", &dir, "--seconds", &seconds].map(str::to_owned).to_vec();
        if let Some(bug) = self.bug.name() {
            arguments.extend(["--sabotage".to_owned(), bug]);
        }
        arguments
    }
}

/// What was heard of the load, ledger by ledger.
#[derive(Default)]
struct Heard {
    counts: Counts,
    ledgers: u32,
    under_way: HashMap<BatchId, Instant>,
    /// Microseconds from saying that a batch is sent to hearing that it was acknowledged.
    took: Vec<u32>,
}

impl Heard {
    /// Listens until the load ends; each ledger that is done with is compared, and removed.
    fn of(stdout: ChildStdout, dir: &Path) -> anyhow::Result<Self> {
        let (mut heard, mut model) = (Self::default(), Model::default());
        for line in BufReader::new(stdout).lines() {
            let line: Line = line?.parse()?;
            model.hear(&line)?;
            heard.time(&line);
            ensure!(!matches!(line, Line::Failed(..)), "a writer failed: {line}");
            if let Line::Done(number) = line {
                let dir = dir.join(number.to_string());
                let data = DataDir::open(&dir, Options::default())?;
                let ledger = data.ledger(LEDGER)?;
                let damage = ledger.verify(&mut |_, _| {})?.damage;
                ensure!(damage.is_empty(), "verify says {damage:?}");
                model.check(&ledger, true)?;
                heard.counts.add(std::mem::take(&mut model).counts);
                drop((ledger, data));
                std::fs::remove_dir_all(dir)?;
                heard.ledgers += 1;
            }
        }
        Ok(heard)
    }

    fn time(&mut self, line: &Line) {
        match line {
            Line::Sends(batch, _) => drop(self.under_way.insert(*batch, Instant::now())),
            Line::Acknowledged { batch, .. } => {
                if let Some(sent) = self.under_way.remove(batch) {
                    self.took.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
                }
            }
            _ => {}
        }
    }

    fn report(mut self) {
        println!("{} ledgers; {}", self.ledgers, self.counts);
        self.took.sort_unstable();
        let at = |share: f64| {
            let at = (self.took.len() as f64 * share) as usize;
            self.took.get(at.min(self.took.len().saturating_sub(1))).copied().unwrap_or_default()
        };
        let (half, most, all) = (at(0.5), at(0.99), at(1.0));
        println!("as heard from outside: p50 {half} µs, p99 {most} µs, slowest {all} µs");
    }
}

/// Looks at a process until it is over.
fn sample(pid: u32, over: &AtomicBool) -> Vec<Sample> {
    let mut samples = Vec::new();
    while !over.load(Ordering::Relaxed) {
        samples.extend(look(pid));
        std::thread::sleep(SAMPLE_EVERY);
    }
    samples
}

/// What a process takes; nothing when it is gone.
pub(crate) fn look(pid: u32) -> Option<Sample> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = resident.split_whitespace().next()?.parse().ok()?;
    let handles = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64;
    Some(Sample { resident: kilobytes << 10, handles })
}

/// The last third may take no more than the second: the first is for warming up.
fn grown(samples: &[Sample]) -> anyhow::Result<()> {
    ensure!(samples.len() >= 30, "the soak was too short to tell: {} samples", samples.len());
    let third = samples.len() / 3;
    let most = |part: &[Sample]| Sample {
        resident: part.iter().map(|sample| sample.resident).max().unwrap_or_default(),
        // A ledger has two for each segment: those of a young one are the fewest.
        handles: part.iter().map(|sample| sample.handles).min().unwrap_or_default(),
    };
    let (before, after) = (most(&samples[third..2 * third]), most(&samples[2 * third..]));
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!(
        "memory: at most {:.1} MiB, then {:.1} MiB; file handles: at least {}, then {}",
        mebibytes(before.resident),
        mebibytes(after.resident),
        before.handles,
        after.handles
    );
    let allowed = before.resident + before.resident / 20 + RESIDENT_SLACK;
    ensure!(after.resident <= allowed, "memory grows");
    ensure!(after.handles <= before.handles + HANDLES_SLACK, "file handles grow");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_noticed() {
        let steady = |_| Sample { resident: 64 << 20, handles: 20 };
        assert!(grown(&(0..90).map(steady).collect::<Vec<_>>()).is_ok());
        let leaking = |n: u64| Sample { resident: (64 + n) << 20, handles: 20 };
        assert!(grown(&(0..90).map(leaking).collect::<Vec<_>>()).is_err());
        let opening = |n: u64| Sample { resident: 64 << 20, handles: 20 + n };
        assert!(grown(&(0..90).map(opening).collect::<Vec<_>>()).is_err());
        assert!(grown(&[]).is_err());
    }
}
