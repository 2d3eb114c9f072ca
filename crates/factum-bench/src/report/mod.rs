//! What is shown of the results.

mod picture;
mod table;

pub(crate) use picture::picture;
pub(crate) use table::{line, list, print};

use crate::{
    job::Measured,
    run::{Results, Rounds, Row},
    workloads::{Goal, Unit, Workload},
};

impl Rounds {
    /// The median of something over the rounds.
    pub(crate) fn median(&self, of: impl Fn(&Measured) -> f64) -> f64 {
        let mut values: Vec<f64> = self.rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = values.get(middle).copied().unwrap_or(f64::NAN);
        let lower = values.get(middle.saturating_sub(1)).copied().unwrap_or(upper);
        if values.len().is_multiple_of(2) { (lower + upper) / 2.0 } else { upper }
    }

    pub(crate) fn value(&self) -> f64 {
        self.median(|one| one.value)
    }
}

impl Row {
    pub(crate) fn value(&self, system: &str) -> Option<f64> {
        self.systems.iter().find(|of| of.system == system).map(Rounds::value)
    }
}

impl Results {
    /// Factum's own value of a row.
    fn own(&self, workload: &str) -> Option<f64> {
        self.rows.iter().find(|row| row.workload == workload)?.value("factum")
    }
}

impl Unit {
    pub(crate) fn more_is_better(self) -> bool {
        matches!(self, Self::RequestsPerSecond | Self::EventsPerSecond)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RequestsPerSecond => "requests/s",
            Self::EventsPerSecond => "events/s",
            Self::Microseconds => "µs, p50",
            Self::Milliseconds => "ms",
            Self::Mebibytes => "MiB",
            Self::BytesPerByte => "bytes/byte",
        }
    }

    /// How many times better `ours` is than `theirs`.
    pub(crate) fn times(self, ours: f64, theirs: f64) -> f64 {
        if self.more_is_better() { ours / theirs } else { theirs / ours }
    }
}

/// A goal in words, and whether it is reached; `None` when what it is measured by did not take part.
pub(crate) fn judged(
    workload: &Workload,
    row: &Row,
    results: &Results,
) -> Option<(String, Option<bool>)> {
    let ours = row.value("factum");
    match workload.goal? {
        Goal::Times(other, factor) => {
            let text = format!("{factor} × {other}");
            let theirs = row.value(other);
            let reached = ours.zip(theirs).map(|(o, t)| workload.unit.times(o, t) >= factor);
            Some((text, reached))
        }
        Goal::AtMost(limit) => {
            let text = format!("at most {limit} {}", workload.unit.name());
            Some((text, ours.map(|ours| ours <= limit)))
        }
        Goal::WithinTimesOf(other, factor) => {
            let limit = results.own(other).map(|value| value * factor);
            let text = format!("within {factor} × {other}");
            Some((text, ours.zip(limit).map(|(ours, limit)| ours <= limit)))
        }
        Goal::ShareOf(other, share) => {
            let least = results.own(other).map(|value| value * share);
            let text = format!("{share} × {other}");
            Some((text, ours.zip(least).map(|(ours, least)| ours >= least)))
        }
    }
}

/// The systems of a run, the floor before them.
fn columns(results: &Results) -> Vec<String> {
    let mut columns = vec![crate::workloads::FLOOR.to_owned()];
    columns.extend(results.systems.iter().cloned());
    columns
}
