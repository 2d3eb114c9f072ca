//! `factum backup`, `restore`, `repair`, and `verify` beside a server: what an operator does.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    harness::{Run, factum, factum_fed, factum_in},
    serve::{Server, post},
};

/// A directory with some events.
fn with_events(events: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    append(dir.path(), events);
    dir
}

fn append(dir: &Path, events: usize) {
    let line = "{\"type\":\"a\",\"stream\":\"s\",\"data\":{\"text\":\"0123456789\"}}\n";
    factum_fed(dir, &["append"], line.repeat(events).as_bytes()).ok();
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

fn backup(dir: &Path, to: &Path, more: &[&str]) -> Run {
    factum_in(dir, &[&["backup", text(to), "--json"], more].concat())
}

fn events(dir: &Path) -> Vec<Value> {
    factum_in(dir, &["read", "--jsonl"]).ok().json_lines()
}

#[test]
fn a_backup_is_read_checked_continued_and_restored() {
    let (dir, place) = (with_events(40), tempfile::tempdir().expect("a directory"));
    let (kept, restored) = (place.path().join("kept"), place.path().join("restored"));
    let first = backup(dir.path(), &kept, &["--verify"]).ok().json();
    assert_eq!((&first["ledgers"][0]["head"], &first["verified"]), (&json!(40), &json!(true)));
    assert_eq!(events(&kept), events(dir.path()), "a backup can be read");
    append(dir.path(), 2);
    let second = backup(dir.path(), &kept, &[]).ok().json();
    let more = second["copied"].as_u64().expect("a number");
    assert!(more > 0 && more < first["copied"].as_u64().expect("a number") / 4, "{second}");
    let checked = factum(["backup", "--check", text(&kept), "--json"]).ok().json();
    assert_eq!(checked["ledgers"][0]["head"], 42);
    let run = factum(["restore", text(&kept), "--dir", text(&restored), "--json"]).ok().json();
    assert_eq!(run["ledgers"][0]["head"], 42);
    assert_eq!(events(&restored), events(dir.path()));
    factum_in(&restored, &["verify"]).ok();
    append(&restored, 1);
    factum(["restore", text(&kept), "--dir", text(&restored)])
        .exits(2)
        .says(&["not empty", "try:"]);
    let earlier = place.path().join("earlier");
    let to = ["restore", text(&kept), "--dir", text(&earlier), "--to", "41", "--json"];
    // The last two were one batch.
    assert_eq!(factum(to).ok().json()["ledgers"][0]["head"], 40);
    factum_in(&kept, &["append", "--type", "a"]).exits(9).says(&["is a backup", "restore"]);
}

#[test]
fn beside_a_server_it_is_backed_up_and_verified() {
    let (dir, place) = (with_events(10), tempfile::tempdir().expect("a directory"));
    let server = Server::start(dir.path(), &[]);
    let body = "{\"events\":[{\"type\":\"a\",\"data\":{}}]}";
    let answer = post(&server.address, "/v1/ledgers/default/events", body);
    assert_eq!(answer.map(|(status, _)| status), Some(200), "it was recorded");
    let kept = place.path().join("kept");
    let report = backup(dir.path(), &kept, &[]).ok().json();
    // The ledger of who may what is kept, too.
    assert_eq!(report["ledgers"][0]["name"], "_access");
    assert_eq!(report["ledgers"][1]["head"], 11, "what was acknowledged is in it");
    let verified = factum_in(dir.path(), &["verify", "--json"]).ok().json();
    assert_eq!(verified["ledgers"][1]["events"], 11);
}

#[test]
fn what_is_no_backup_is_six_and_a_damaged_one_is_seven_with_the_file() {
    let (dir, place) = (with_events(20), tempfile::tempdir().expect("a directory"));
    let to = place.path().join("to");
    fs::write(place.path().join("letter.txt"), "Dear Ann").expect("it is written");
    backup(dir.path(), place.path(), &[]).exits(6);
    factum(["restore", text(dir.path()), "--dir", text(&to)]).exits(6).says(&["no backup", "try:"]);
    let kept = place.path().join("kept");
    backup(dir.path(), &kept, &[]).ok();
    let log = kept.join("ledgers/default/00000000000000000001.log");
    let mut bytes = fs::read(&log).expect("it can be read");
    let last = bytes.len() - 20;
    bytes[last] ^= 1;
    fs::write(&log, bytes).expect("it can be written");
    factum(["backup", "--check", text(&kept)]).exits(7).says(&["00000000000000000001.log"]);
    factum(["restore", text(&kept), "--dir", text(&to)])
        .exits(7)
        .says(&["00000000000000000001.log"]);
    factum(["read", "--dir", text(&to)]).exits(6);
}

#[test]
fn repair_builds_derived_files_again_and_leaves_logs_alone() {
    let dir = with_events(5);
    let ledger = dir.path().join("ledgers/default");
    let stray = ledger.join("00000000000000000001.idx");
    fs::write(&stray, "of nothing").expect("it is written");
    fs::create_dir_all(dir.path().join("snapshots/default")).expect("it is made");
    let before = fs::read(ledger.join("00000000000000000001.log")).expect("a log");
    let would = factum_in(dir.path(), &["repair", "--views", "--dry-run", "--json"]).ok().json();
    assert_eq!(would["ledgers"][0]["removed"].as_array().map(Vec::len), Some(2), "{would}");
    assert!(stray.exists() && dir.path().join("snapshots/default").exists());
    let did = factum_in(dir.path(), &["repair", "--views", "--json"]).ok().json();
    assert_eq!(did["ledgers"][0]["removed"], would["ledgers"][0]["removed"]);
    assert!(!stray.exists() && !dir.path().join("snapshots/default").exists());
    assert_eq!(fs::read(ledger.join("00000000000000000001.log")).expect("a log"), before);
    assert_eq!(events(dir.path()).len(), 5);
}
