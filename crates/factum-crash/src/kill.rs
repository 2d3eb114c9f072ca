//! kill -9 at a random moment under load, again and again, and what is there afterwards.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clap::Args;

use crate::{
    bug::Bug,
    child::Writers,
    line::Line,
    listener::Listener,
    model::Counts,
    places::Places,
    rounds::{Look, Rounds},
    server,
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
            let dir = home.dir.join(format!("data-{done}"));
            let witness = format!("witness-{done}");
            let mut ledger = Rounds::new(dir, &home.witness, &witness, &self.bug)?;
            for round in 0..rounds {
                let whole = round + 1 == rounds || round % WHOLE_EVERY == WHOLE_EVERY - 1;
                let what = || format!("kill {} of seed {seed}; {}", done + round + 1, home.keep());
                self.round(&mut ledger, round, whole, &mut random).with_context(what)?;
            }
            counts.add(ledger.remove()?);
            done += rounds;
        }
        println!("{counts}");
        let took = begun.elapsed().as_secs_f64();
        let rate = f64::from(self.times) / took;
        let times = self.times;
        println!("{times} kills in {took:.1} s ({rate:.1} a second), 0 lost, 0 phantoms");
        home.remove()
    }

    fn round(
        &self,
        ledger: &mut Rounds,
        number: u32,
        whole: bool,
        random: &mut fastrand::Rng,
    ) -> anyhow::Result<()> {
        let writers = ledger.writers(number, random);
        let lines = match self.server {
            true => server::killed(self.factum.as_deref(), &writers, random)?,
            false => killed(&writers, random)?,
        };
        ledger.hear(&lines)?;
        let failed = lines.iter().find(|line| matches!(line, Line::Failed(..)));
        if let Some(failed) = failed {
            anyhow::bail!("a writer failed before it was killed: {failed}");
        }
        ledger.check(&writers, Look { whole, read_only: random.bool() })
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
