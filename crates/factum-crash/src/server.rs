//! The same over HTTP: the server's process is killed, and the writers live on here.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;

use crate::{
    child::Writers,
    line::Line,
    machine::PassedOver,
    target::Http,
    writers::{Round, Writer},
};

/// What writers to a server heard until it was killed.
pub(crate) fn killed(
    factum: Option<&Path>,
    writers: &Writers,
    random: &mut fastrand::Rng,
) -> anyhow::Result<Vec<Line>> {
    let (mut server, address) = start(factum, &writers.dir, &[])?;
    let (lines, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let say = |line| lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    let round = Round {
        number: writers.round,
        batches: writers.batches,
        again: &writers.again,
        stop: &stop,
        say: &say,
    };
    std::thread::scope(|scope| -> anyhow::Result<()> {
        for number in 0..writers.writers {
            let connection = Http::connect(&address)?;
            let writer = Writer::new(&round, number, connection);
            scope.spawn(|| writer.run());
        }
        std::thread::sleep(Duration::from_micros(random.u64(..60_000)));
        stop.store(random.bool(), Ordering::Relaxed);
        server.kill()?;
        server.wait()?;
        stop.store(true, Ordering::Relaxed);
        Ok(())
    })?;
    Ok(lines.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Starts the server on a free port; says where it listens.
pub(crate) fn start(
    factum: Option<&Path>,
    dir: &Path,
    more: &[&str],
) -> anyhow::Result<(Child, String)> {
    let factum = factum.map_or_else(beside, |path| Ok(path.to_owned()))?;
    let mut command = Command::new(&factum);
    command.args(["serve", "--json", "--listen", "127.0.0.1:0", "--dir"]).arg(dir).args(more);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let failed = || format!("starting {}", factum.display());
    let mut server = command.spawn().with_context(failed)?;
    let stdout = server.stdout.take().context("its standard output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let greeting: serde_json::Value = serde_json::from_str(&line).with_context(failed)?;
    let url = greeting["url"].as_str().and_then(|url| url.strip_prefix("http://"));
    Ok((server, url.context("a server without an address")?.to_owned()))
}

/// The program `factum` in the directory of this one.
fn beside() -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name("factum");
    let missing = "there is no program factum beside this one: build it, or name it with --factum";
    match path.exists() {
        true => Ok(path),
        false => Err(PassedOver(missing.to_owned()).into()),
    }
}
