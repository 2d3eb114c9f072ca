//! What is shipped for systemd and containers, held against the real binary: what it tells a service
//! manager, and that unit, settings and container file name what there is.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::harness::{BINARY, Run, Running, command, factum};

fn packaging() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging")
}

fn shipped(file: &str) -> String {
    fs::read_to_string(packaging().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// The socket that a service manager listens at.
struct Manager {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Manager {
    fn listening(home: &Path) -> Self {
        let path = home.join("notify");
        Self { socket: UnixDatagram::bind(&path).expect("a socket"), path }
    }

    /// What it is told next, as lines; beats of the watchdog apart.
    fn told(&self) -> Vec<String> {
        loop {
            let lines = self.told_all();
            if lines != ["WATCHDOG=1"] {
                return lines;
            }
        }
    }

    fn told_all(&self) -> Vec<String> {
        let mut message = [0; 4_096];
        let length = self.socket.recv(&mut message).expect("it is told something");
        let text = String::from_utf8(message[..length].to_vec()).expect("text");
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn a_service_manager_is_told_of_ready_reloading_alive_and_stopping() {
    let home = tempfile::tempdir().expect("a directory");
    let manager = Manager::listening(home.path());
    let mut serve = command(["serve", "--listen", "127.0.0.1:0", "--dir"]);
    serve.arg(home.path().join("data")).stdout(Stdio::piped());
    serve.env("NOTIFY_SOCKET", &manager.path).env("WATCHDOG_USEC", "100000");
    let mut server = Running::start(&mut serve);
    let ready = manager.told();
    assert_eq!(ready[0], "READY=1");
    let url = ready[1].strip_prefix("STATUS=serving on ").expect("where it serves");
    factum(["health", "--url", url]).ok();
    for _ in 0..3 {
        assert_eq!(manager.told_all(), ["WATCHDOG=1"]);
    }
    server.signal("HUP");
    let reloading = manager.told();
    assert_eq!(reloading[0], "RELOADING=1");
    let since = reloading[1].strip_prefix("MONOTONIC_USEC=").expect("since when");
    assert!(since.parse::<u64>().expect("a number") > 0);
    assert_eq!(manager.told(), ["READY=1"]);
    server.signal("TERM");
    assert_eq!(manager.told()[0], "STOPPING=1");
    assert_eq!(server.0.wait().expect("it ends").code(), Some(0));
}

#[test]
fn without_a_service_manager_nothing_is_told_and_a_manager_that_is_gone_does_no_harm() {
    let home = tempfile::tempdir().expect("a directory");
    let mut serve = command(["serve", "--listen", "127.0.0.1:0", "--json", "--dir"]);
    serve.arg(home.path().join("data")).stdout(Stdio::piped());
    serve.env("NOTIFY_SOCKET", home.path().join("nowhere"));
    let mut server = Running::start(&mut serve);
    let mut said = std::io::BufReader::new(server.0.stdout.take().expect("stdout is a pipe"));
    let mut line = String::new();
    std::io::BufRead::read_line(&mut said, &mut line).expect("it speaks");
    let said: serde_json::Value = serde_json::from_str(&line).expect("is JSON");
    factum(["health", "--ready", "--url", said["url"].as_str().expect("a URL")]).ok();
}

#[test]
fn health_finds_the_server_of_its_settings_and_says_when_there_is_none() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("data");
    let mut server = crate::serve::Server::start(&dir, &["--require-token"]);
    let listen = format!("listen={}", server.address);
    let url = format!("http://{}", server.address);
    factum(["health", "--set", &listen]).ok().stdout.contains(&url).then_some(()).expect("its URL");
    let port = server.address.rsplit(':').next().expect("a port");
    let any = format!("listen=0.0.0.0:{port}");
    let answer = factum(["health", "--ready", "--json", "--set", &any]).ok().json();
    assert_eq!(answer["status"], "ready");
    server.process.kill();
    factum(["health", "--set", &listen]).exits(10).says(&[&url, "can't be asked"]);
    factum(["health", "--set", "listen=127.0.0.1:0"]).exits(2).says(&["--url"]);
}

/// The values of a key of the unit.
fn unit_values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    lines.filter(|(name, _)| *name == key).map(|(_, value)| value).collect()
}

#[test]
fn the_unit_starts_what_there_is_with_settings_that_hold() {
    let unit = shipped("systemd/factum.service");
    let start = unit_values(&unit, "ExecStart");
    assert_eq!(start, ["/usr/bin/factum serve --config /etc/factum/factum.toml"]);
    let settings = packaging().join("factum.toml");
    let shown = command(["config", "--json", "--config"]).arg(&settings).output();
    let shown = Run::from(shown.expect("the binary runs")).ok().json();
    let value = |key: &str| {
        let all = shown["settings"].as_array().expect("a list");
        all.iter().find(|one| one["key"] == key).expect("a setting")["value"].clone()
    };
    assert_eq!((value("dir"), value("require_token")), ("/var/lib/factum".into(), true.into()));
    // What is commented out are settings too.
    let all = fs::read_to_string(&settings).expect("is there").replace("# listen", "\nlisten");
    let all: String = all
        .lines()
        .filter(|line| *line != "listen = \"127.0.0.1:2113\"")
        .map(|line| {
            let setting = line.strip_prefix("# ").filter(|rest| rest.contains(" = \""));
            format!("{}\n", setting.unwrap_or(line))
        })
        .collect();
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("factum.toml");
    fs::write(&file, all).expect("is written");
    let shown = command(["config", "--json", "--config"]).arg(&file).output();
    let shown = Run::from(shown.expect("the binary runs")).ok().json().to_string();
    assert!(shown.contains("/etc/factum/tls/server.key") && shown.contains("0.0.0.0"), "{shown}");
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        println!("SKIPPED: there is no systemd-analyze here");
        return;
    }
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("factum.service");
    // It looks whether the program is there.
    let unit = shipped("systemd/factum.service").replace("/usr/bin/factum", BINARY);
    fs::write(&file, unit).expect("is written");
    let analyze = |args: &[&str]| {
        let run = Command::new("systemd-analyze").args(args).arg(&file).output();
        Run::from(run.expect("it runs a moment ago"))
    };
    let verified = analyze(&["verify", "--man=no"]).ok();
    assert_eq!(verified.stderr, "");
    // 0 is shut off from everything, 100 may do anything; above 20 it fails.
    analyze(&["security", "--offline=true", "--threshold=20", "--no-pager"]).ok();
}

#[test]
fn the_container_file_starts_and_asks_what_there_is() {
    let file = shipped("container/Containerfile").replace("\\\n", " ");
    let lines = |word: &str| -> Vec<String> {
        let all = file.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
        all.map(|rest| rest.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    };
    let variables = lines("ENV");
    let pairs = variables[0].split(' ').filter_map(|pair| pair.split_once('='));
    let pairs: Vec<_> = pairs.collect();
    assert_eq!(pairs.len(), 5);
    assert_eq!(variables[1..], ["MALLOC_ARENA_MAX=2"], "docs/deployment.md says why");
    let mut config = command(["config", "--json"]);
    let shown = config.envs(pairs.iter().copied()).output().expect("the binary runs");
    let shown = Run::from(shown).ok().json();
    assert_eq!(shown["unused"], serde_json::json!([]), "each variable is a setting");
    for (name, value) in pairs {
        let from = format!("environment {name}");
        let all = shown["settings"].as_array().expect("a list");
        let one = all.iter().find(|one| one["from"] == from).expect("is a setting");
        assert_eq!(one["value"].to_string().trim_matches('"'), value);
    }
    // Without TLS the server does not start there, and says so.
    let home = tempfile::tempdir().expect("a directory");
    let mut serve = command(["serve", "--listen", "0.0.0.0:0", "--require-token", "--dir"]);
    let refused = serve.arg(home.path()).output().expect("the binary runs");
    Run::from(refused).exits(2).says(&["--tls-certificate"]);
    assert_eq!(lines("USER"), ["65532:65532"]);
    assert_eq!(lines("ENTRYPOINT"), ["[\"/usr/bin/factum\"]"]);
    let health = lines("HEALTHCHECK");
    assert!(health[0].ends_with("CMD [\"/usr/bin/factum\", \"health\"]"), "{health:?}");
    assert!(lines("FROM").iter().all(|image| image.contains(':')), "no image without a version");
}
