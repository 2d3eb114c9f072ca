//! kill -9 of the real binary at random moments, then the same command again (G1, G2, G5).
//!
//! The ledger that comes out must be the one of a run that nobody disturbed: the same positions,
//! types, tags, streams, revisions and data, and no event twice. Only identities and times differ.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{Random, Running, command, factum_in};

/// How many runs are killed, unless `FACTUM_KILLS` says otherwise.
const KILLS: u64 = 50;
/// How many of the data set's actions are run: enough of each kind, and quick.
const ACTIONS: usize = 60;

#[test]
fn g2_g5_kill_nine_and_the_same_command_again_give_the_undisturbed_ledger() {
    let kills = std::env::var("FACTUM_KILLS").map_or(KILLS, |n| n.parse().expect("a number"));
    let mut random = Random::new("kill_nine");
    let home = tempfile::tempdir().expect("a directory");
    let actions = some_actions(home.path());

    let undisturbed = home.path().join("undisturbed");
    let started = Instant::now();
    let wanted_outcome = outcome(&undisturbed, &actions);
    let whole_run = started.elapsed();
    let wanted = comparable(&undisturbed);

    let (mut killed, mut runs) = (0, 0);
    while killed < kills {
        runs += 1;
        let dir = home.path().join(format!("run-{runs}"));
        // Some runs are killed more than once before they may end.
        for _ in 0..=random.below(2) {
            killed += u64::from(killed_after(share(whole_run, &mut random), &dir, &actions));
        }
        assert_eq!(outcome(&dir, &actions), wanted_outcome, "run {runs}");
        let events = comparable(&dir);
        for (is, should) in events.iter().zip(&wanted) {
            assert_eq!(is, should, "run {runs}");
        }
        assert_eq!(events.len(), wanted.len(), "run {runs}");
        std::fs::remove_dir_all(&dir).expect("it can be removed");
    }
    println!("{killed} kills in {runs} runs of {whole_run:?}");
}

fn share(whole: Duration, random: &mut Random) -> Duration {
    whole.mul_f64(random.below(1_000) as f64 / 1_000.0)
}

/// Starts the command and kills it after `delay`; whether it was still running.
fn killed_after(delay: Duration, dir: &Path, actions: &Path) -> bool {
    let mut command = demo(dir, actions);
    let mut run = Running::start(command.stdout(Stdio::null()).stderr(Stdio::null()));
    std::thread::sleep(delay);
    let running = run.0.try_wait().expect("its state is known").is_none();
    run.kill();
    running
}

fn demo(dir: &Path, actions: &Path) -> std::process::Command {
    let mut command = command(["demo", "--json", "--actions"]);
    command.arg(actions).arg("--dir").arg(dir);
    command
}

/// Runs the command to its end; what it says happened, without how long it took and what of it was
/// an earlier run's.
fn outcome(dir: &Path, actions: &Path) -> Value {
    let output = demo(dir, actions).output().expect("the binary runs");
    let run = crate::harness::Run::from(output).ok();
    let said = run.json();
    let kept = ["actions", "writes", "accepted", "refused", "refused_by_reason", "events", "head"];
    kept.iter().map(|name| (name.to_string(), said[*name].clone())).collect()
}

/// The first actions of the data set's test tasks, as a file.
fn some_actions(home: &Path) -> PathBuf {
    let all = include_str!("../../../../examples/retail/data/actions.jsonl");
    let lines: Vec<&str> = all.lines().filter(|line| line.contains("\"task\":\"test-")).collect();
    let path = home.join("actions.jsonl");
    std::fs::write(&path, lines[..ACTIONS].join("\n")).expect("it is written");
    path
}

/// Every event of the ledger without what differs from run to run; that no event is there twice.
fn comparable(dir: &Path) -> Vec<Value> {
    let args = ["read", "--ledger", "retail", "--jsonl", "--system"];
    let events = factum_in(dir, &args).ok().json_lines();
    let ids: HashSet<_> = events.iter().map(|event| event["id"].to_string()).collect();
    assert_eq!(ids.len(), events.len(), "an event is there twice");
    let comparable = |(index, event): (usize, Value)| {
        assert_eq!(event["position"], json!(index + 1), "positions have no gaps");
        let kept = ["position", "type", "tags", "stream", "revision", "data", "actor", "command_id"];
        kept.iter().map(|name| (name.to_string(), event[*name].clone())).collect()
    };
    events.into_iter().enumerate().map(comparable).collect()
}
