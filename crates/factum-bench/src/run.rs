//! A run: every workload, every round, every system in turn, each in a process of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::{
    args::Args,
    floor,
    job::{Job, Measured},
    systems::{self, KINDS},
    workloads::{FILL, FLOOR, Goal, Ground, ROWS, Workload},
};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Results {
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

/// Set by Ctrl-C. The measuring process gets the same signal and ends.
static STOP: AtomicBool = AtomicBool::new(false);

pub(crate) fn run(args: &Args) -> Result<Results> {
    ctrlc::set_handler(|| STOP.store(true, Ordering::SeqCst))?;
    let rows = chosen_rows(&args.only)?;
    let systems = chosen_systems(&args.systems)?;
    let place = Place::new(args)?;
    let bar = progress(rows.iter().map(|row| turns(row, &systems).len() as u64).sum(), args);
    let mut results =
        Results { events: args.events(), rounds: args.rounds(), systems, rows: Vec::new() };
    for row in rows {
        let measured = measure_row(args, &place, row, &results.systems, &bar)?;
        bar.println(crate::report::line(row, &measured));
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

fn chosen_systems(only: &[String]) -> Result<Vec<String>> {
    only.iter().try_for_each(|name| systems::kind(name).map(drop))?;
    let wanted = |name: &&str| only.is_empty() || only.iter().any(|only| only == name);
    Ok(KINDS.iter().map(|kind| kind.name).filter(wanted).map(str::to_owned).collect())
}

/// Who takes part in a row: the systems, and the floor where the goal is measured by it.
fn turns(row: &Workload, systems: &[String]) -> Vec<String> {
    let mut turns = systems.to_vec();
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
            let one = measure(args, place, row, system, round);
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
    let found = |rounds: &Rounds| rounds.rounds.last().map(|one| one.events);
    let Some(first) = measured.first() else { return Ok(()) };
    for other in measured {
        ensure!(
            found(other) == found(first),
            "{}: {} found {:?} events, {} found {:?}",
            row.name,
            first.system,
            found(first),
            other.system,
            found(other),
        );
    }
    Ok(())
}

fn measure(
    args: &Args,
    place: &Place,
    row: &Workload,
    system: &str,
    round: u64,
) -> Result<Measured> {
    if system == FLOOR {
        return place.fresh(|dir| floor::measure(dir, 3.0 * args.share()));
    }
    let job = |dir: &Path, workload: &Workload| Job {
        workload: workload.name.into(),
        system: system.into(),
        dir: dir.to_owned(),
        events: args.events(),
        share: args.share(),
        round,
    };
    match row.ground {
        Ground::Fresh => place.fresh(|dir| in_process(&job(dir, row))),
        Ground::Ledger => {
            let dir = place
                .ledger(system, args.events(), |dir| in_process(&job(dir, &FILL)).map(drop))?;
            in_process(&job(&dir, row))
        }
    }
}

/// Does a job in a process of its own.
fn in_process(job: &Job) -> Result<Measured> {
    let child = Command::new(std::env::current_exe()?)
        .arg("--measure")
        .arg(serde_json::to_string(job)?)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.wait_with_output()?;
    if STOP.load(Ordering::SeqCst) {
        bail!("stopped");
    }
    ensure!(output.status.success(), "the measuring process ended with {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The directory of a run; it is removed at its end.
struct Place {
    dir: PathBuf,
    keep: bool,
}

impl Place {
    fn new(args: &Args) -> Result<Self> {
        let dir = args.dir.join("factum-bench-data");
        fs::create_dir_all(&dir).with_context(|| format!("making {}", dir.display()))?;
        Ok(Self { dir: fs::canonicalize(dir)?, keep: args.keep })
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
        if !filled.exists() {
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
