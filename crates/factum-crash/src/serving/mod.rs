//! A soak of the server: the real program under a mixed load, with readers that are slow and a
//! thousand connections that are idle, watched from outside (G11, G12).

mod idle;
mod judge;
mod load;
mod web;

use std::{
    path::Path,
    process::Child,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

use self::{
    judge::{Row, Seen},
    load::{LEDGER, Load},
    web::Web,
};
use crate::{places::Places, server, soak};

/// What is kept in memory up to a number of bytes is to be full within the first minute: from then on
/// whatever grows is a leak. And files of events end often.
const SERVE: &[&str] =
    &["--demo", "--set", "segment_bytes_max=16MiB", "--set", "index_cache_bytes=8MiB"];
/// Connections that ask nothing.
const IDLE: usize = 1_000;
/// Files that this process has open beside them.
const FILES_BESIDE: u64 = 200;
/// Whoever sends commands, appends, reads, follows, and follows slowly, over HTTP.
const COMMANDERS: usize = 4;
const APPENDERS: usize = 2;
const READERS: u64 = 8;
const FOLLOWERS: usize = 3;
const SLOW: usize = 16;
/// A soak that is shorter than this is only to see that nothing is wrong: it has a row for each third,
/// and says nothing of memory and latency.
const SHORTEST: f64 = 3.0;
/// How often the server is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(200);

/// Soaks the server for so many minutes.
pub(crate) fn run(minutes: f64, factum: Option<&Path>, places: &Places) -> anyhow::Result<()> {
    let home = places.make("soak-server")?;
    open_files()?;
    let (mut server, address) = server::start(factum, &home.dir, SERVE)?;
    let seen = watched(&mut server, address, minutes).with_context(|| home.keep());
    let ended = end(&mut server);
    let seen = seen?;
    ended.with_context(|| home.keep())?;
    seen.check().with_context(|| home.keep())?;
    match minutes < SHORTEST {
        true => println!("nothing was wrong; too short to tell how memory and latency are"),
        false => seen.check_figures().with_context(|| home.keep())?,
    }
    home.remove()
}

/// Idle connections are open files; what is given without asking is often too few.
fn open_files() -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let wanted = IDLE as u64 + FILES_BESIDE;
    ensure!(
        limit.maximum.is_none_or(|maximum| maximum >= wanted),
        "this process may have {:?} files open and needs {wanted}: raise ulimit -Hn",
        limit.maximum
    );
    let raised = limit.maximum.unwrap_or(wanted).max(wanted);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum: limit.maximum })?)
}

fn watched(server: &mut Child, address: String, minutes: f64) -> anyhow::Result<Seen> {
    let mut web = Web::connect(&address)?;
    let made = web.ask("POST /v1/ledgers", &format!(r#"{{"name":"{LEDGER}"}}"#))?;
    ensure!(made.status == 201, "{}", String::from_utf8_lossy(&made.body));
    let (rows, row) = match minutes < SHORTEST {
        true => (3, Duration::from_secs_f64(minutes * 20.0)),
        false => (minutes.round() as usize, Duration::from_secs(60)),
    };
    let watch =
        Watch { pid: server.id(), row, resident: AtomicU64::new(0), over: AtomicBool::new(false) };
    println!("{}", Row::HEAD);
    let (alone, load) = (Load::new(address.clone()), Load::new(address));
    std::thread::scope(|scope| {
        scope.spawn(|| watch.sample());
        let alone_row = std::thread::scope(|scope| {
            let alone = &alone;
            for number in 0..COMMANDERS {
                let who = format!("alone-{number}");
                scope.spawn(move || alone.work("commands", |load| load.commands(&who)));
            }
            let row = watch.row(alone);
            alone.end();
            row
        });
        let seen = alone_row.and_then(|alone_row| {
            println!("  alone {alone_row}");
            let rows = if alone.faults().is_empty() { rows } else { 0 };
            let (unread, rows) = mixed(&load, &watch, rows)?;
            let faults = [alone.faults(), load.faults()].concat();
            Ok(Seen { alone: alone_row, unread, rows, faults, idle: IDLE as u64 })
        });
        watch.over.store(true, Ordering::Relaxed);
        seen
    })
}

/// First everything but reads, then everything; what it came to minute by minute.
fn mixed(load: &Load, watch: &Watch, rows: usize) -> anyhow::Result<(Row, Vec<Row>)> {
    let seen = std::thread::scope(|scope| {
        scope.spawn(|| load.work("idle connections", |load| idle::keep(load, IDLE)));
        for number in 0..COMMANDERS {
            let who = format!("beside-{number}");
            scope.spawn(move || load.work("commands", |load| load.commands(&who)));
        }
        for _ in 0..APPENDERS {
            scope.spawn(|| load.work("appends", Load::appends));
            scope.spawn(|| load.work("appends over gRPC", Load::remote_appends));
        }
        for _ in 0..FOLLOWERS {
            scope.spawn(|| load.work("following", Load::follows));
        }
        scope.spawn(|| load.work("following over gRPC", Load::remote_follows));
        for _ in 0..SLOW {
            scope.spawn(|| load.work("following slowly", Load::follows_slowly));
        }
        let unread = watch.row(load).inspect(|row| println!(" unread {row}"));
        for seed in 0..READERS {
            scope.spawn(move || load.work("reads", |load| load.reads(seed)));
        }
        for seed in READERS..READERS + 2 {
            scope.spawn(move || load.work("reads over gRPC", |load| load.remote_reads(seed)));
        }
        let seen = unread.and_then(|unread| Ok((unread, minutes(load, watch, rows)?)));
        load.end();
        // Who follows over gRPC may wait for something to be told, and there is nobody left to append.
        load.work("the last append", Load::append_one);
        seen
    });
    if load.faults().is_empty() {
        let (head, recorded) = (load.head()?, load.recorded.load(Ordering::Relaxed));
        ensure!(head == recorded, "{recorded} events were acknowledged, and {head} are there");
    }
    seen
}

/// What it comes to minute by minute, until something is wrong.
fn minutes(load: &Load, watch: &Watch, rows: usize) -> anyhow::Result<Vec<Row>> {
    let mut seen = Vec::new();
    for minute in 1..=rows {
        let row = watch.row(load)?;
        println!("{minute:>7} {row}");
        seen.push(row);
        if !load.faults().is_empty() {
            break;
        }
    }
    Ok(seen)
}

/// The server, as it looks from outside.
struct Watch {
    pid: u32,
    /// How long a row is.
    row: Duration,
    /// Bytes resident at most since the last row.
    resident: AtomicU64,
    over: AtomicBool,
}

impl Watch {
    fn sample(&self) {
        while !self.over.load(Ordering::Relaxed) {
            if let Some(now) = soak::look(self.pid) {
                self.resident.fetch_max(now.resident, Ordering::Relaxed);
            }
            std::thread::sleep(SAMPLE_EVERY);
        }
    }

    /// Waits for a row's end, or for a fault.
    fn row(&self, load: &Load) -> anyhow::Result<Row> {
        let begun = Instant::now();
        while begun.elapsed() < self.row && load.faults().is_empty() {
            std::thread::sleep(SAMPLE_EVERY);
        }
        let connections = match load.faults().is_empty() {
            true => connections(&load.address)?,
            false => 0,
        };
        let files = others_open(self.pid)?.saturating_sub(connections);
        let resident = self.resident.swap(0, Ordering::Relaxed);
        Ok(Row { resident, files, connections, ..load.row() })
    }
}

/// What the server has open beside the files of its events, which grow with them.
fn others_open(pid: u32) -> anyhow::Result<u64> {
    let is_of_events = |target: &Path| {
        target.extension().is_some_and(|extension| extension == "log" || extension == "idx")
    };
    let open = std::fs::read_dir(format!("/proc/{pid}/fd"))?;
    let targets = open.flatten().filter_map(|open| std::fs::read_link(open.path()).ok());
    Ok(targets.filter(|target| !is_of_events(target)).count() as u64)
}

/// How many connections the server says that it has.
fn connections(address: &str) -> anyhow::Result<u64> {
    let metrics = Web::connect(address)?.ask("GET /metrics", "")?;
    let metrics = String::from_utf8(metrics.body)?;
    let line = metrics.lines().find_map(|line| line.strip_prefix("factum_connections "));
    let connections: f64 = line.context("metrics without connections")?.parse()?;
    Ok(connections as u64)
}

/// Asks the server to end, which it does in order.
fn end(server: &mut Child) -> anyhow::Result<()> {
    let pid = i32::try_from(server.id()).ok().and_then(Pid::from_raw).context("a process")?;
    kill_process(pid, Signal::TERM).context("asking the server to end")?;
    let ended = server.wait()?;
    ensure!(ended.success(), "the server ended with {ended}");
    Ok(())
}
