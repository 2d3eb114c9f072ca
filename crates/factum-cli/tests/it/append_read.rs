//! `append`, `read`, `subscribe` and `ledgers`: what was recorded is what is read.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::harness::{Running, command, factum_fed, factum_in};

fn positions(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["position"].as_u64().expect("a position")).collect()
}

#[test]
fn what_is_appended_is_read_back_byte_for_byte() {
    let dir = tempfile::tempdir().expect("a directory");
    let lines = "{\"type\":\"a\",\"data\":{\"n\": 1.50},\"tags\":[\"k:2\",\"k:1\"],\"stream\":\"s-1\"}\n\
                 {\"type\":\"b\",\"metadata\":{\"m\":1},\"actor\":\"ann\"}\n";
    let appended = factum_fed(dir.path(), &["append", "--json"], lines.as_bytes()).ok().json();
    let receipt = &appended["receipt"];
    assert_eq!((&receipt["first"], &receipt["last"]), (&json!(1), &json!(2)));
    let run = factum_in(dir.path(), &["read", "--jsonl"]).ok();
    assert!(run.stdout.contains("{\"n\": 1.50}"), "{}", run.stdout);
    assert_eq!(run.stderr, "");
    let events = run.json_lines();
    assert_eq!(positions(&events), [1, 2]);
    assert_eq!(events[0]["tags"], json!(["k:1", "k:2"]));
    assert_eq!(events[0]["stream"], "s-1");
    assert_eq!(events[0]["revision"], 0);
    assert_eq!(events[1]["metadata"], json!({ "m": 1 }));
    assert_eq!(events[1]["actor"], "ann");
    assert_eq!(events[1]["id"], receipt["ids"][1]);
}

#[test]
fn read_takes_filters_ranges_directions_and_moments() {
    let dir = tempfile::tempdir().expect("a directory");
    let lines: String = (1..=9)
        .map(|n| {
            json!({ "type": if n % 2 == 1 { "odd" } else { "even" }, "tags": [format!("n:{n}")],
                         "stream": format!("s{}-x", n % 3) })
            .to_string()
                + "\n"
        })
        .collect();
    factum_fed(dir.path(), &["append"], lines.as_bytes()).ok();
    factum_in(dir.path(), &["append", "--type", "late"]).ok();
    let read = |args: &[&str]| {
        let args = [&["read", "--jsonl"], args].concat();
        positions(&factum_in(dir.path(), &args).ok().json_lines())
    };
    assert_eq!(read(&["--type", "odd"]), [1, 3, 5, 7, 9]);
    assert_eq!(read(&["--type", "odd", "--type", "even", "--after", "6", "--up-to", "8"]), [7, 8]);
    assert_eq!(read(&["--tag", "n:4"]), [4]);
    assert_eq!(read(&["--stream", "s0-x"]), [3, 6, 9]);
    assert_eq!(read(&["--category", "s1"]), [1, 4, 7]);
    assert_eq!(read(&["--backward", "--limit", "2"]), [10, 9]);
    assert_eq!(read(&["--as-of", "2"]), [1, 2]);
    let events = factum_in(dir.path(), &["read", "--jsonl"]).ok().json_lines();
    let ninth = events[8]["recorded_at"].as_str().expect("a time");
    assert_eq!(read(&["--as-of", ninth]), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert_eq!(read(&["--as-of", "1970-01-01T00:00:00Z"]), [0; 0]);
}

#[test]
fn a_table_shows_some_and_says_how_to_go_on() {
    let dir = tempfile::tempdir().expect("a directory");
    factum_fed(dir.path(), &["append"], "{\"type\":\"a\"}\n".repeat(60).as_bytes()).ok();
    let run =
        factum_in(dir.path(), &["read"]).ok().says(&["50 events", "head is at 60", "--after 50"]);
    assert!(run.stdout.contains("position"), "{}", run.stdout);
    assert!(!run.stdout.contains('\u{1b}'), "no colours outside a terminal");
    let page = factum_in(dir.path(), &["read", "--json", "--after", "50"]).ok().json();
    assert_eq!(page["events"].as_array().expect("events").len(), 10);
    assert_eq!((&page["head"], &page["more"]), (&json!(60), &Value::Null));
}

#[test]
fn g5_the_same_key_gives_the_first_receipt_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let append = |text: &str| {
        let data = json!({ "text": text }).to_string();
        let args = ["append", "--type", "a", "--data", &data, "--key", "k1", "--json"];
        factum_in(dir.path(), &args)
    };
    let first = append("x").ok().json();
    let again = append("x").ok().json();
    assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
    assert_eq!(first["receipt"], again["receipt"]);
    let other = append("y").exits(3).json_error();
    assert!(other["message"].as_str().expect("text").contains("another request"), "{other}");
}

#[test]
fn g4_conditions_hold_or_nothing_is_appended() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = ["append", "--type", "placed", "--stream", "o-1", "--expect-revision"];
    let append = |expected: &str| factum_in(dir.path(), &[&place[..], &[expected]].concat());
    append("exists").exits(3);
    append("none").ok();
    append("none").exits(3).says(&["o-1 has no event", "read"]);
    append("1").exits(3);
    append("0").ok();
    let guarded = ["append", "--type", "x", "--no-match", "{\"types\":[\"placed\"]}"];
    factum_in(dir.path(), &guarded).exits(3).says(&["placed at 1", "placed at 2"]);
    let after = [&guarded[..], &["--no-match-after", "2"]].concat();
    factum_in(dir.path(), &after).ok();
    let conflict =
        factum_in(dir.path(), &[&guarded[..], &["--json"]].concat()).exits(3).json_error();
    assert_eq!(conflict["code"], "refused");
    assert_eq!(factum_in(dir.path(), &["read", "--jsonl"]).ok().json_lines().len(), 3);
}

#[test]
fn g6_subscribe_yields_each_event_once_and_ends_when_asked() {
    let dir = tempfile::tempdir().expect("a directory");
    factum_fed(dir.path(), &["append"], "{\"type\":\"a\"}\n".repeat(700).as_bytes()).ok();
    let args = ["subscribe", "--after", "10", "--until-caught-up"];
    let events = factum_in(dir.path(), &args).ok().json_lines();
    assert_eq!(positions(&events), (11..=700).collect::<Vec<_>>());
}

#[test]
fn ctrl_c_ends_a_subscription_cleanly() {
    let dir = tempfile::tempdir().expect("a directory");
    factum_in(dir.path(), &["append", "--type", "a"]).ok();
    let mut follow = command(["subscribe"]);
    let mut follow = Running::start(follow.env("FACTUM_DIR", dir.path()).stdout(Stdio::piped()));
    let stdout = follow.0.stdout.take().expect("stdout is a pipe");
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .expect("the event is shown while it waits for more");
    follow.signal("INT");
    assert_eq!(follow.0.wait().expect("it ends").code(), Some(0));
}

#[test]
fn ledgers_are_created_and_listed() {
    let dir = tempfile::tempdir().expect("a directory");
    factum_in(dir.path(), &["append", "--type", "a"]).ok();
    factum_in(dir.path(), &["ledgers", "--create", "second"]).ok();
    factum_in(dir.path(), &["ledgers", "--create", "second"]).ok();
    let listed = factum_in(dir.path(), &["ledgers", "--json"]).ok().json();
    let named: Vec<_> = listed["ledgers"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|ledger| (ledger["name"].clone(), ledger["head"]["position"].clone()))
        .collect();
    assert_eq!(named, [(json!("default"), json!(1)), (json!("second"), json!(0))]);
    factum_in(dir.path(), &["ledgers", "--create", "../x"]).exits(2);
}
