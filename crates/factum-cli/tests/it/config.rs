//! The settings of `factum serve`: a file, the environment, flags, and what `factum config` shows.

use std::fs;

use serde_json::{Value, json};

use crate::{
    harness::{command, factum},
    serve::{Server, post},
};

fn setting(document: &Value, key: &str) -> (Value, String) {
    let all = document["settings"].as_array().expect("a list");
    let found = all.iter().find(|setting| setting["key"] == key).expect("is a setting");
    (found["value"].clone(), found["from"].as_str().expect("text").to_owned())
}

#[test]
fn what_holds_is_shown_with_who_said_it() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("factum.toml");
    fs::write(&file, "# mine\nqueries_max = 7\npatience = \"3s\"\n").expect("is written");
    let mut config = command(["config", "--json", "--set", "streams_max=9", "--config"]);
    config.arg(&file).env("FACTUM_PATIENCE", "4s").env("FACTUM_DIR", "elsewhere");
    config.env("FACTUM_SERVICE_HOST", "10.0.0.1");
    let run: crate::harness::Run = config.output().expect("the binary runs").into();
    let shown = run.ok().json();
    let file = file.display();
    assert_eq!(setting(&shown, "queries_max"), (json!(7), format!("{file}:2")));
    assert_eq!(setting(&shown, "patience"), (json!("4s"), "environment FACTUM_PATIENCE".into()));
    assert_eq!(setting(&shown, "streams_max"), (json!(9), "flag --set streams_max=9".into()));
    assert_eq!(setting(&shown, "dir"), (json!("elsewhere"), "environment FACTUM_DIR".into()));
    assert_eq!(setting(&shown, "grace"), (json!("10s"), "default".into()));
    assert_eq!(shown["unused"], json!(["FACTUM_SERVICE_HOST"]));
}

#[test]
fn a_server_is_started_from_a_file_and_a_wrong_file_starts_none() {
    let home = tempfile::tempdir().expect("a directory");
    let (dir, file) = (home.path().join("data"), home.path().join("factum.toml"));
    let settings = "heartbeat = \"20ms\"\nhosts = [\"factum.example\"]\nlog_format = \"json\"\n";
    fs::write(&file, settings).expect("is written");
    let file = file.to_str().expect("text");
    let server = Server::start(&dir, &["--config", file]);
    assert_eq!(server.get("/ready").0, 200);
    drop(server);
    fs::write(file, "\nhearbeat = \"20ms\"\n").expect("is written");
    let dir = dir.to_str().expect("text");
    let run = factum(["serve", "--dir", dir, "--config", file]).exits(2);
    run.says(&["factum.toml:2", "hearbeat", "heartbeat", "try:"]);
    factum(["serve", "--config", "/nowhere.toml"]).exits(4).says(&["/nowhere.toml"]);
    factum(["serve", "--set", "log=nonsense=1=2"]).exits(2).says(&["log"]);
}

#[test]
fn files_of_events_are_as_long_as_was_set() {
    let home = tempfile::tempdir().expect("a directory");
    let (dir, text) = (home.path().join("data"), "x".repeat(40 << 10));
    let set = ["--set", "segment_bytes_max=64KiB", "--set", "index_cache_bytes=1MiB"];
    let server = Server::start(&dir, &set);
    let events = format!(r#"{{"events":[{{"type":"noted","data":"{text}"}}]}}"#);
    for _ in 0..4 {
        let answer = post(&server.address, "/v1/ledgers/default/events", &events);
        assert_eq!(answer.expect("it answers").0, 200);
    }
    drop(server);
    let files = fs::read_dir(dir.join("ledgers/default")).expect("a ledger");
    let paths = files.map(|file| file.expect("a file").path());
    let logs = paths.filter(|path| path.extension().is_some_and(|it| it == "log")).count();
    assert!(logs >= 4, "{logs} files of events: none has room for two of them");
    let dir = dir.to_str().expect("text");
    for length in ["4GiB", "1KiB"] {
        let set = format!("segment_bytes_max={length}");
        factum(["serve", "--dir", dir, "--set", &set]).exits(2).says(&["segment_bytes_max"]);
    }
}

#[test]
fn where_spans_go_is_said_by_a_setting_or_by_the_standard_variables() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().to_str().expect("text");
    let serve = |set: &[&str], variables: &[(&str, &str)]| -> crate::harness::Run {
        let mut serve = command(["serve", "--listen", "127.0.0.1:0", "--dir", dir]);
        serve.args(set).envs(variables.iter().copied());
        serve.output().expect("the binary runs").into()
    };
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "the collector over there");
    serve(&[], &[endpoint]).exits(2).says(&[endpoint.1, "otlp_endpoint", "try:"]);
    let set = ["--set", "otlp_endpoint=over here"];
    serve(&set, &[endpoint]).exits(2).says(&["over here"]);
    let http = ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf");
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
    serve(&[], &[endpoint, http]).exits(2).says(&["over gRPC", "4317"]);
}
