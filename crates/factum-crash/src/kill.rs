//! kill -9 at a random moment under load, again and again, and what is there afterwards.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::ChildStdout,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Args;
use factum_engine::DataDir;

use crate::{
    bug::Bug,
    child::{LEDGER, Writers},
    line::Line,
    model::{Counts, Model},
    places::Places,
    server,
    witness::Witness,
};

/// Kill writers under load, and check what they were told.
#[derive(Args, Debug)]
pub(crate) struct Kill {
    /// How often.
    #[arg(long, default_value_t = 50)]
    times: u32,
    /// Repeats a run's choices; its timing can't be repeated.
    #[arg(long)]
    seed: Option<u64>,
    /// Write to the server over HTTP, and kill that.
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

/// A ledger is given up for a new one after so many rounds, so that a long run stays fast.
const ROUNDS_A_LEDGER: u32 = 250;
/// After so many rounds everything is read again and verified.
const WHOLE_EVERY: u32 = 25;

impl Kill {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
        println!("{} kills; the same choices again with --seed {seed}", self.times);
        let mut random = fastrand::Rng::with_seed(seed);
        let home = self.places.make("kill")?;
        let begun = Instant::now();
        let mut counts = Counts::default();
        let mut done = 0;
        while done < self.times {
            let rounds = ROUNDS_A_LEDGER.min(self.times - done);
            let mut ledger = Killed::new(self, &home.dir, &home.witness, done)?;
            for round in 0..rounds {
                let whole = round + 1 == rounds || round % WHOLE_EVERY == WHOLE_EVERY - 1;
                let what = || format!("kill {} of seed {seed}; {}", done + round + 1, home.keep());
                ledger.round(round, whole, &mut random).with_context(what)?;
            }
            counts.add(ledger.finish()?);
            done += rounds;
        }
        let took = begun.elapsed();
        println!("{counts}");
        let rate = f64::from(self.times) / took.as_secs_f64();
        println!(
            "{} kills in {:.1} s ({rate:.1} a second), 0 lost, 0 phantoms",
            self.times,
            took.as_secs_f64()
        );
        home.remove()
    }
}

/// A ledger whose writers are killed.
struct Killed<'a> {
    kill: &'a Kill,
    dir: PathBuf,
    witness: Witness,
    model: Model,
}

impl<'a> Killed<'a> {
    fn new(kill: &'a Kill, home: &Path, witness: &Path, number: u32) -> anyhow::Result<Self> {
        let dir = home.join(format!("data-{number}"));
        let witness = Witness::create(witness, &format!("witness-{number}"))?;
        Ok(Self { kill, dir, witness, model: Model::default() })
    }

    /// Writers are started, killed, and what they heard is compared with what is there.
    fn round(
        &mut self,
        number: u32,
        whole: bool,
        random: &mut fastrand::Rng,
    ) -> anyhow::Result<()> {
        let writers = Writers {
            dir: self.dir.clone(),
            round: number,
            writers: random.u16(1..=8),
            batches: u32::MAX,
            segment_bytes: *random.choice(&[32 << 10, 128 << 10, 1 << 20]).unwrap_or(&(1 << 20)),
            foreground: random.u8(..) < 40,
            again: self.model.send_again(random),
            bug: self.kill.bug.clone(),
        };
        let lines = match self.kill.server {
            true => server::killed(self.kill.factum.as_deref(), &writers, random)?,
            false => killed(&writers, random)?,
        };
        self.witness.keep(&lines)?;
        let failed = lines.iter().find(|line| matches!(line, Line::Failed(..)));
        if let Some(failed) = failed {
            anyhow::bail!("a writer failed before it was killed: {failed}");
        }
        lines.iter().try_for_each(|line| self.model.hear(line))?;
        self.check(&writers, whole, random.bool())
    }

    /// Opens what is left, as a program that goes on would, or for reading only.
    fn check(&mut self, writers: &Writers, whole: bool, read_only: bool) -> anyhow::Result<()> {
        let options = writers.options();
        let data = match read_only {
            // It may have been killed before there was anything to read.
            true => match DataDir::open_read_only(&self.dir, options) {
                Err(factum_engine::EngineError::NotADataDirectory(_)) => return Ok(()),
                Err(factum_engine::EngineError::Io { .. }) if !self.dir.exists() => return Ok(()),
                opened => opened?,
            },
            false => DataDir::open(&self.dir, options)?,
        };
        if read_only && !data.ledgers()?.iter().any(|name| name == LEDGER) {
            return Ok(());
        }
        let ledger = if read_only { data.ledger(LEDGER) } else { data.create_ledger(LEDGER) };
        let ledger = ledger.context("opening it again")?;
        if whole && !read_only {
            let found = ledger.verify(&mut |_, _| {})?;
            anyhow::ensure!(found.damage.is_empty(), "verify says {:?}", found.damage);
        }
        self.model.check(&ledger, whole)
    }

    fn finish(self) -> anyhow::Result<Counts> {
        std::fs::remove_dir_all(&self.dir)?;
        std::fs::remove_file(&self.witness.path)?;
        Ok(self.model.counts)
    }
}

/// What writers said until they were killed.
fn killed(writers: &Writers, random: &mut fastrand::Rng) -> anyhow::Result<Vec<Line>> {
    let (mut child, stdout) = writers.start()?;
    let listener = Listener::start(stdout);
    match random.u8(..) < 50 {
        // In the midst of its start: recovery, or making the very first files.
        true => std::thread::sleep(Duration::from_micros(random.u64(..6_000))),
        false => {
            listener.wait_for_a_line();
            std::thread::sleep(Duration::from_micros(random.u64(..25_000)));
        }
    }
    child.kill()?;
    child.wait()?;
    listener.finish()
}

/// Reads what a child says until it is dead.
pub(crate) struct Listener {
    heard: JoinHandle<anyhow::Result<Vec<Line>>>,
    speaks: Arc<AtomicBool>,
}

impl Listener {
    pub(crate) fn start(stdout: ChildStdout) -> Self {
        let speaks = Arc::new(AtomicBool::new(false));
        let first = Arc::clone(&speaks);
        let heard = std::thread::spawn(move || {
            let (mut lines, mut stdout) = (Vec::new(), BufReader::new(stdout));
            let mut line = String::new();
            // What is cut off was never said.
            while stdout.read_line(&mut line)? > 0 && line.ends_with('\n') {
                lines.push(line.trim_end().parse()?);
                line.clear();
                first.store(true, Ordering::Relaxed);
            }
            Ok(lines)
        });
        Self { heard, speaks }
    }

    /// Waits until the child has said something, or is dead.
    pub(crate) fn wait_for_a_line(&self) {
        while !self.speaks.load(Ordering::Relaxed) && !self.heard.is_finished() {
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// Everything it said. The child is dead.
    pub(crate) fn finish(self) -> anyhow::Result<Vec<Line>> {
        self.heard.join().map_err(|_| anyhow::anyhow!("listening failed"))?
    }
}
