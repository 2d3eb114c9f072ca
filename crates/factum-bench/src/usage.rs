//! What processes took, from `/proc`, and what reached the disk, from `/sys`.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use anyhow::Result;

use crate::job::Usage;

/// What `/sys/dev/block/*/stat` counts in.
const SECTOR_BYTES: u64 = 512;

/// Clock ticks a second in `/proc/*/stat`; the same on every Linux that matters.
const TICKS: f64 = 100.0;

/// The sum over processes and their children, up to now. One that has ended counts as nothing.
pub(crate) fn usage(processes: &[u32]) -> Usage {
    let mut sum = Usage::default();
    for process in with_children(processes) {
        let text = |name: &str| fs::read_to_string(format!("/proc/{process}/{name}"));
        sum.cpu_seconds += cpu_seconds(&text("stat").unwrap_or_default());
        let status = text("status").unwrap_or_default();
        sum.peak_bytes += field(&status, "VmHWM:") * 1_024;
        sum.anonymous_bytes += field(&status, "RssAnon:") * 1_024;
    }
    sum
}

/// PostgreSQL has a process for each connection.
fn with_children(processes: &[u32]) -> Vec<u32> {
    let mut all = processes.to_vec();
    let listed = fs::read_dir("/proc").into_iter().flatten().flatten();
    let running = listed.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    all.extend(running.filter(|process| {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        processes.iter().any(|parent| field(&status, "PPid:") == u64::from(*parent))
    }));
    all
}

/// Bytes that ever reached the device under a directory, after everything was sent there. The
/// kernel's count for each process is of no use: it takes a whole folio for written when a byte of
/// it was.
pub(crate) fn device_bytes(dir: &Path) -> Result<u64> {
    rustix::fs::sync();
    let device = fs::metadata(dir)?.dev();
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    let stat = fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat"));
    let stat = stat.unwrap_or_default();
    let sectors = stat.split_whitespace().nth(6).and_then(|sectors| sectors.parse::<u64>().ok());
    Ok(sectors.unwrap_or_default() * SECTOR_BYTES)
}

impl Usage {
    /// What was taken since `before`; memory is as it is now.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            // A child that ended takes what it counted with it.
            cpu_seconds: (self.cpu_seconds - before.cpu_seconds).max(0.0),
            written_bytes: self.written_bytes.saturating_sub(before.written_bytes),
            ..self
        }
    }
}

/// User and system time: the 12th and 13th field after the name, which may hold spaces.
fn cpu_seconds(stat: &str) -> f64 {
    let after_name = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks =
        after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
    ticks.sum::<f64>() / TICKS
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}
