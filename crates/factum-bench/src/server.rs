//! Systems that are servers: started on a directory and a free port, ready before anything is
//! measured, stopped and waited for whatever happens.

use std::{
    fs::File,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

/// How long a server may take to be ready: one that repairs a large store is not slow but busy.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// How a server is started.
#[derive(Clone, Copy)]
pub(crate) struct Launch {
    /// The name of its program.
    pub(crate) program: &'static str,
    /// Where programs of it are kept that are not on the PATH.
    pub(crate) elsewhere: &'static [&'static str],
    /// What is done once, in an empty directory.
    pub(crate) prepare: fn(program: &Path, dir: &Path) -> Result<()>,
    /// The command that serves a directory on a port.
    pub(crate) command: fn(program: &Path, dir: &Path, port: u16) -> Command,
    /// What a client is told.
    pub(crate) address: fn(port: u16) -> String,
    /// What is to be done when the program is missing.
    pub(crate) missing: &'static str,
}

/// A server that runs until this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: String,
    /// From the start of its process until it took a connection.
    pub(crate) start: Duration,
}

impl Launch {
    /// The program: the one that was named, one on the PATH, or one elsewhere.
    pub(crate) fn find(&self, named: Option<&Path>) -> Result<PathBuf> {
        if let Some(named) = named {
            ensure!(named.is_file(), "there is no program {}", named.display());
            return Ok(named.to_owned());
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = std::env::split_paths(&path).chain(self.elsewhere.iter().map(PathBuf::from));
        let found = dirs.map(|dir| dir.join(self.program)).find(|program| program.is_file());
        found.with_context(|| format!("{} was not found; {}", self.program, self.missing))
    }

    /// Starts it and waits until it takes connections. What it says goes to a file beside its data.
    pub(crate) fn start(&self, program: &Path, dir: &Path) -> Result<Server> {
        if dir.read_dir()?.next().is_none() {
            (self.prepare)(program, dir)?;
        }
        let port = free_port()?;
        let says = dir.with_extension("log");
        let log = File::create(&says)?;
        let begin = Instant::now();
        let child = (self.command)(program, dir, port)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let address = (self.address)(port);
        let mut server = Server { child, address, start: Duration::ZERO };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let ended = server.child.try_wait()?;
            if ended.is_some() || begin.elapsed() > READY_WITHIN {
                let said = std::fs::read_to_string(&says).unwrap_or_default();
                bail!("{} did not get ready: {said}", program.display());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        server.start = begin.elapsed();
        Ok(server)
    }
}

impl Server {
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a power cut of the process would.
    pub(crate) fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        use rustix::process::{Pid, Signal, kill_process};
        // Both servers take this for a request to end in order.
        if let Some(process) = Pid::from_raw(self.child.id().cast_signed())
            && matches!(self.child.try_wait(), Ok(None))
        {
            let _ = kill_process(process, Signal::INT);
        }
        let _ = self.child.wait();
    }
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
