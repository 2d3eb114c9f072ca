//! Failing system calls: one run is repeated for every call that it makes, and each time another
//! call fails, or is the last. The program is the real one; `strace` does it.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use anyhow::Context as _;
use clap::Args;

use crate::{
    bug::Bug,
    child::Writers,
    line::Line,
    listener::Listener,
    machine::{Needed as _, run},
    places::{Home, Places},
    rounds::{Look, Rounds},
};

/// Let each system call of a run fail in turn, and check what the writers were told.
#[derive(Args, Debug)]
pub(crate) struct Inject {
    /// Every how many calls one fails: 1 for all of them.
    #[arg(long, default_value_t = 1)]
    every: usize,
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    bug: Bug,
}

/// What is done to one call.
#[derive(Clone, Copy)]
struct Fault {
    call: &'static str,
    /// In the words of `strace`.
    how: &'static str,
    /// Later calls fare the same.
    for_good: bool,
}

const fn once(call: &'static str, how: &'static str) -> Fault {
    Fault { call, how, for_good: false }
}

const fn for_good(call: &'static str, how: &'static str) -> Fault {
    Fault { call, how, for_good: true }
}

const FAULTS: &[Fault] = &[
    once("fdatasync", "error=EIO"),
    for_good("fdatasync", "error=EIO"),
    once("fsync", "error=EIO"),
    once("pwrite64", "error=EIO"),
    once("pwrite64", "error=ENOSPC"),
    for_good("pwrite64", "error=ENOSPC"),
    once("pread64", "error=EIO"),
    once("openat", "error=EMFILE"),
    once("getdents64", "error=EIO"),
    once("statx", "error=EIO"),
    once("rename", "error=EIO"),
    once("ftruncate", "error=EIO"),
    once("unlink", "error=EIO"),
    once("pwrite64", "error=EINTR"),
    once("fdatasync", "signal=SIGKILL"),
    once("fsync", "signal=SIGKILL"),
    once("pwrite64", "signal=SIGKILL"),
    once("openat", "signal=SIGKILL"),
    once("rename", "signal=SIGKILL"),
    once("ftruncate", "signal=SIGKILL"),
    once("unlink", "signal=SIGKILL"),
    once("mkdir", "signal=SIGKILL"),
    once("flock", "signal=SIGKILL"),
];

/// How often every call of a kind was made by any one thread of a run.
const CALLS_MOST: usize = 2_000;

/// A run that is repeated.
struct Scenario {
    name: &'static str,
    /// What is there before it, and what was said then.
    before: Option<PathBuf>,
    lines: Vec<Line>,
    writers: Writers,
}

impl Inject {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        run("strace", &["-V"]).needed("there is no strace here")?;
        let traced = run("strace", &["-f", "-e", "trace=none", "true"]);
        traced.needed("processes can't be traced here")?;
        let home = self.places.make("inject")?;
        let begun = Instant::now();
        let fresh = self.fresh(&home);
        let reopened = self.reopened(&home).with_context(|| home.keep())?;
        let mut runs = 0;
        for scenario in [&fresh, &reopened] {
            for fault in FAULTS {
                let of_fault = self.all(&home, scenario, *fault)?;
                let Fault { call, how, for_good } = fault;
                let often = if *for_good { " from then on" } else { "" };
                println!("{}: {call} {how}{often}: {of_fault} runs", scenario.name);
                runs += of_fault;
            }
        }
        let shorts = self.short_writes(&home, &fresh)?;
        let took = begun.elapsed().as_secs_f64();
        println!(
            "{runs} failing calls and {shorts} short writes in {took:.1} s, 0 lost, 0 phantoms"
        );
        home.remove()
    }

    /// A ledger is made, and written over a few segments.
    fn fresh(&self, home: &Home) -> Scenario {
        let writers = Writers {
            dir: home.dir.join("data"),
            round: 0,
            writers: 1,
            batches: 80,
            segment_bytes: 16 << 10,
            foreground: true,
            again: Vec::new(),
            powered: false,
            bug: self.bug.clone(),
        };
        Scenario { name: "new ledger", before: None, lines: Vec::new(), writers }
    }

    /// A ledger is opened that lacks an index, and whose last batch is torn.
    fn reopened(&self, home: &Home) -> anyhow::Result<Scenario> {
        let fresh = self.fresh(home);
        let before = home.dir.join("before");
        let (mut child, stdout) =
            Writers { dir: before.clone(), ..fresh.writers.clone() }.start()?;
        let lines = Listener::start(stdout).finish()?;
        child.wait()?;
        let ledger = before.join("ledgers").join(crate::child::LEDGER);
        let mut names: Vec<_> = std::fs::read_dir(&ledger)?.flatten().map(|e| e.path()).collect();
        names.sort();
        let ending =
            |end: &'static str| move |path: &&PathBuf| path.extension().is_some_and(|e| e == end);
        std::fs::remove_file(names.iter().find(ending("idx")).context("an index")?)?;
        let last = names.iter().rev().find(ending("log")).context("a segment")?;
        let mut bytes = std::fs::read(last)?;
        // Behind the last frame comes what recovery takes for a batch that was torn.
        let end = bytes.iter().rposition(|byte| *byte != 0).context("a segment of zeros")?;
        bytes.get_mut(end + 100..end + 300).context("zeros written ahead")?.fill(0xa5);
        std::fs::write(last, bytes)?;
        let writers = Writers { round: 1, batches: 6, ..fresh.writers };
        Ok(Scenario { name: "torn ledger", before: Some(before), lines, writers })
    }

    /// Repeats a run until the fault finds no more calls; says how often.
    fn all(&self, home: &Home, scenario: &Scenario, fault: Fault) -> anyhow::Result<usize> {
        let mut runs = 0;
        for at in (1..CALLS_MOST).step_by(self.every) {
            let more = if fault.for_good { "+" } else { "" };
            let Fault { call, how, .. } = fault;
            let expression = format!("inject={call}:{how}:when={at}{more}");
            let what = || format!("{}: {expression}; {}", scenario.name, home.keep());
            let report = home.dir.join("strace.log");
            let mut command = Command::new("strace");
            command.args(["-f", "-qq", "-e", &format!("trace={call}"), "-e", &expression, "-o"]);
            command.arg(&report).arg(std::env::current_exe()?);
            command.args(scenario.writers.arguments());
            let lines = self.one(home, scenario, command).with_context(what)?;
            runs += 1;
            if fault.for_good && call == "fdatasync" {
                no_more_after_failure(&lines).with_context(what)?;
            }
            let traced = std::fs::read_to_string(&report)?;
            let injected = traced.contains("(INJECTED)") || traced.contains("killed by SIGKILL");
            if !injected {
                return Ok(runs);
            }
        }
        Ok(runs)
    }

    /// One run: what is there afterwards is what was said, and it goes on.
    fn one(
        &self,
        home: &Home,
        scenario: &Scenario,
        mut command: Command,
    ) -> anyhow::Result<Vec<Line>> {
        let dir = &scenario.writers.dir;
        let _ = std::fs::remove_dir_all(dir);
        if let Some(before) = &scenario.before {
            copy(before, dir)?;
        }
        let (mut child, stdout) = scenario.writers.start_by(&mut command)?;
        let lines = Listener::start(stdout).finish()?;
        child.wait()?;
        let mut ledger = Rounds::new(dir.clone(), &home.witness, "witness", &self.bug)?;
        ledger.hear(&scenario.lines)?;
        ledger.hear(&lines)?;
        ledger.check(&scenario.writers, Look { whole: true, read_only: true })?;
        ledger.check(&scenario.writers, Look { whole: true, read_only: false })?;
        Ok(lines)
    }

    /// Files may grow to a limit only: the write that meets it is short, really, and the next fails.
    fn short_writes(&self, home: &Home, scenario: &Scenario) -> anyhow::Result<usize> {
        let mut runs = 0;
        for kilobytes in (1..=24).step_by(self.every.min(8)) {
            let mut command = Command::new("sh");
            let limited = format!("trap '' XFSZ; ulimit -f {kilobytes}; exec \"$@\"");
            command.args(["-c", &limited, "sh"]).arg(std::env::current_exe()?);
            command.args(scenario.writers.arguments());
            let what = || format!("files of at most {kilobytes} blocks; {}", home.keep());
            self.one(home, scenario, command).with_context(what)?;
            runs += 1;
        }
        Ok(runs)
    }
}

/// When every sync fails from some moment on, nothing is acknowledged from then on.
fn no_more_after_failure(lines: &[Line]) -> anyhow::Result<()> {
    let failed = lines.iter().position(|line| matches!(line, Line::Failed(..)));
    let after = &lines[failed.unwrap_or(lines.len())..];
    let acknowledged = after.iter().find(|line| matches!(line, Line::Acknowledged { .. }));
    anyhow::ensure!(acknowledged.is_none(), "G2: after a failed sync came {acknowledged:?}");
    Ok(())
}

/// A directory with all below it.
fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        match entry.file_type()?.is_dir() {
            true => copy(&entry.path(), &to)?,
            false => drop(std::fs::copy(entry.path(), to)?),
        }
    }
    Ok(())
}
