//! A damaged ledger (G10): no command makes it worse, and what is intact can still be read.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::json;

use crate::harness::{Running, command, factum_fed, factum_in};

/// How many events the ledger has, one a batch.
const EVENTS: usize = 40;

/// A ledger of events that say which they are, with one of them damaged.
fn damaged(dir: &Path, which: usize) {
    for n in 0..EVENTS {
        let event = json!({ "type": "counted", "data": { "n": format!("number {n:03}") } });
        factum_fed(dir, &["append"], format!("{event}\n").as_bytes()).ok();
    }
    let path = logs(dir).into_keys().next().expect("a segment");
    let mut bytes = std::fs::read(&path).expect("it is read");
    let text = format!("number {which:03}");
    let at = bytes.windows(text.len()).position(|window| window == text.as_bytes());
    bytes[at.expect("the event is there")] ^= 4;
    std::fs::write(path, bytes).expect("it is written");
}

/// All log files, byte for byte.
fn logs(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
            let path = entry.path();
            match path.is_dir() {
                true => open.push(path),
                false if path.extension().is_some_and(|end| end == "log") => {
                    found.insert(path.clone(), std::fs::read(&path).expect("it is read"));
                }
                false => {}
            }
        }
    }
    found
}

#[test]
fn g10_no_command_makes_a_damaged_ledger_worse() {
    let dir = tempfile::tempdir().expect("a directory");
    damaged(dir.path(), 17);
    let before = logs(dir.path());
    for args in [
        &["append", "--type", "another", "--data", "{}"][..],
        &["append", "--type", "another", "--data", "{}", "--key", "once"],
        &["read"],
        &["read", "--jsonl", "--backward"],
        &["read", "--read-only"],
        &["ledgers"],
        &["ledgers", "--create", "other"],
        &["views"],
        &["views", "--application", "retail"],
        &["view", "orders", "--application", "retail"],
        &["run", "cancel", "--application", "retail", "--data", "{}"],
        &["rebuild", "orders", "--application", "retail"],
        &["verify"],
        &["inspect"],
    ] {
        factum_in(dir.path(), args);
        let after: BTreeMap<_, _> =
            logs(dir.path()).into_iter().filter(|(path, _)| before.contains_key(path)).collect();
        assert!(after == before, "factum {} changed a log file", args.join(" "));
    }
    // These go on until they are ended.
    for args in [&["serve", "--listen", "127.0.0.1:0"][..], &["subscribe"]] {
        let mut running = Running::start(command(args).env("FACTUM_DIR", dir.path()));
        std::thread::sleep(std::time::Duration::from_millis(300));
        running.kill();
        let after: BTreeMap<_, _> =
            logs(dir.path()).into_iter().filter(|(path, _)| before.contains_key(path)).collect();
        assert!(after == before, "factum {} changed a log file", args.join(" "));
    }
}

#[test]
fn g10_what_is_intact_of_a_damaged_ledger_is_read_with_read_only() {
    let dir = tempfile::tempdir().expect("a directory");
    damaged(dir.path(), 17);
    factum_in(dir.path(), &["read", "--jsonl"]).exits(7).says(&["damaged at byte", "18"]);
    let first = factum_in(dir.path(), &["read", "--jsonl", "--read-only"]);
    let first = first.exits(7).says(&["damaged at byte", "around position 18"]);
    assert_eq!(first.json_lines().len(), 17, "what lies before it");
    let rest = factum_in(dir.path(), &["read", "--jsonl", "--read-only", "--after", "18"]).ok();
    assert_eq!(rest.json_lines().len(), EVENTS - 18, "what lies behind it");
    assert_eq!(rest.json_lines()[0]["data"]["n"], "number 018");
}
