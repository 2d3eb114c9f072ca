//! A run: every workload, every round, every system in turn, each in a process of its own.

use std::{
    cell::RefCell,
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::{
    args::Args,
    floor,
    job::{Job, Measured},
    machine::{Machine, said_by},
    server::Server,
    systems::{self, KINDS, Kind},
    workloads::{FILL, FLOOR, Goal, Ground, KILLED, ROWS, Workload},
};

/// How long a process appends before it is killed.
const KILLED_AFTER: Duration = Duration::from_millis(1_500);
/// Rounds of killed processes are counted from here.
const KILLED_ROUNDS: u64 = 1_000;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    /// Each system's version, and how it was run.
    pub(crate) versions: BTreeMap<String, String>,
    pub(crate) events: u64,
    pub(crate) rounds: u64,
    pub(crate) systems: Vec<String>,
    pub(crate) rows: Vec<Row>,
}

/// One workload, on every system.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) workload: String,
    pub(crate) systems: Vec<Rounds>,
}

/// One workload on one system: a measurement a round.
#[derive(Debug, Serialize)]
pub(crate) struct Rounds {
    pub(crate) system: String,
    pub(crate) rounds: Vec<Measured>,
}

/// Set by Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);
/// The process that measures now, or 0.
static MEASURING: AtomicU32 = AtomicU32::new(0);

/// Ends the measuring process; everything else is cleaned up on the way out.
fn stop() {
    STOP.store(true, Ordering::SeqCst);
    let process = MEASURING.load(Ordering::SeqCst).cast_signed();
    if let Some(process) = rustix::process::Pid::from_raw(process) {
        let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL);
    }
}

pub(crate) fn run(args: &Args) -> Result<Results> {
    ctrlc::set_handler(stop)?;
    let rows = chosen_rows(&args.only)?;
    let systems = chosen_systems(args)?;
    let place = Place::new(args)?;
    let bar = progress(rows.iter().map(|row| turns(row, &systems).len() as u64).sum(), args);
    let mut results = Results {
        machine: Machine::under(&place.dir),
        versions: versions(args, &systems)?,
        events: args.events(),
        rounds: args.rounds(),
        systems,
        rows: Vec::new(),
    };
    for row in rows {
        let measured = measure_row(args, &place, row, &results.systems, &bar)?;
        // Without a terminal there is no bar, and these lines are all that shows how far it is.
        match bar.is_hidden() {
            true => eprintln!("{}", crate::report::line(row, &measured)),
            false => bar.println(crate::report::line(row, &measured)),
        }
        results.rows.push(measured);
    }
    bar.finish_and_clear();
    Ok(results)
}

fn chosen_rows(only: &[String]) -> Result<Vec<&'static Workload>> {
    for name in only {
        let known = ROWS.iter().any(|row| row.name.starts_with(name.as_str()));
        ensure!(known, "no workload's name begins with {name}; --list names them");
    }
    let wanted = |row: &&Workload| only.is_empty() || only.iter().any(|o| row.name.starts_with(o));
    Ok(ROWS.iter().filter(wanted).collect())
}

/// The systems that were named; otherwise all whose programs are here.
fn chosen_systems(args: &Args) -> Result<Vec<String>> {
    let mut chosen = Vec::new();
    for name in &args.systems {
        program(args, systems::kind(name)?)?;
        chosen.push(name.clone());
    }
    if chosen.is_empty() {
        for kind in KINDS {
            match program(args, kind) {
                Ok(_) => chosen.push(kind.name.to_owned()),
                Err(error) => eprintln!("without {}: {error:#}", kind.name),
            }
        }
    }
    Ok(chosen)
}

/// The program of a system that is a server.
fn program(args: &Args, kind: &Kind) -> Result<Option<PathBuf>> {
    let Some(launch) = &kind.server else { return Ok(None) };
    let named = args.umadb.as_deref().filter(|_| launch.program == "umadb");
    launch.find(named).map(Some)
}

fn versions(args: &Args, systems: &[String]) -> Result<BTreeMap<String, String>> {
    let mut versions = BTreeMap::new();
    for name in systems {
        let kind = systems::kind(name)?;
        let version = match program(args, kind)? {
            Some(program) => said_by(Command::new(program).arg("--version")),
            None => (kind.version)(),
        };
        versions.insert(name.clone(), format!("{version}; {}", kind.about));
    }
    Ok(versions)
}

/// Who takes part in a row: the systems that can, and the floor where the goal is measured by it.
fn turns(row: &Workload, systems: &[String]) -> Vec<String> {
    let suits = |name: &&String| systems::kind(name).is_ok_and(|kind| row.suits(kind));
    let mut turns: Vec<String> = systems.iter().filter(suits).cloned().collect();
    if matches!(row.goal, Some(Goal::Times(FLOOR, _))) {
        turns.insert(0, FLOOR.into());
    }
    turns
}

fn measure_row(
    args: &Args,
    place: &Place,
    row: &Workload,
    systems: &[String],
    bar: &ProgressBar,
) -> Result<Row> {
    let turns = turns(row, systems);
    let mut measured: Vec<Rounds> =
        turns.into_iter().map(|system| Rounds { system, rounds: Vec::new() }).collect();
    for round in 0..args.rounds() {
        for of_system in &mut measured {
            let system = &of_system.system;
            bar.set_message(format!("{} on {system}, round {}", row.name, round + 1));
            let one = Turn { args, place, row, system, round }.measure();
            of_system.rounds.push(one.with_context(|| format!("{} on {system}", row.name))?);
            bar.inc(1);
        }
        same_answers(row, &measured)?;
    }
    Ok(Row { workload: row.name.to_owned(), systems: measured })
}

/// Systems that were asked the same must have found the same.
fn same_answers(row: &Workload, measured: &[Rounds]) -> Result<()> {
    if row.ground != Ground::Ledger {
        return Ok(());
    }
    let last = measured.iter().filter_map(|of| Some((&of.system, of.rounds.last()?)));
    let last: Vec<_> = last.collect();
    for pair in last.windows(2) {
        let [(one, found), (other, found_too)] = pair else { continue };
        // Who was too slow was asked less.
        let as_much = found.requests == found_too.requests;
        ensure!(
            !as_much || found.events == found_too.events,
            "{}: {one} found {} events, {other} found {}",
            row.name,
            found.events,
            found_too.events,
        );
    }
    Ok(())
}

/// One measurement on one system.
struct Turn<'a> {
    args: &'a Args,
    place: &'a Place,
    row: &'a Workload,
    system: &'a str,
    round: u64,
}

impl Turn<'_> {
    fn measure(&self) -> Result<Measured> {
        let Self { args, place, .. } = self;
        if self.system == FLOOR {
            return place.fresh(|dir| floor::measure(dir, 3.0 * args.share()));
        }
        if self.row.ground == Ground::Fresh {
            return place.fresh(|dir| self.work(dir, self.row, self.round));
        }
        let events = args.events();
        let dir = place.ledger(self.system, events, |dir| self.work(dir, &FILL, 0).map(drop))?;
        if self.row.ground != Ground::Ledger {
            place.spend(self.system, events)?;
        }
        if self.row.ground == Ground::Killed {
            self.kill(&dir)?;
        }
        self.work(&dir, self.row, self.round)
    }

    /// Does a workload in a process of its own, with the server beside it, if it needs one.
    fn work(&self, dir: &Path, workload: &Workload, round: u64) -> Result<Measured> {
        let server = if workload.is_about_files() { None } else { self.serve(dir)? };
        let child = self.begin(dir, workload, round, server.as_ref())?;
        MEASURING.store(child.id(), Ordering::SeqCst);
        let output = child.wait_with_output();
        MEASURING.store(0, Ordering::SeqCst);
        let output = output?;
        if STOP.load(Ordering::SeqCst) {
            bail!("stopped");
        }
        ensure!(output.status.success(), "the measuring process ended with {}", output.status);
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Appends, and is killed while it does; so is the server.
    fn kill(&self, dir: &Path) -> Result<()> {
        let server = self.serve(dir)?;
        // Numbers that no other round writes.
        let mut child = self.begin(dir, &KILLED, KILLED_ROUNDS + self.round, server.as_ref())?;
        let mut output = child.stdout.take();
        std::thread::sleep(KILLED_AFTER);
        if let Some(server) = server {
            server.kill();
        }
        child.kill()?;
        child.wait()?;
        drop(output.take());
        Ok(())
    }

    fn serve(&self, dir: &Path) -> Result<Option<Server>> {
        let kind = systems::kind(self.system)?;
        let (Some(launch), Some(program)) = (&kind.server, program(self.args, kind)?) else {
            return Ok(None);
        };
        launch.start(&program, dir).map(Some)
    }

    fn begin(
        &self,
        dir: &Path,
        workload: &Workload,
        round: u64,
        server: Option<&Server>,
    ) -> Result<Child> {
        let job = Job {
            workload: workload.name.into(),
            system: self.system.into(),
            dir: dir.to_owned(),
            address: server.map(|server| server.address.clone()).unwrap_or_default(),
            server: server.map(Server::process),
            server_start_ms: server.map_or(0.0, |server| server.start.as_secs_f64() * 1e3),
            events: self.args.events(),
            share: self.args.share(),
            round,
        };
        let child = Command::new(std::env::current_exe()?)
            .arg("--measure")
            .arg(serde_json::to_string(&job)?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        Ok(child)
    }
}

/// The directory of a run; it is removed at its end.
struct Place {
    dir: PathBuf,
    keep: bool,
    /// Ledgers that were filled and then changed.
    spent: RefCell<HashSet<PathBuf>>,
}

impl Place {
    fn new(args: &Args) -> Result<Self> {
        let dir = args.dir.join("factum-bench-data");
        fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        Ok(Self { dir: fs::canonicalize(dir)?, keep: args.keep, spent: RefCell::default() })
    }

    /// Work in an empty directory, which is removed afterwards.
    fn fresh<T>(&self, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        let dir = self.dir.join("fresh");
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        fs::create_dir(&dir)?;
        let done = work(&dir);
        fs::remove_dir_all(&dir)?;
        // What the last system left to be written must not disturb the next.
        rustix::fs::sync();
        done
    }

    /// A system's ledger of so many events, filled when there is none yet.
    fn ledger(
        &self,
        system: &str,
        events: u64,
        fill: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let dir = self.dir.join(format!("{system}-{events}"));
        let filled = self.dir.join(format!("{system}-{events}.filled"));
        let spent_in_this_run = self.spent.borrow().contains(&dir);
        if !filled.exists() && !spent_in_this_run {
            if dir.exists() {
                fs::remove_dir_all(&dir)?;
            }
            fs::create_dir(&dir)?;
            fill(&dir).with_context(|| format!("filling the ledger of {system}"))?;
            rustix::fs::sync();
            fs::write(filled, "")?;
        }
        Ok(dir)
    }

    /// A ledger will be changed: the next run must not take it for what it was filled with.
    fn spend(&self, system: &str, events: u64) -> Result<()> {
        let filled = self.dir.join(format!("{system}-{events}.filled"));
        if filled.exists() {
            fs::remove_file(filled)?;
        }
        self.spent.borrow_mut().insert(self.dir.join(format!("{system}-{events}")));
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn progress(turns: u64, args: &Args) -> ProgressBar {
    let bar = ProgressBar::new(turns * args.rounds());
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len}  {elapsed}, {eta} left  {msg}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
