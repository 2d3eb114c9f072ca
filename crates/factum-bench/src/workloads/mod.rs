//! What is done, as a table: every workload with its unit, where it starts from and its goal.

mod append;
mod read;

use anyhow::{Result, bail};

use crate::{
    job::{Job, Measured},
    systems,
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
    /// More is better.
    RequestsPerSecond,
    /// More is better.
    EventsPerSecond,
    /// The median wait; less is better.
    Microseconds,
}

/// Where a measurement starts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// An empty directory.
    Fresh,
    /// The ledger that was filled before.
    Ledger,
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
}

/// The floor of a lone writer: the disk itself.
pub(crate) const FLOOR: &str = "floor";

#[derive(Clone, Copy, Debug)]
enum Task {
    Fill,
    Append(Append),
    Read(Asked),
}

/// How events are appended.
#[derive(Clone, Copy, Debug)]
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
#[derive(Clone, Copy, Debug)]
enum Asked {
    /// Everything, once.
    All,
    /// An order's stream, of about ten events.
    Stream,
    /// A customer, who has about ten events.
    Tag,
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

/// Bytes of data in an event, where nothing else is said.
pub(crate) const DATA_BYTES: usize = 256;

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
pub(crate) const FILL: Workload = row(
    "fill",
    "fills the ledger that is read",
    Unit::EventsPerSecond,
    Ground::Fresh,
    Task::Fill,
    None,
);

/// Every row, in order.
#[rustfmt::skip]
pub(crate) const ROWS: &[Workload] = {
    use Goal::{AtMost, Times};
    use Ground::{Fresh, Ledger};
    use Unit::{EventsPerSecond, Microseconds, RequestsPerSecond};
    &[
        row("append-1", "1 writer, 1 event a request", RequestsPerSecond, Fresh,
            append(1, 1, DATA_BYTES, 20_000), Some(Times(FLOOR, 0.9))),
        row("append-8", "8 writers, 1 event a request", RequestsPerSecond, Fresh,
            append(8, 1, DATA_BYTES, 80_000), Some(Times("tephra", 1.7))),
        row("append-64", "64 writers, 1 event a request", RequestsPerSecond, Fresh,
            append(64, 1, DATA_BYTES, 300_000), Some(Times("tephra", 2.0))),
        row("conditional-64", "64 writers, each guards its own tag", RequestsPerSecond, Fresh,
            guarded(64, 0, 300_000), Some(Times("tephra", 2.0))),
        row("batch-1000", "8 writers, 1,000 events a request", EventsPerSecond, Fresh,
            append(8, 1_000, DATA_BYTES, 800), Some(Times("tephra", 1.3))),
        row("scan", "the whole ledger, warm", EventsPerSecond, Ledger,
            Task::Read(Asked::All), Some(Times("tephra", 1.5))),
        row("read-tag", "one tag, warm, a random one each time", Microseconds, Ledger,
            Task::Read(Asked::Tag), Some(AtMost(3.0))),
        row("read-stream", "one stream, warm, a random one each time", Microseconds, Ledger,
            Task::Read(Asked::Stream), None),
        row("read-rare", "a rare tag: 20 events all over the ledger", Microseconds, Ledger,
            Task::Read(Asked::Rare), None),
        row("read-rare-hot", "the same AND a tag on every second event", Microseconds, Ledger,
            Task::Read(Asked::RareAndHot), Some(Goal::WithinTimesOf("read-rare", 2.0))),
        row("read-types", "two types of ten, and nothing else", EventsPerSecond, Ledger,
            Task::Read(Asked::Types), None),
    ]
};

pub(crate) fn workload(name: &str) -> Result<&'static Workload> {
    if name == FILL.name {
        return Ok(&FILL);
    }
    let found = ROWS.iter().find(|row| row.name == name);
    let Some(row) = found else { bail!("there is no workload {name}; --list names them") };
    Ok(row)
}

/// Does a job in this process.
pub(crate) fn perform(job: &Job) -> Result<Measured> {
    let workload = workload(&job.workload)?;
    let system = systems::kind(&job.system)?.open(&job.dir)?;
    let measured = match workload.task {
        Task::Fill => append::fill(&*system, job.events),
        Task::Append(how) => append::append(&*system, how, job),
        Task::Read(what) => read::read(&*system, what, job),
    };
    let mut measured = measured?;
    measured.value = match workload.unit {
        Unit::RequestsPerSecond => measured.requests as f64 / measured.seconds,
        Unit::EventsPerSecond => measured.events as f64 / measured.seconds,
        Unit::Microseconds => measured.waits.map_or(0.0, |waits| waits.p50),
    };
    system.close()?;
    Ok(measured)
}

/// The processes whose time, memory and bytes count.
fn processes() -> Vec<u32> {
    vec![std::process::id()]
}
