//! What one measuring process is told, and what it answers: one line of JSON each. A process of its
//! own for each measurement keeps processor time, memory and bytes written apart.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One workload on one system, once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The name of the workload.
    pub(crate) workload: String,
    /// The name of the system.
    pub(crate) system: String,
    /// Where the system keeps its data.
    pub(crate) dir: PathBuf,
    /// Where its server is asked; empty when it is embedded.
    pub(crate) address: String,
    /// Its server, whose time and memory count too.
    pub(crate) server: Option<u32>,
    /// How long its server took to start.
    pub(crate) server_start_ms: f64,
    /// Events in the ledger that is read.
    pub(crate) events: u64,
    /// Of the requests of a full run, this share.
    pub(crate) share: f64,
    /// Which round, so that no two rounds ask the same.
    pub(crate) round: u64,
}

impl Job {
    /// The processes whose time and memory count.
    pub(crate) fn processes(&self) -> Vec<u32> {
        [Some(std::process::id()), self.server].into_iter().flatten().collect()
    }
}

/// What came of it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// In the workload's unit.
    pub(crate) value: f64,
    /// Requests answered, refusals among them.
    pub(crate) requests: u64,
    /// Requests refused because their condition did not hold.
    pub(crate) refused: u64,
    /// Events written or read.
    pub(crate) events: u64,
    /// Bytes of data in the events that were written.
    pub(crate) payload_bytes: u64,
    /// From the first request to the last answer.
    pub(crate) seconds: f64,
    /// How long a caller waited.
    pub(crate) waits: Option<Waits>,
    /// What it took.
    pub(crate) usage: Usage,
}

/// Percentiles of the time from a request to its answer, in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Waits {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

/// What the system's processes took, of which the measuring process is one.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Usage {
    /// User and system time while the clock ran.
    pub(crate) cpu_seconds: f64,
    /// Bytes that reached the disk for what was done while the clock ran.
    pub(crate) written_bytes: u64,
    /// The most memory that was ever resident, mapped files included.
    pub(crate) peak_bytes: u64,
    /// Resident memory that is no file's, at the end.
    pub(crate) anonymous_bytes: u64,
}
