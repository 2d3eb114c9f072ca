//! The real binary, serving a directory of its own on a free port until it is dropped.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;
use umadb_client::{AsyncUmaDbClient, UmaDbClient};

/// A server.
pub(crate) struct World {
    child: Child,
    pub(crate) url: String,
    dir: Option<TempDir>,
}

impl World {
    pub(crate) fn start() -> Self {
        Self::of(tempfile::tempdir().expect("a directory"))
    }

    fn of(dir: TempDir) -> Self {
        Self::within(dir, "", &[])
    }

    /// Of a directory within `dir`, with more arguments.
    pub(crate) fn within(dir: TempDir, data: &str, args: &[&str]) -> Self {
        let mut child = serve(&dir.path().join(data), args);
        let mut says = BufReader::new(child.stdout.take().expect("it speaks"));
        let mut line = String::new();
        says.read_line(&mut line).expect("it says where it is");
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("said {line:?}"));
        let url = said["url"].as_str().expect("its address").to_owned();
        Self { child, url, dir: Some(dir) }
    }

    /// A token for a directory that nobody serves yet.
    pub(crate) fn token(dir: &Path, name: &str, right: &str) -> String {
        let mut command = Command::new(binary());
        command.args(["token", "create", "--name", name, "--right", right, "--dir"]);
        let made = command.arg(dir).output().expect("the binary factum is built");
        let secret = String::from_utf8(made.stdout).expect("a secret");
        secret.trim().to_owned()
    }

    /// Ends it as a power cut of the process would, and starts it again on the same directory.
    pub(crate) fn restarted(mut self) -> Self {
        self.kill();
        Self::of(self.dir.take().expect("a directory"))
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn end_in_order(&mut self) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("is told");
        let ended = self.child.wait().expect("ends");
        assert!(ended.success(), "{ended}");
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub(crate) async fn client(&self) -> AsyncUmaDbClient {
        self.client_with(|client| client).await
    }

    pub(crate) async fn client_with(
        &self,
        change: impl FnOnce(UmaDbClient) -> UmaDbClient,
    ) -> AsyncUmaDbClient {
        let client = change(UmaDbClient::new(self.url.clone()));
        client.connect_async().await.expect("connects")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.kill();
    }
}

fn serve(dir: &Path, args: &[&str]) -> Child {
    let mut command = Command::new(binary());
    command.args(["--json", "serve", "--listen", "127.0.0.1:0", "--dir"]).arg(dir);
    command.args(args);
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.spawn().expect("the binary factum is built: cargo build --bin factum")
}

fn binary() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/factum");
    std::env::var_os("FACTUM").map_or(built, PathBuf::from)
}
