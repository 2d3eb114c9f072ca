//! `factum stream` and `factum compact`, from begin to end.

use serde_json::{Value, json};

use crate::harness::{Random, Running, command, factum_fed, factum_in};

/// Many events of three streams, in more than one segment.
fn filled(dir: &std::path::Path) {
    let fill = "x".repeat(40_000);
    for _ in 0..5 {
        let lines: Vec<_> = (0..390)
            .map(|n| {
                let stream = format!("s-{}", n % 3);
                json!({ "type": "told", "stream": stream, "data": { "fill": fill } }).to_string()
            })
            .collect();
        factum_fed(dir, &["append"], lines.join("\n").as_bytes()).ok();
    }
}

fn shown(dir: &std::path::Path, stream: &str) -> Value {
    factum_in(dir, &["stream", "show", stream, "--json"]).ok().json()
}

fn read(dir: &std::path::Path, args: &[&str]) -> usize {
    let args = [&["read", "--jsonl", "--limit", "5000"], args].concat();
    factum_in(dir, &args).ok().stdout.lines().count()
}

#[test]
fn streams_are_limited_deleted_and_ended_and_what_is_hidden_is_dropped() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    filled(dir);
    assert_eq!(shown(dir, "s-0")["state"], "live");
    assert_eq!(shown(dir, "s-0")["last_revision"], 649);
    assert_eq!(shown(dir, "other")["state"], "never_existed");

    factum_in(dir, &["stream", "set", "s-0", "--max-count", "5", "--data", "{\"owner\":\"ann\"}"])
        .ok();
    factum_in(dir, &["stream", "set", "s-0", "--max-age", "30d"]).ok();
    let said = shown(dir, "s-0");
    assert_eq!((&said["max_count"], &said["max_age_seconds"]), (&json!(5), &json!(2_592_000)));
    assert_eq!(
        (&said["data"], &said["metadata_revision"]),
        (&json!({ "owner": "ann" }), &json!(1))
    );
    assert_eq!(read(dir, &["--stream", "s-0"]), 5);
    factum_in(dir, &["stream", "truncate", "s-0", "--before", "648"]).ok();
    assert_eq!(read(dir, &["--stream", "s-0"]), 2);

    factum_in(dir, &["stream", "delete", "s-1"]).ok();
    assert_eq!(
        (shown(dir, "s-1")["state"].clone(), read(dir, &["--stream", "s-1"])),
        (json!("deleted"), 0)
    );
    factum_in(dir, &["append", "--type", "again", "--stream", "s-1", "--expect-revision", "none"])
        .ok();
    assert_eq!(
        (shown(dir, "s-1")["last_revision"].clone(), read(dir, &["--stream", "s-1"])),
        (json!(650), 1)
    );

    factum_in(dir, &["stream", "tombstone", "s-2"]).exits(2).says(&["--for-ever"]);
    factum_in(dir, &["stream", "tombstone", "s-2", "--for-ever"]).ok();
    let again = ["append", "--type", "told", "--stream", "s-2", "--json"];
    let error = factum_in(dir, &again).exits(3).json_error();
    assert!(error["message"].as_str().is_some_and(|text| text.contains("tombstone")), "{error}");

    let before = read(dir, &[]);
    let dry = factum_in(dir, &["compact", "--dry-run", "--json"]).ok().json();
    assert_eq!(read(dir, &[]), before, "a dry run changes nothing");
    let done = factum_in(dir, &["compact", "--compress", "--json"]).ok().json();
    let (dry, done) = (&dry["ledgers"][0], &done["ledgers"][0]);
    assert_eq!(done["dropped"], dry["dropped"]);
    let dropped = done["dropped"].as_u64().expect("a number");
    assert!(dropped > 500, "{done}");
    assert_eq!((read(dir, &[]) as u64) + dropped, before as u64);
    let bytes = |key: &str| done[key].as_u64().expect("a number");
    assert!(bytes("bytes_after") < bytes("bytes_before") / 10, "{done}");
    factum_in(dir, &["verify"]).ok();
    assert_eq!((read(dir, &["--stream", "s-0"]), read(dir, &["--stream", "s-1"])), (2, 1));
    let inspected = factum_in(dir, &["inspect", "--json"]).ok().json();
    assert_eq!(inspected["ledgers"][0]["segments"][0]["compressed"], true, "{inspected}");
    let text = factum_in(dir, &["compact"]).ok().stdout;
    assert!(text.contains("events dropped"), "{text}");
}

#[test]
fn a_compaction_that_is_killed_leaves_everything_that_is_visible() {
    let mut random = Random::new("a_compaction_that_is_killed");
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    filled(dir);
    factum_in(dir, &["stream", "delete", "s-1"]).ok();
    factum_in(dir, &["stream", "set", "s-2", "--max-count", "7"]).ok();
    let seen = || ["s-0", "s-1", "s-2"].map(|stream| read(dir, &["--stream", stream]));
    assert_eq!(seen(), [650, 0, 7]);
    for _ in 0..4 {
        let mut command = command(["compact", "--compress"]);
        let mut running = Running::start(command.env("FACTUM_DIR", dir));
        std::thread::sleep(std::time::Duration::from_millis(random.below(400)));
        running.kill();
        factum_in(dir, &["verify"]).ok();
        assert_eq!(seen(), [650, 0, 7]);
    }
    factum_in(dir, &["compact", "--compress"]).ok();
    let again = factum_in(dir, &["compact", "--json"]).ok().json();
    assert_eq!(again["ledgers"][0]["dropped"], 0, "{again}");
    assert_eq!(seen(), [650, 0, 7]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let dir = dir.path();
    factum_in(dir, &["append", "--type", "told", "--stream", "s"]).ok();
    factum_in(dir, &["stream", "set", "s"]).exits(2).says(&["nothing to set"]);
    factum_in(dir, &["stream", "set", "s", "--max-count", "0"]).exits(2).says(&["the least is 1"]);
    factum_in(dir, &["stream", "set", "s", "--max-age", "1w"]).exits(2).says(&["30d"]);
    factum_in(dir, &["stream", "set", "s", "--data", "{"]).exits(2).says(&["not JSON"]);
    factum_in(dir, &["stream", "delete", "$$s"]).exits(2).says(&["metadata of metadata"]);
    factum_in(dir, &["append", "--type", "told", "--stream", "$$s"]).exits(2).says(&["$metadata"]);
    factum_in(&dir.join("missing"), &["compact"]).exits(4);
}
