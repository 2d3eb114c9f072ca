//! What is done, as a table: every workload with its unit, where it starts from and its goal.

mod append;
mod follow;
mod read;
mod space;

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{
    events::SMALL_BYTES,
    job::{Job, Measured},
    systems::{self, Kind, System},
};

/// A row of the result.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) unit: Unit,
    pub(crate) ground: Ground,
    pub(crate) goal: Option<Goal>,
    task: Task,
}

/// What the value of a measurement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// More is better, as for the next; of all others less is.
    RequestsPerSecond,
    EventsPerSecond,
    /// The median wait.
    Microseconds,
    /// From the start until it can be asked.
    Milliseconds,
    /// The most memory that is no file's.
    Mebibytes,
    /// Bytes on disk for each byte of data.
    BytesPerByte,
}

/// Where a measurement starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// An empty directory.
    Fresh,
    /// The ledger that was filled before, and is not changed.
    Ledger,
    /// The same; it may be changed. These come last, and the ledger is not kept.
    Spent,
    /// The same, while somebody who appended was just killed.
    Killed,
}

/// What is to be reached.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// This many times what another system reaches in the same run.
    Times(&'static str, f64),
    /// At most this.
    AtMost(f64),
    /// At most this many times Factum's own value of another row.
    WithinTimesOf(&'static str, f64),
    /// At least this share of Factum's own value of another row.
    ShareOf(&'static str, f64),
}

/// The floor of a lone writer: the disk itself.
pub(crate) const FLOOR: &str = "floor";
/// Bytes of data in an event, where nothing else is said.
pub(crate) const DATA_BYTES: usize = 256;
/// A slow system does as many requests as it can in this time, at a full run's share.
const SECONDS_MAX: f64 = 10.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task {
    Fill,
    Append(Append),
    Read(Asked),
    Follow { followers: usize, requests: usize },
    Start,
    Memory,
    Disk,
    Compressed,
}

/// How events are appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Append {
    writers: usize,
    /// Events in a request.
    batch: usize,
    /// Bytes of data in an event.
    bytes: usize,
    /// Requests of a full round, over all writers.
    requests: usize,
    guard: Guarding,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guarding {
    None,
    /// Each writer guards its own tag; of a hundred requests so many rest on something outdated.
    Own {
        outdated_percent: u8,
    },
}

/// What is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    /// Everything, once.
    All,
    /// An order's stream, of about ten events.
    Stream,
    /// A customer, who has about ten events.
    Tag,
    /// The same, and nothing of it is in the page cache.
    TagCold,
    /// A voucher, which is on about twenty events all over the ledger.
    Rare,
    /// The same, and a tag that is on every second event.
    RareAndHot,
    /// Two types of ten.
    Types,
}

const fn append(writers: usize, batch: usize, bytes: usize, requests: usize) -> Task {
    Task::Append(Append { writers, batch, bytes, requests, guard: Guarding::None })
}

const fn guarded(writers: usize, outdated_percent: u8, requests: usize) -> Task {
    let guard = Guarding::Own { outdated_percent };
    Task::Append(Append { writers, batch: 1, bytes: DATA_BYTES, requests, guard })
}

const fn row(
    name: &'static str,
    about: &'static str,
    unit: Unit,
    ground: Ground,
    task: Task,
    goal: Option<Goal>,
) -> Workload {
    Workload { name, about, unit, ground, goal, task }
}

/// Fills the ledger that the reading workloads read. Not a row.
#[rustfmt::skip]
pub(crate) const FILL: Workload =
    row("fill", "fills the ledger", Unit::EventsPerSecond, Ground::Fresh, Task::Fill, None);

/// Appends until it is killed. Not a row.
#[rustfmt::skip]
pub(crate) const KILLED: Workload =
    row("killed", "appends, and is killed", Unit::RequestsPerSecond, Ground::Spent,
        append(8, 1, DATA_BYTES, 1_000_000), None);

/// Every row, in order.
#[rustfmt::skip]
pub(crate) const ROWS: &[Workload] = {
    use Goal::{AtMost, ShareOf, Times, WithinTimesOf};
    use Ground::{Fresh, Killed, Ledger, Spent};
    use Unit::{
        BytesPerByte, EventsPerSecond, Mebibytes, Microseconds, Milliseconds, RequestsPerSecond,
    };
    &[
        row("append-1", "1 writer, 1 event a request", RequestsPerSecond, Fresh,
            append(1, 1, DATA_BYTES, 20_000), Some(Times(FLOOR, 0.9))),
        row("append-8", "8 writers, 1 event a request", RequestsPerSecond, Fresh,
            append(8, 1, DATA_BYTES, 80_000), Some(Times("tephra", 1.7))),
        row("append-64", "64 writers, 1 event a request", RequestsPerSecond, Fresh,
            append(64, 1, DATA_BYTES, 300_000), Some(Times("tephra", 2.0))),
        row("append-256", "256 writers, 1 event a request", RequestsPerSecond, Fresh,
            append(256, 1, DATA_BYTES, 400_000), None),
        row("conditional-64", "64 writers, each guards its own tag", RequestsPerSecond, Fresh,
            guarded(64, 0, 300_000), Some(Times("tephra", 2.0))),
        row("conflicts-64", "the same, one request of ten in conflict", RequestsPerSecond, Fresh,
            guarded(64, 10, 300_000), Some(Times("tephra", 2.0))),
        row("batch-10", "8 writers, 10 events a request", EventsPerSecond, Fresh,
            append(8, 10, DATA_BYTES, 40_000), None),
        row("batch-100", "8 writers, 100 events a request", EventsPerSecond, Fresh,
            append(8, 100, DATA_BYTES, 6_000), None),
        row("batch-1000", "8 writers, 1,000 events a request", EventsPerSecond, Fresh,
            append(8, 1_000, DATA_BYTES, 800), Some(Times("tephra", 1.3))),
        row("batch-1000-small", "8 writers, 1,000 small events a request", EventsPerSecond, Fresh,
            append(8, 1_000, SMALL_BYTES, 4_000), None),
        row("payload-128", "8 writers, events of 128 bytes", RequestsPerSecond, Fresh,
            append(8, 1, 128, 80_000), None),
        row("payload-1k", "8 writers, events of 1 KiB", RequestsPerSecond, Fresh,
            append(8, 1, 1 << 10, 60_000), None),
        row("payload-16k", "8 writers, events of 16 KiB", RequestsPerSecond, Fresh,
            append(8, 1, 16 << 10, 12_000), None),
        row("follow-100", "100 subscribers at the head: from append to delivery", Microseconds,
            Fresh, Task::Follow { followers: 100, requests: 2_000 }, None),
        row("scan", "the whole ledger, warm", EventsPerSecond, Ledger,
            Task::Read(Asked::All), Some(Times("tephra", 1.5))),
        row("read-tag", "one tag, warm, a random one each time", Microseconds, Ledger,
            Task::Read(Asked::Tag), Some(AtMost(3.0))),
        row("read-tag-cold", "the same, the page cache dropped before", Microseconds, Ledger,
            Task::Read(Asked::TagCold), Some(Times("umadb", 1.0))),
        row("read-stream", "one stream, warm, a random one each time", Microseconds, Ledger,
            Task::Read(Asked::Stream), None),
        row("read-rare", "a rare tag: 20 events all over the ledger", Microseconds, Ledger,
            Task::Read(Asked::Rare), None),
        row("read-rare-hot", "the same AND a tag on every second event", Microseconds, Ledger,
            Task::Read(Asked::RareAndHot), Some(WithinTimesOf("read-rare", 2.0))),
        row("read-types", "two types of ten, and nothing else", EventsPerSecond, Ledger,
            Task::Read(Asked::Types), None),
        row("disk", "bytes on disk for each byte of data", BytesPerByte, Ledger,
            Task::Disk, Some(AtMost(1.3))),
        row("disk-compressed", "the same of a shop's own events, compressed", BytesPerByte, Fresh,
            Task::Compressed, Some(AtMost(0.4))),
        row("start-clean", "start-up after a clean stop", Milliseconds, Ledger,
            Task::Start, Some(AtMost(100.0))),
        row("start-killed", "start-up after kill -9 under load", Milliseconds, Killed,
            Task::Start, Some(AtMost(2_000.0))),
        row("memory", "memory beside the page cache, mixed load", Mebibytes, Spent,
            Task::Memory, Some(AtMost(256.0))),
        row("append-64-grown", "64 writers behind the whole ledger", RequestsPerSecond, Spent,
            append(64, 1, DATA_BYTES, 300_000), Some(ShareOf("append-64", 0.9))),
    ]
};

impl Workload {
    /// Whether a system can do this.
    pub(crate) fn suits(&self, kind: &Kind) -> bool {
        match self.task {
            Task::Follow { .. } => kind.follows,
            Task::Compressed => kind.compresses,
            _ => true,
        }
    }

    /// Whether it is about files alone, so that no server is started for it.
    pub(crate) fn is_about_files(&self) -> bool {
        self.task == Task::Disk
    }
}

pub(crate) fn workload(name: &str) -> Result<&'static Workload> {
    let rows = ROWS.iter().chain([&FILL, &KILLED]);
    let Some(row) = rows.into_iter().find(|row| row.name == name) else {
        bail!("there is no workload {name}; --list names them")
    };
    Ok(row)
}

/// Does a job in this process.
pub(crate) fn perform(job: &Job) -> Result<Measured> {
    let workload = workload(&job.workload)?;
    if workload.is_about_files() {
        return space::disk(job);
    }
    let begin = Instant::now();
    let system = systems::kind(&job.system)?.open(&job.dir, &job.address)?;
    let opened = begin.elapsed();
    let mut measured = on(&*system, workload, job, opened)?;
    match workload.unit {
        Unit::RequestsPerSecond => measured.value = measured.requests as f64 / measured.seconds,
        Unit::EventsPerSecond => measured.value = measured.events as f64 / measured.seconds,
        Unit::Microseconds => measured.value = measured.waits.map_or(0.0, |waits| waits.p50),
        // Known to the workload alone.
        Unit::Milliseconds | Unit::Mebibytes | Unit::BytesPerByte => {}
    }
    system.close()?;
    Ok(measured)
}

fn on(system: &dyn System, workload: &Workload, job: &Job, opened: Duration) -> Result<Measured> {
    match workload.task {
        Task::Fill => append::fill(system, job),
        Task::Append(how) => append::append(system, how, job),
        Task::Read(what) => read::read(system, what, job),
        Task::Follow { followers, requests } => follow::follow(system, followers, requests, job),
        Task::Start => space::start(system, job, opened),
        Task::Memory => space::memory(system, job),
        Task::Disk => space::disk(job),
        Task::Compressed => space::compressed(system, job),
    }
}
