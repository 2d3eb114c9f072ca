//! Malformed input: each mistake is named by line, field and limit, and changes nothing.

use serde_json::json;

use crate::harness::{factum_fed, factum_in};

/// What stands on stdin, and what is said about it.
fn mistakes() -> Vec<(String, Vec<&'static str>)> {
    let tags: Vec<String> = (0..65).map(|n| format!("t:{n:03}")).collect();
    let long = "x".repeat(257);
    let large = "x".repeat((8 << 20) + 1);
    let good = "{\"type\":\"a.happened\"}\n";
    let second = |line: String| format!("{good}{line}\n");
    vec![
        (second("{".into()), vec!["line 2", "not a JSON object"]),
        (second("{}".into()), vec!["line 2", "type is missing"]),
        (second(json!({ "type": "" }).to_string()), vec!["line 2", "type", "empty"]),
        (second(json!({ "type": long }).to_string()), vec!["line 2", "type", "257", "256"]),
        (second(json!({ "type": "$command" }).to_string()), vec!["line 2", "type", "$"]),
        (
            second(format!(
                "{{\"type\":\"a\",\"data\":{}",
                "[".repeat(200) + &"]".repeat(200) + "}"
            )),
            vec!["line 2", "data", "recursion limit"],
        ),
        (second(json!({ "type": "a\u{7}" }).to_string()), vec!["line 2", "control character"]),
        (
            second(json!({ "type": "a", "tags": tags }).to_string()),
            vec!["line 2", "tags", "65", "64"],
        ),
        (
            second(json!({ "type": "a", "tags": [long] }).to_string()),
            vec!["line 2", "tag", "257", "256"],
        ),
        (
            second(json!({ "type": "a", "data": large }).to_string()),
            vec!["line 2", "data", "8388608"],
        ),
        (second(json!({ "type": "a", "actor": long }).to_string()), vec!["line 2", "actor", "256"]),
        (
            second(json!({ "type": "a", "tipe": 1 }).to_string()),
            vec!["line 2", "tipe", "not a field"],
        ),
        (second(json!({ "type": "a", "id": "x" }).to_string()), vec!["line 2", "id", "UUID"]),
        (good.repeat(4_097), vec!["line 4097", "4096 events"]),
        (String::new(), vec!["at least one event"]),
    ]
}

#[test]
fn each_mistake_on_stdin_is_named_and_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    factum_in(dir.path(), &["append", "--type", "first.happened"]).ok();
    for (input, said) in mistakes() {
        let run = factum_fed(dir.path(), &["append"], input.as_bytes()).exits(2).says(&said);
        assert_eq!(run.stderr.lines().count(), 2, "one line what, one line what to try");
    }
    let events = factum_in(dir.path(), &["read", "--jsonl", "--system"]).ok().json_lines();
    assert_eq!(events.len(), 1);
}

#[test]
fn a_mistake_in_the_options_is_found_before_the_directory_is_touched() {
    let dir = tempfile::tempdir().expect("a directory");
    let fresh = dir.path().join("fresh");
    for (args, said) in [
        (&["--type", "a", "--data", "{"][..], "--data is not JSON"),
        (&["--type", "a\n"], "control character"),
        (&["--type", "$command"], "--type begins with $"),
        (&["--type", "a", "--expect-revision", "none"], "--stream"),
        (&["--type", "a", "--stream", "s", "--expect-revision", "two"], "any, none, exists"),
        (&["--type", "a", "--no-match", "{\"tag\":[]}"], "unknown field `tag`"),
        (&["--type", "a", "--no-match-after", "1"], "--no-match"),
    ] {
        factum_in(&fresh, &[&["append"], args].concat()).exits(2).says(&[said]);
    }
    assert!(!fresh.exists());
}

#[test]
fn for_machines_a_mistake_is_one_json_document() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = factum_fed(dir.path(), &["append", "--json"], b"{\"type\":\"a\"}\n{}\n").exits(2);
    let error = run.json_error();
    assert_eq!(error["code"], "invalid");
    assert_eq!(error["exit"], 2);
    assert_eq!(error["detail"]["line"], 2);
    assert_eq!(run.stdout, "");
}
