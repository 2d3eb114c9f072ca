//! The process that is killed: the real engine, several writers, and a reader that says what it was
//! shown. It speaks on its standard output, whose other end outlives it.

use std::{
    fs::File,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use clap::Args;
use factum_engine::{DataDir, EngineLedger, Options};
use factum_store::{Ledger as _, Position};
use futures_lite::future::block_on;

use crate::{
    batch::BatchId,
    bug::Bug,
    line::Line,
    powered::Powered,
    writers::{Round, Writer},
};

/// The one ledger of the test; the server's own default.
pub(crate) const LEDGER: &str = "default";

/// Write until killed: what the other subcommands start, and end.
#[derive(Args, Clone, Debug)]
pub(crate) struct Writers {
    /// The data directory.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// Which round of the test it is: part of every batch's name.
    #[arg(long, default_value_t = 0)]
    pub(crate) round: u32,
    /// How many write at a time.
    #[arg(long, default_value_t = 4)]
    pub(crate) writers: u16,
    /// How many batches each writes, unless it is stopped.
    #[arg(long, default_value_t = u32::MAX)]
    pub(crate) batches: u32,
    /// When a segment is closed.
    #[arg(long, default_value_t = 64 << 20)]
    pub(crate) segment_bytes: u64,
    /// Everything in one order, with no thread beside the writer's.
    #[arg(long)]
    pub(crate) foreground: bool,
    /// Keyed batches to send again first.
    #[arg(long)]
    pub(crate) again: Vec<BatchId>,
    /// Believe a sync only if the file system still has power when it ends.
    #[arg(long)]
    pub(crate) powered: bool,
    #[command(flatten)]
    pub(crate) bug: Bug,
}

impl Writers {
    /// What the engine is opened with, here and by whoever checks.
    pub(crate) fn options(&self) -> Options {
        let options = Options {
            segment_bytes_max: self.segment_bytes,
            write_ahead_bytes: self.segment_bytes.min(1 << 20),
            background: !self.foreground,
            ..Options::default()
        };
        self.bug.with_bug(options)
    }

    /// Writes; ends when everything was written, or something failed.
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let mut options = self.options();
        if self.powered {
            options.machine = Arc::new(Powered);
        }
        let data = DataDir::open(&self.dir, options)?;
        let ledger = data.create_ledger(LEDGER)?;
        let stop = AtomicBool::new(false);
        let round = Round {
            number: self.round,
            batches: self.batches,
            again: &self.again,
            stop: &stop,
            say: &say,
        };
        std::thread::scope(|scope| {
            let writers: Vec<_> = (0..self.writers)
                .map(|number| Writer::new(&round, number, ledger.clone()))
                .map(|writer| scope.spawn(|| writer.run()))
                .collect();
            if !self.foreground {
                scope.spawn(|| watch(&ledger, &stop));
            }
            for writer in writers {
                let _ = writer.join();
            }
            stop.store(true, Ordering::Relaxed);
        });
        Ok(())
    }

    /// Starts this program again with these arguments.
    pub(crate) fn start(&self) -> anyhow::Result<(Child, ChildStdout)> {
        let mut command = Command::new(std::env::current_exe()?);
        self.start_by(command.args(self.arguments()))
    }

    /// Starts a command that runs this.
    pub(crate) fn start_by(&self, command: &mut Command) -> anyhow::Result<(Child, ChildStdout)> {
        // What it says when it dies of itself is kept beside the directory.
        let mut stderr = File::options();
        let stderr = stderr.create(true).append(true).open(self.dir.with_extension("stderr"))?;
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().context("starting the writers")?;
        let stdout = child.stdout.take().context("its standard output")?;
        Ok((child, stdout))
    }

    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["writers".to_owned()];
        let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        option("--dir", path(&self.dir));
        option("--round", self.round.to_string());
        option("--writers", self.writers.to_string());
        option("--batches", self.batches.to_string());
        option("--segment-bytes", self.segment_bytes.to_string());
        self.again.iter().for_each(|batch| option("--again", batch.to_string()));
        self.bug.name().iter().for_each(|bug| option("--sabotage", bug.clone()));
        arguments.extend(self.foreground.then(|| "--foreground".to_owned()));
        arguments.extend(self.powered.then(|| "--powered".to_owned()));
        arguments
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// A line leaves the process in one write, before anything else is done.
pub(crate) fn say(line: Line) {
    // Whoever listened is gone: there is nobody left to tell.
    let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
}

/// Says which head readers are shown: it must be there after any crash.
fn watch(ledger: &EngineLedger, stop: &AtomicBool) {
    let mut shown = Position::START;
    while !stop.load(Ordering::Relaxed) {
        if let Ok(head) = block_on(ledger.head())
            && head.position > shown
        {
            shown = head.position;
            say(Line::Saw(shown));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}
