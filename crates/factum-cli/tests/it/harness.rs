//! Runs the binary and looks at what it wrote and how it ended.

use std::{
    ffi::OsStr,
    io::Write,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::Value;

/// How a run ended.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// It did what was asked.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.exits(0)
    }

    /// It ended with this code.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }

    /// What it said on stderr contains all of these.
    #[track_caller]
    pub(crate) fn says(self, texts: &[&str]) -> Self {
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is not in {:?}", self.stderr);
        }
        self
    }

    /// The JSON document on the last line of stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let last = self.stdout.lines().last().expect("there is a line on stdout");
        serde_json::from_str(last).unwrap_or_else(|e| panic!("{last:?} is not JSON: {e}"))
    }

    /// The JSON documents on all lines of stdout.
    #[track_caller]
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{line:?} is not JSON: {e}"))
        };
        self.stdout.lines().map(parse).collect()
    }

    /// The JSON error on stderr.
    #[track_caller]
    pub(crate) fn json_error(&self) -> Value {
        let document: Value = serde_json::from_str(self.stderr.trim())
            .unwrap_or_else(|e| panic!("{:?} is not one JSON document: {e}", self.stderr));
        document["error"].clone()
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).expect("stdout is text"),
            stderr: String::from_utf8(output.stderr).expect("stderr is text"),
        }
    }
}

/// The path of the binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_factum");

/// The binary with these arguments, in an environment that does not decide anything.
pub(crate) fn command(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
    let mut command = Command::new(BINARY);
    command.args(args).env_remove("FACTUM_DIR").stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn factum(args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Run {
    command(args).output().expect("the binary runs").into()
}

/// Runs it to its end in `dir` as its data directory.
pub(crate) fn factum_in(dir: &Path, args: &[&str]) -> Run {
    command(args).env("FACTUM_DIR", dir).output().expect("the binary runs").into()
}

/// The same with something on stdin.
pub(crate) fn factum_fed(dir: &Path, args: &[&str], input: &[u8]) -> Run {
    let mut child = command(args)
        .env("FACTUM_DIR", dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let input = input.to_vec();
    // The binary may end before it has read all of it; that is for the test to judge.
    let feeder = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let run = child.wait_with_output().expect("the binary ends").into();
    feeder.join().expect("the input was offered");
    run
}

/// A process that is killed, should the test end before it.
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Self {
        Self(command.spawn().expect("the binary starts"))
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) {
        self.0.kill().expect("the process can be killed");
        self.0.wait().expect("the process ends");
    }

    /// Asks it to end, with a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(sent.expect("kill runs").success(), "SIG{name} can't be sent to {pid}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Random numbers for tests, from a seed that the test prints (xorshift64*).
pub(crate) struct Random(u64);

impl Random {
    /// From `FACTUM_SEED`, or from this process's moment; printed either way.
    pub(crate) fn new(test: &str) -> Self {
        let seed = match std::env::var("FACTUM_SEED") {
            Ok(seed) => seed.parse().expect("FACTUM_SEED is a number"),
            Err(_) => {
                let now = std::time::UNIX_EPOCH.elapsed().expect("a clock after 1970");
                now.as_nanos() as u64 | 1
            }
        };
        println!("{test}: run again with FACTUM_SEED={seed}");
        Self(seed.max(1))
    }

    /// From a number that another one gave.
    pub(crate) fn from(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound
    }
}
