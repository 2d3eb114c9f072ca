//! Each exit code, provoked: what is said, and what to try. The codes that need a broken disk get
//! one: a mount of its own, seen by the one process alone.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::json;

use crate::harness::{BINARY, Run, Running, command, factum, factum_fed, factum_in};

/// A directory with a few events, each with a payload that can be found on disk.
fn with_events() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a directory");
    for n in 1..=5 {
        let data = json!({ "text": format!("find-me-{n}") }).to_string();
        factum_in(dir.path(), &["append", "--type", "a", "--data", &data]).ok();
    }
    dir
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).expect("a directory").flatten() {
        match entry.path() {
            path if path.is_dir() => files.extend(files_below(&path)),
            path => files.push(path),
        }
    }
    files
}

#[test]
fn one_is_for_what_should_not_happen() {
    let dir = tempfile::tempdir().expect("a directory");
    factum_fed(dir.path(), &["append"], "{\"type\":\"a\"}\n".repeat(2_000).as_bytes()).ok();
    // Nobody listens there: the second write of the answer fails in a way that no disk does.
    let nobody = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.connect(nobody.local_addr().expect("an address")).expect("it is connected");
    drop(nobody);
    let mut read = command(["read", "--jsonl"]);
    read.env("FACTUM_DIR", dir.path()).stdout(std::os::fd::OwnedFd::from(socket));
    let output = read.output();
    Run::from(output.expect("the binary runs")).exits(1).says(&["can't write the output"]);
}

#[test]
fn four_is_for_what_is_not_there() {
    let dir = with_events();
    let nowhere = dir.path().join("nowhere");
    factum_in(&nowhere, &["read"]).exits(4).says(&["nowhere", "try:"]);
    assert!(!nowhere.exists(), "reading creates nothing");
    factum_in(dir.path(), &["read", "--ledger", "other"]).exits(4).says(&["other", "default"]);
    factum_in(dir.path(), &["append", "--ledger", "other", "--type", "a"])
        .exits(4)
        .says(&["other", "--create"]);
    let view = ["view", "orders", "--application", "shop"];
    factum_in(dir.path(), &view).exits(4).says(&["shop", "retail"]);
    let error =
        factum_in(dir.path(), &["read", "--ledger", "other", "--json"]).exits(4).json_error();
    assert_eq!((&error["code"], &error["exit"]), (&json!("not_found"), &json!(4)));
}

#[test]
fn five_is_for_a_directory_that_another_process_holds() {
    let dir = with_events();
    let mut follow = command(["subscribe"]);
    let mut follow = Running::start(follow.env("FACTUM_DIR", dir.path()).stdout(Stdio::piped()));
    let mut line = String::new();
    let stdout = follow.0.stdout.take().expect("stdout is a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("it has opened the directory");
    let pid = follow.0.id().to_string();
    factum_in(dir.path(), &["append", "--type", "a"]).exits(5).says(&[&pid, "try:"]);
    follow.kill();
    factum_in(dir.path(), &["append", "--type", "a"]).ok();
}

#[test]
fn six_is_for_a_directory_of_something_else() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("letter.txt"), "Dear Ann").expect("it is written");
    for args in [&["append", "--type", "a"][..], &["read"], &["demo", "--actions", "test"]] {
        factum_in(dir.path(), args).exits(6).says(&["not a data directory", "try:"]);
    }
    assert_eq!(files_below(dir.path()).len(), 1, "nothing was put beside it");
}

#[test]
fn six_is_also_for_a_directory_of_a_newer_version_which_stays_as_it_is() {
    let dir = with_events();
    let newer = "factum 1000\n";
    fs::write(dir.path().join("FORMAT"), newer).expect("it is written");
    for args in [&["append", "--type", "a"][..], &["read"], &["inspect"], &["verify"]] {
        factum_in(dir.path(), args).exits(6).says(&["format 1000", "newer"]);
    }
    let kept = fs::read_to_string(dir.path().join("FORMAT"));
    assert_eq!(kept.expect("it is there"), newer);
}

#[test]
fn g10_seven_is_for_a_damaged_byte_and_names_its_place() {
    let dir = with_events();
    let (file, offset) = find(dir.path(), b"find-me-2");
    let mut bytes = fs::read(&file).expect("it can be read");
    bytes[offset] ^= 1;
    fs::write(&file, bytes).expect("it can be written");
    let name = file.file_name().expect("a name").to_string_lossy().into_owned();
    for args in [&["verify"][..], &["read", "--jsonl"]] {
        let run = factum_in(dir.path(), args).exits(7).says(&[&name, "at byte", "position"]);
        assert!(!run.stdout.contains("gind"), "what is damaged is not served");
    }
    let error = factum_in(dir.path(), &["verify", "--json"]).exits(7).json_error();
    assert_eq!(error["code"], "damaged");
}

/// The first file below `dir` that has these bytes, and where.
fn find(dir: &Path, bytes: &[u8]) -> (PathBuf, usize) {
    let place = |path: PathBuf| {
        let content = fs::read(&path).expect("it can be read");
        let at = content.windows(bytes.len()).position(|window| window == bytes)?;
        Some((path, at))
    };
    files_below(dir).into_iter().find_map(place).expect("the payload is in a file")
}

/// Runs a shell script with mounts of its own; `None`, loudly, where that is not permitted.
pub(crate) fn with_mounts(script: &str, dir: &Path) -> Option<Run> {
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "sh", "-ec", script]);
        command.env("DIR", dir).env("FACTUM", BINARY).env_remove("FACTUM_DIR").output()
    };
    let permitted = unshare("mount -t tmpfs none \"$DIR\"");
    match permitted {
        Ok(output) if output.status.success() => {
            Some(unshare(script).expect("it ran a moment ago").into())
        }
        refused => {
            println!("SKIPPED: this machine permits no mounts: {refused:?}");
            None
        }
    }
}

#[test]
fn eight_is_for_a_full_disk() {
    let dir = tempfile::tempdir().expect("a directory");
    let script = "mount -t tmpfs -o size=64k none \"$DIR\"
        for n in 1 2 3 4 5 6 7 8; do
          head -c 20000 /dev/zero | tr '\\0' x | sed 's/.*/{\"type\":\"a\",\"data\":\"&\"}/' |
            \"$FACTUM\" append --dir \"$DIR\" || exit $?
        done";
    if let Some(run) = with_mounts(script, dir.path()) {
        run.exits(8).says(&["no room", "try:"]);
    }
}

#[test]
fn nine_is_for_a_directory_that_can_not_be_written() {
    let dir = with_events();
    let mount = "mount --bind \"$DIR\" \"$DIR\"; mount -o remount,bind,ro \"$DIR\"; ";
    let read_only = |args: &str| {
        with_mounts(&format!("{mount} exec \"$FACTUM\" {args} --dir \"$DIR\""), dir.path())
    };
    if let Some(run) = read_only("append --type a") {
        run.exits(9).says(&["can't be written", "try:"]);
        let events = read_only("read --jsonl").expect("it was permitted").ok().json_lines();
        assert_eq!(events.len(), 5);
        read_only("inspect").expect("it was permitted").ok();
        read_only("verify").expect("it was permitted").ok();
        read_only("ledgers").expect("it was permitted").ok();
    }
}

#[test]
fn for_people_an_error_is_one_line_what_and_one_line_what_to_try() {
    let dir = with_events();
    let runs = [
        factum_in(dir.path(), &["read", "--ledger", "other"]),
        factum_in(dir.path(), &["view", "orders", "--application", "shop"]),
        factum_in(
            dir.path(),
            &["append", "--type", "a", "--stream", "s", "--expect-revision", "7"],
        ),
        factum_fed(dir.path(), &["append"], b"{"),
        factum(["demo", "--actions", "nowhere.jsonl"]),
    ];
    for run in runs {
        let lines: Vec<_> = run.stderr.lines().collect();
        assert_eq!(lines.len(), 2, "{}", run.stderr);
        assert!(lines[0].starts_with("factum: "), "{}", run.stderr);
        assert!(lines[1].starts_with("  try: "), "{}", run.stderr);
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn a_reader_that_has_seen_enough_ends_a_read_quietly() {
    let dir = tempfile::tempdir().expect("a directory");
    let lines =
        "{\"type\":\"a\",\"data\":\"0123456789012345678901234567890123456789\"}\n".repeat(4_000);
    factum_fed(dir.path(), &["append"], lines.as_bytes()).ok();
    let script = "\"$0\" read --jsonl --dir \"$1\" | head -1; echo \"${PIPESTATUS[0]}\"";
    let shell = Command::new("bash").args(["-c", script, BINARY]).arg(dir.path()).output();
    let run = Run::from(shell.expect("a shell")).ok();
    assert_eq!(run.stdout.lines().count(), 2);
    assert_eq!(run.stdout.lines().last(), Some("0"));
    assert_eq!(run.stderr, "");
}
