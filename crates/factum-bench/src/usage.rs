//! What processes took, from `/proc`.

use std::fs;

use crate::job::Usage;

/// Clock ticks a second in `/proc/*/stat`; the same on every Linux that matters.
const TICKS: f64 = 100.0;

/// The sum over processes, up to now. One that has ended counts as nothing.
pub(crate) fn usage(processes: &[u32]) -> Usage {
    let mut sum = Usage::default();
    for process in processes {
        let text = |name: &str| fs::read_to_string(format!("/proc/{process}/{name}"));
        let (stat, io, status) = (text("stat"), text("io"), text("status"));
        sum.cpu_seconds += cpu_seconds(&stat.unwrap_or_default());
        sum.written_bytes += field(&io.unwrap_or_default(), "write_bytes:");
        let status = status.unwrap_or_default();
        sum.peak_bytes += field(&status, "VmHWM:") * 1_024;
        sum.anonymous_bytes += field(&status, "RssAnon:") * 1_024;
    }
    sum
}

impl Usage {
    /// What was taken since `before`; memory is as it is now.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
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
