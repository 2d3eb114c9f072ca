//! `factum serve`: it says where it listens, answers, and ends when it is asked to.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{ChildStdout, Command, Stdio},
};

use serde_json::Value;

use crate::harness::{Running, command, factum_in};

/// A server on a free port.
pub(crate) struct Server {
    pub(crate) process: Running,
    pub(crate) address: String,
    /// What it said so far.
    pub(crate) said: String,
    stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts it and reads what it says until it has said everything.
    pub(crate) fn start(dir: &Path, args: &[&str]) -> Self {
        let mut command = command(["serve", "--listen", "127.0.0.1:0"]);
        Self::of(command.args(args).arg("--dir").arg(dir))
    }

    /// The same, by this command.
    fn of(command: &mut Command) -> Self {
        let mut process = Running::start(command.stdout(Stdio::piped()));
        let stdout = BufReader::new(process.0.stdout.take().expect("stdout is a pipe"));
        let mut server = Self { process, address: String::new(), said: String::new(), stdout };
        while !server.said.contains("Ctrl-C") {
            let mut line = String::new();
            let read = server.stdout.read_line(&mut line).expect("it speaks");
            assert!(read > 0, "it ended; it said {:?}", server.said);
            server.said.push_str(&line);
        }
        let from = server.said.find("http://").expect("it says where it listens") + "http://".len();
        let until = |c: char| c.is_whitespace() || c == '/';
        server.address = server.said[from..].split(until).next().unwrap_or_default().to_owned();
        server
    }

    /// What `curl -s` would show: the status and the body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        ask(&self.address, &format!("GET {path}"), "").expect("it answers")
    }

    /// The `curl` lines it offers.
    fn curl_lines(&self) -> Vec<&str> {
        self.said.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect()
    }
}

/// Posts JSON; `None` when the server is gone before it has answered.
pub(crate) fn post(address: &str, path: &str, json: &str) -> Option<(u16, String)> {
    ask(address, &format!("POST {path}"), json)
}

/// `what` is a method and a path; `None` when the server is gone before it has answered.
pub(crate) fn ask(address: &str, what: &str, body: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let length = body.len();
    let request = format!(
        "{what} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    // A client knows by the length whether it has all of an answer.
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let whole = length.and_then(|length| length.parse().ok()) == Some(body.len());
    whole.then(|| (status, body.to_owned()))
}

#[test]
fn the_demo_is_served_and_ends_gracefully_on_sigterm() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("data");
    let mut server = Server::start(&dir, &["--demo"]);
    let offered: Vec<String> = server.curl_lines().into_iter().map(str::to_owned).collect();
    assert_eq!(offered.len(), 3, "{}", server.said);
    for line in &offered {
        let url = line.split(['\'', ' ']).find(|word| word.contains("http://")).expect("a URL");
        let at = url.find(&server.address).expect("its own address") + server.address.len();
        let (status, body) = server.get(&url[at..]);
        assert_eq!(status, 200, "{line}: {body}");
        assert!(!body.is_empty(), "{line}");
    }
    server.process.signal("TERM");
    assert_eq!(server.process.0.wait().expect("it ends").code(), Some(0));
    let ledgers = factum_in(&dir, &["ledgers", "--json"]).ok().json();
    assert_eq!(ledgers["ledgers"][0]["name"], "retail");
}

#[test]
fn a_directory_that_is_served_says_by_whom_and_how_to_ask() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("data");
    factum_in(&dir, &["append", "--type", "a"]).ok();
    let server = Server::start(&dir, &[]);
    let pid = server.process.0.id().to_string();
    let said = [pid.as_str(), &server.address, "curl"];
    factum_in(&dir, &["read"]).exits(5).says(&said);
    factum_in(&dir, &["append", "--type", "b"]).exits(5).says(&said);
    let error: Value = factum_in(&dir, &["read", "--json"]).exits(5).json_error();
    assert_eq!(error["code"], "locked");
}

#[test]
fn an_address_that_is_taken_or_not_safe_is_said() {
    let home = tempfile::tempdir().expect("a directory");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let dir = home.path().join("data");
    let serve = |listen: &str| factum_in(&dir, &["serve", "--listen", listen]);
    serve(&address).exits(10).says(&[&address, "another port"]);
    serve("0.0.0.0:0").exits(2).says(&["0.0.0.0", "authentication", "127.0.0.1"]);
    serve("nowhere").exits(2).says(&["nowhere"]);
}

#[test]
fn log_lines_go_to_a_collector_as_they_go_to_stderr() {
    let home = tempfile::tempdir().expect("a directory");
    let collector = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("otlp_endpoint=http://{}", collector.local_addr().expect("an address"));
    // What is sent of spans is not looked at here.
    let (traces, debug) = ("OTEL_TRACES_SAMPLER", "log=debug");
    let mut command = command(["serve", "--listen", "127.0.0.1:0", "--set", &endpoint]);
    command.args(["--set", debug, "--dir"]).arg(home.path().join("data"));
    let server = Server::of(command.env(traces, "always_off"));
    assert_eq!(server.get("/nowhere").0, 404);
    let (mut stream, _) = collector.accept().expect("it comes");
    let (mut sent, mut bytes) = (Vec::new(), [0; 4_096]);
    while !String::from_utf8_lossy(&sent).contains("unknown-route") {
        let read = stream.read(&mut bytes).expect("it speaks");
        assert!(read > 0, "it ended; it sent {:?}", String::from_utf8_lossy(&sent));
        sent.extend_from_slice(&bytes[..read]);
    }
    assert!(String::from_utf8_lossy(&sent).contains("service.name"));
    // It never says that it has them: what is too much is dropped, and nobody waits for it.
    let dropped = || {
        let metrics = server.get("/metrics").1;
        let named = |line: &str| line.strip_prefix("factum_log_lines_dropped_total ")?.parse().ok();
        metrics.lines().find_map(named).unwrap_or(0_u64)
    };
    let mut asked = 0;
    while dropped() == 0 {
        for _ in 0..200 {
            assert_eq!(server.get("/nowhere").0, 404);
        }
        asked += 200;
        assert!(asked <= 10_000, "the queue is bounded");
    }
}
