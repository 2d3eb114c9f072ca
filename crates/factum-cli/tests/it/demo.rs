//! `factum demo`: what it says happened is what the data set says should happen, it can be run
//! again, and the past can be asked.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use serde_json::{Value, json};

use crate::harness::{factum, factum_in};

pub(crate) const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/retail/data");

pub(crate) fn rows(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(Path::new(DATA).join(file)).expect("a file of the data set");
    text.lines().map(|line| serde_json::from_str(line).expect("a row")).collect()
}

/// A data directory in which the demo has run the test tasks, for tests that only read it or leave
/// it as it is: each gets a copy.
pub(crate) fn demo_data() -> tempfile::TempDir {
    static FIRST: OnceLock<(tempfile::TempDir, Value)> = OnceLock::new();
    let (first, _) = FIRST.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a directory");
        let said = demo(dir.path()).ok().json();
        (dir, said)
    });
    let copy = tempfile::tempdir().expect("a directory");
    let copied = std::process::Command::new("cp")
        .args(["-a", "--sparse=always"])
        .arg(first.path().join("."))
        .arg(copy.path())
        .status();
    assert!(copied.expect("cp runs").success());
    copy
}

fn demo(dir: &Path) -> crate::harness::Run {
    factum_in(dir, &["demo", "--actions", "test", "--json"])
}

fn head(dir: &Path) -> Value {
    let said = factum_in(dir, &["ledgers", "--json"]).ok().json();
    said["ledgers"][0]["head"]["position"].clone()
}

#[test]
fn the_outcomes_are_the_expected_ones_and_again_when_it_is_run_again() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("retail-demo");
    let first = demo(&dir).ok();
    assert_eq!(first.stderr, "");
    let first = first.json();

    let mut refused = BTreeMap::new();
    let expected = rows("expected/test_outcomes.jsonl");
    for row in expected.iter().filter(|row| row["outcome"] == "refused") {
        *refused.entry(row["reason"].as_str().expect("a reason").to_owned()).or_insert(0) += 1;
    }
    let refusals: i32 = refused.values().sum();
    assert_eq!(first["writes"], json!(expected.len()));
    assert_eq!(first["refused"], json!(refusals));
    assert_eq!(first["accepted"], json!(expected.len() as i32 - refusals));
    assert_eq!(first["refused_by_reason"], json!(refused));
    assert_eq!((&first["replayed"], &first["changed"]), (&json!(0), &json!(true)));
    assert_eq!(first["head"], head(&dir));

    let again = demo(&dir).ok().json();
    assert_eq!(again["replayed"], first["writes"]);
    assert_eq!(again["changed"], json!(false));
    for same in [
        "actions",
        "writes",
        "accepted",
        "refused",
        "refused_by_reason",
        "lookups",
        "skipped",
        "events",
        "head",
    ] {
        assert_eq!(again[same], first[same], "{same}");
    }
    assert_eq!(first["head"], head(&dir));
}

#[test]
fn events_are_the_facts_and_head_counts_the_records_of_commands_too() {
    let dir = demo_data();
    let said = demo(dir.path()).ok().json();
    let read = |args: &[&str]| {
        let args = [&["read", "--ledger", "retail", "--jsonl"], args].concat();
        json!(factum_in(dir.path(), &args).ok().stdout.lines().count())
    };
    assert_eq!(read(&[]), said["events"]);
    assert_eq!(read(&["--system"]), said["head"]);
    let commands = 50 + 500 + 1_000 + said["writes"].as_u64().expect("a number");
    assert_eq!(read(&["--type", "$command"]), json!(commands));
}

#[test]
fn people_get_a_table_three_answers_and_commands_that_work() {
    let dir = demo_data();
    let run = factum_in(dir.path(), &["demo", "--actions", "test"]).ok();
    for text in [
        "accepted",
        "refused",
        "non-pending order",
        "nothing was recorded",
        "1. ",
        "2. ",
        "3. What was order",
        "Try next:",
    ] {
        assert!(run.stdout.contains(text), "{text:?} is not in {}", run.stdout);
    }
    let from = run.stdout.find("Try next:").expect("what to try");
    let offered: Vec<&str> =
        run.stdout[from..].lines().map(str::trim).filter(|l| l.starts_with("factum ")).collect();
    assert!(offered.len() >= 6, "{offered:?}");
    for line in offered.iter().filter(|line| !line.starts_with("factum serve")) {
        let script = line.replacen("factum", crate::harness::BINARY, 1);
        let shell = std::process::Command::new("sh").args(["-c", &script]).output();
        let run = crate::harness::Run::from(shell.expect("a shell")).ok();
        assert!(run.stdout.lines().count() > 1, "{line} says {:?}", run.stdout);
    }
}

#[test]
fn a_malformed_actions_file_names_line_and_field_and_changes_nothing() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("data");
    let file: PathBuf = home.path().join("mine.jsonl");
    let good = rows("actions.jsonl")[0].to_string();
    let attempt = |text: &str| {
        std::fs::write(&file, text).expect("it is written");
        let file = file.to_str().expect("a path");
        factum_in(&dir, &["demo", "--actions", file])
    };
    attempt(&format!("{good}\n{{\"task\":\"t\"}}\n")).exits(2).says(&[
        "mine.jsonl",
        "line 2",
        "`step`",
    ]);
    attempt(&good.replace("\"order_id\"", "\"order\""))
        .exits(2)
        .says(&["line 1", "arguments.order"]);
    attempt(&good.replace("return_delivered", "dance")).exits(2).says(&["line 1", "name", "dance"]);
    factum_in(&dir, &["demo", "--actions", "nowhere.jsonl"]).exits(4).says(&["nowhere.jsonl"]);
    assert!(!dir.exists());
}

#[test]
fn a_file_of_actions_can_be_added_to() {
    let dir = demo_data();
    let before = head(dir.path());
    let file = dir.path().join("mine.jsonl");
    let action = json!({
        "task": "mine", "step": 0, "user_id": "noah_brown_6181", "writes": true,
        "name": "cancel_pending_order", "arguments": { "order_id": "#W0", "reason": "no longer needed" },
    });
    let look = json!({
        "task": "mine", "step": 1, "user_id": "noah_brown_6181", "writes": false,
        "name": "get_user_details", "arguments": { "user_id": "noah_brown_6181" },
    });
    std::fs::write(&file, format!("{action}\n\n{look}\n")).expect("it is written");
    let args = ["demo", "--json", "--actions", file.to_str().expect("a path"), "--dir"];
    let said = factum(args.iter().copied().chain(dir.path().to_str())).ok().json();
    assert_eq!(said["refused_by_reason"], json!({ "order not found": 1 }));
    assert_eq!((&said["lookups"], &said["actions"]), (&json!(1), &json!(2)));
    // A refusal is recorded too.
    assert_eq!(said["head"], json!(before.as_u64().expect("a number") + 1));
}
