//! `factum doctor`: a machine that will do, and each way in which one will not.

use std::{fs, path::Path, process::Command};

use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::Value;

use crate::{
    exits::with_mounts,
    harness::{BINARY, Run, command, factum_in},
    serve::Server,
};

/// A directory on the disk that the tests are built on: the one for temporary files may be memory.
fn on_disk() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

fn doctor(dir: &Path, args: &[&str]) -> Run {
    let mut command = command(["doctor", "--json", "--syncs", "20"]);
    command.args(args).env("FACTUM_DIR", dir).env_remove("FACTUM_URL");
    command.output().expect("the binary runs").into()
}

/// What was found by a check: its mark, and everything it said.
#[track_caller]
fn found(run: &Run, area: &str, check: &str) -> (String, String) {
    let document = run.json();
    let all = document["checks"].as_array().expect("a list");
    let one = all.iter().find(|one| one["area"] == area && one["check"] == check);
    let one = one.unwrap_or_else(|| panic!("there is no {area}: {check} in {document}"));
    (one["mark"].as_str().expect("a mark").to_owned(), one.to_string())
}

#[track_caller]
fn is_bad(run: &Run, area: &str, check: &str, says: &str) {
    let (mark, said) = found(run, area, check);
    assert_eq!(mark, "bad", "{said}");
    assert!(said.contains(says), "{said}");
    assert_eq!((run.code, &run.json()["healthy"]), (Some(1), &Value::Bool(false)));
    assert_eq!(run.stderr, "", "what is wrong is in the answer");
}

#[test]
fn a_machine_that_will_do_is_told_so_and_stays_as_it_was() {
    let home = on_disk();
    let dir = home.path().join("data");
    let before = doctor(&dir, &[]).ok();
    assert_eq!(found(&before, "data", "writable").0, "good");
    assert!(!dir.exists(), "looking makes nothing");
    factum_in(&dir, &["append", "--type", "a"]).ok();
    let names = || {
        let entries = fs::read_dir(&dir).expect("a directory").flatten();
        let mut names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    let there = names();
    let run = doctor(&dir, &[]).ok();
    assert_eq!(names(), there);
    assert_eq!(run.json()["healthy"], true);
    for (area, check) in [("data", "ledgers"), ("data", "others"), ("clock", "newest event")] {
        let (mark, said) = found(&run, area, check);
        assert_eq!(mark, "good", "{said}");
    }
    let (_, sync) = found(&run, "disk", "sync");
    for part in ["median", "p99 ", " of 20", "commits a second"] {
        assert!(sync.contains(part), "{sync}");
    }
    assert!(found(&run, "disk", "space").1.contains("free of"));
    let people = factum_in(&dir, &["doctor", "--syncs", "1"]).ok().stdout;
    for part in ["✓", "disk: space", "clock: monotonic", "limits: open files", "what to do"] {
        assert!(people.contains(part), "{people}");
    }
}

#[test]
fn a_directory_that_can_not_be_written_is_bad() {
    let home = on_disk();
    let file = home.path().join("letter");
    fs::write(&file, "Dear Ann").expect("is written");
    is_bad(&doctor(&file, &[]), "data", "writable", "is not a directory");
    is_bad(&doctor(Path::new("/proc/factum"), &[]), "data", "writable", "can't be written");
    let mount = "mount --bind \"$DIR\" \"$DIR\"; mount -o remount,bind,ro \"$DIR\"; ";
    let script = format!("{mount} exec \"$FACTUM\" doctor --json --syncs 5 --dir \"$DIR\"");
    if let Some(run) = with_mounts(&script, home.path()) {
        is_bad(&run, "data", "writable", "read-only");
        is_bad(&run, "disk", "file system", "read-only");
    }
    let script = "mount -t tmpfs none \"$DIR\"; exec \"$FACTUM\" doctor --json --dir \"$DIR\"";
    if let Some(run) = with_mounts(script, home.path()) {
        is_bad(&run, "disk", "file system", "memory");
        is_bad(&run, "disk", "file system", "tmpfs");
    }
}

#[test]
fn a_directory_of_something_else_or_of_a_newer_version_is_bad() {
    let home = on_disk();
    fs::write(home.path().join("letter"), "Dear Ann").expect("is written");
    is_bad(&doctor(home.path(), &[]), "data", "ledgers", "not a data directory");
    let dir = home.path().join("data");
    factum_in(&dir, &["append", "--type", "a"]).ok();
    fs::write(dir.join("FORMAT"), "factum 1000\n").expect("is written");
    is_bad(&doctor(&dir, &[]), "data", "ledgers", "format 1000");
}

#[test]
fn few_open_files_are_bad() {
    let home = on_disk();
    let script = "ulimit -n 64; exec \"$0\" doctor --json --syncs 1 --dir \"$1\"";
    let shell = Command::new("sh").args(["-ec", script, BINARY]).arg(home.path()).output();
    let run = Run::from(shell.expect("a shell"));
    is_bad(&run, "limits", "open files", "LimitNOFILE=8448");
}

/// A certificate and its key, good between two years, as settings.
fn certificate(home: &Path, from: i32, until: i32) -> String {
    let mut params = CertificateParams::new(vec!["localhost".into()]).expect("a name");
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    let key = KeyPair::generate().expect("a key");
    let made = params.self_signed(&key).expect("a certificate");
    let [cert, private, file] = ["c.pem", "k.pem", "factum.toml"].map(|name| home.join(name));
    fs::write(&cert, made.pem()).expect("is written");
    fs::write(&private, key.serialize_pem()).expect("is written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&private, mode).expect("is ours");
    let settings = format!("tls.certificate = {cert:?}\ntls.key = {private:?}\n");
    fs::write(&file, settings).expect("is written");
    file.to_str().expect("text").to_owned()
}

#[test]
fn a_certificate_that_has_expired_and_a_key_that_all_may_read_are_bad() {
    let home = on_disk();
    let dir = home.path().join("data");
    let good = doctor(&dir, &["--config", &certificate(home.path(), 2020, 4090)]).ok();
    let (mark, said) = found(&good, "tls", "certificate");
    assert_eq!(mark, "good");
    assert!(said.contains("good until 4090-01-01T00:00:00Z"), "{said}");
    assert_eq!(found(&good, "tls", "private key").0, "good");
    let expired = doctor(&dir, &["--config", &certificate(home.path(), 2020, 2021)]);
    is_bad(&expired, "tls", "certificate", "it has expired: good until 2021-01-01T00:00:00Z");
    let early = doctor(&dir, &["--config", &certificate(home.path(), 4080, 4090)]);
    is_bad(&early, "tls", "certificate", "not good before 4080-01-01T00:00:00Z");
    let config = certificate(home.path(), 2020, 4090);
    let key = home.path().join("k.pem");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(&key, mode).expect("is ours");
    is_bad(&doctor(&dir, &["--config", &config]), "tls", "private key", "mode 644");
    let other = KeyPair::generate().expect("a key").serialize_pem();
    fs::write(&key, other).expect("is written");
    is_bad(&doctor(&dir, &["--config", &config]), "tls", "files", "of no use together");
}

#[test]
fn settings_that_no_server_takes_are_bad_and_the_rest_is_looked_at() {
    let home = on_disk();
    let file = home.path().join("factum.toml");
    fs::write(&file, "\nhearbeat = \"20ms\"\n").expect("is written");
    let file = file.to_str().expect("text");
    let run = doctor(home.path(), &["--config", file]);
    is_bad(&run, "settings", "read", "factum.toml:2");
    assert_eq!(found(&run, "data", "writable").0, "good");
    let run = doctor(home.path(), &["--set", "body_bytes_max=1GiB"]);
    is_bad(&run, "settings", "together", "bodies_bytes_max");
    let run = doctor(home.path(), &["--set", "listen=0.0.0.0:2113"]);
    is_bad(&run, "settings", "together", "without TLS");
    let run = doctor(home.path(), &["--set", "disk_free_bytes_min=1000000GiB"]);
    is_bad(&run, "disk", "space", "never be ready");
}

#[test]
fn a_server_is_asked_and_one_that_is_not_there_is_bad() {
    let home = on_disk();
    let dir = home.path().join("data");
    let mut server = Server::start(&dir, &[]);
    let url = format!("http://{}", server.address);
    let run = doctor(&dir, &["--url", &url]).ok();
    let (mark, said) = found(&run, "server", "ready");
    assert_eq!(mark, "good", "{said}");
    assert!(said.contains("1 ledger"), "{said}");
    server.process.kill();
    is_bad(&doctor(&dir, &["--url", &url]), "server", "ready", "can't be asked");
}
