//! What the machine has for the server: room on its disk, and file descriptors.

use std::path::Path;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The room where a directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    /// Bytes that may still be written.
    pub(crate) free: u64,
    pub(crate) bytes: u64,
}

impl Disk {
    /// Where this directory is; nothing when the system does not say.
    pub(crate) fn of(dir: &Path) -> Option<Self> {
        let found = rustix::fs::statvfs(dir).ok()?;
        let block = found.f_frsize;
        let bytes = |blocks: u64| blocks.saturating_mul(block);
        Some(Self { free: bytes(found.f_bavail), bytes: bytes(found.f_blocks) })
    }
}

/// How many files the process may have open; nothing when there is no limit.
pub(crate) fn files_max() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// Files that are kept for everything but connections: segments, views, the log.
const FILES_KEPT: u64 = 256;

/// How many connections there may be, of those that are wanted. The process takes as many files as
/// the system lets it take: what it is given without asking is often less.
pub(crate) fn connections(wanted: usize) -> usize {
    let now = getrlimit(Resource::Nofile);
    // Without permission it stays as it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
    let Some(files) = files_max() else { return wanted };
    // Half of a small number: the ledgers need theirs.
    let most = files.saturating_sub(FILES_KEPT).max(files / 2).max(1);
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if most < wanted {
        tracing::warn!(
            connections = most,
            wanted,
            files,
            "fewer connections than connections_max says: the process may open no more files; \
             raise its limit (LimitNOFILE, ulimit -n)"
        );
    }
    wanted.min(most)
}
