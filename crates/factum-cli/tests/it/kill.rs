//! kill -9 of the real binary at random moments (G1, G2, G5).
//!
//! The demo, run again after each kill, must come to the ledger of a run that nobody disturbed: the
//! same positions, types, tags, streams, revisions and data, and no event twice. Only identities and
//! times differ. And a server that is killed while it is written to must have every batch that it
//! acknowledged, and none in part.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    harness::{Random, Run, Running, command, factum_in},
    serve::Server,
};

/// How many runs are killed, unless `FACTUM_KILLS` says otherwise.
const KILLS: u64 = 50;
/// How many of them hit the same run, one after the other: each lets it come a bit further.
const KILLS_A_RUN: u64 = 5;
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
        for _ in 0..KILLS_A_RUN {
            let delay = (whole_run / 2).mul_f64(random.below(1_000) as f64 / 1_000.0);
            killed += u64::from(killed_after(delay, &dir, &actions));
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
    let run = Run::from(output).ok();
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
        let kept =
            ["position", "type", "tags", "stream", "revision", "data", "actor", "command_id"];
        kept.iter().map(|name| (name.to_string(), event[*name].clone())).collect()
    };
    events.into_iter().enumerate().map(comparable).collect()
}

/// How often a server is killed.
const SERVER_KILLS: u64 = 8;
/// How many clients write to it at a time.
const CLIENTS: usize = 3;
/// How many events each batch has.
const BATCH: usize = 3;

#[test]
fn g1_g2_kill_nine_of_a_server_loses_no_batch_that_it_acknowledged_and_keeps_none_in_part() {
    let mut random = Random::new("kill_nine_of_a_server");
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("data");
    let mut acknowledged: Vec<(u64, String)> = Vec::new();
    for round in 0..SERVER_KILLS {
        let mut server = Server::start(&dir, &[]);
        let address = server.address.clone();
        let over = AtomicBool::new(false);
        let new = std::thread::scope(|scope| {
            let write = |client| {
                let (address, over) = (&address, &over);
                scope.spawn(move || write_until(over, address, &format!("{round}-{client}")))
            };
            let clients: Vec<_> = (0..CLIENTS).map(write).collect();
            std::thread::sleep(Duration::from_millis(20 + random.below(150)));
            server.process.kill();
            over.store(true, Ordering::Relaxed);
            let done = clients.into_iter().map(|client| client.join().expect("a client ends"));
            done.flatten().collect::<Vec<_>>()
        });
        acknowledged.extend(new);
        check_batches(&dir, &acknowledged);
    }
    assert!(!acknowledged.is_empty(), "nothing was acknowledged before the first kill");
    println!("{} batches were acknowledged before {SERVER_KILLS} kills", acknowledged.len());
}

/// Appends batches, one after the other, until the server is gone; those it acknowledged.
fn write_until(over: &AtomicBool, address: &str, client: &str) -> Vec<(u64, String)> {
    let mut acknowledged = Vec::new();
    for number in 0.. {
        if over.load(Ordering::Relaxed) {
            break;
        }
        let name = format!("{client}-{number}");
        let event = |n| json!({ "type": "written", "data": { "batch": name, "n": n } });
        let events: Vec<_> = (0..BATCH).map(event).collect();
        let body = json!({ "events": events }).to_string();
        let answer = crate::serve::post(address, "/v1/ledgers/default/events", &body);
        let Some((200..=299, receipt)) = answer else { break };
        let receipt: Value = serde_json::from_str(&receipt).expect("a receipt");
        let receipt = &receipt["receipt"];
        acknowledged.push((receipt["first"].as_u64().expect("a position"), name));
    }
    acknowledged
}

/// Every acknowledged batch is where its receipt says, and no batch is there in part.
fn check_batches(dir: &Path, acknowledged: &[(u64, String)]) {
    let events = factum_in(dir, &["read", "--jsonl"]).ok().json_lines();
    assert_eq!(events.len() % BATCH, 0, "a batch is there in part");
    for (index, batch) in events.chunks(BATCH).enumerate() {
        for (n, event) in batch.iter().enumerate() {
            assert_eq!(event["position"], json!(index * BATCH + n + 1));
            assert_eq!(event["data"], json!({ "batch": batch[0]["data"]["batch"], "n": n }));
        }
    }
    for (first, name) in acknowledged {
        let kept = usize::try_from(*first).ok().and_then(|first| events.get(first - 1));
        assert_eq!(kept.map(|event| &event["data"]["batch"]), Some(&json!(name)), "at {first}");
    }
}
