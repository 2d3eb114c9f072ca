//! What is said of a soak: a row for each minute, and whether it was as it is to be. All of it is a
//! function of what was seen.

use std::fmt;

use anyhow::ensure;

/// Growth of memory that means nothing: what an allocator keeps differs from moment to moment.
const RESIDENT_SLACK: u64 = 16 << 20;
/// Files more that mean nothing: connections come and go while they are counted.
const FILES_SLACK: u64 = 20;
/// How much longer commands may take beside everything else.
const LONGER: u32 = 2;
/// Rows from which on something can be said of memory: the first is for warming up.
const ROWS_TO_JUDGE: usize = 3;

/// What happened in a minute.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    /// Microseconds that each command took.
    pub(super) took: Vec<u32>,
    pub(super) appends: u64,
    pub(super) reads: u64,
    /// Events that followers were told.
    pub(super) followed: u64,
    /// Requests that were answered with "busy".
    pub(super) busy: u64,
    /// Connections that were closed as documented, and opened again.
    pub(super) reopened: u64,
    /// Bytes that the server had resident at most.
    pub(super) resident: u64,
    /// Files that it had open at the end, beside its connections and those of events.
    pub(super) files: u64,
    /// Connections that it had, as it says.
    pub(super) connections: u64,
}

/// All that was seen.
pub(super) struct Seen {
    /// Commands with nothing beside them.
    pub(super) alone: Row,
    /// A minute of everything but reads: what of it all is due to them. Nothing is judged by it.
    pub(super) unread: Row,
    pub(super) rows: Vec<Row>,
    pub(super) faults: Vec<String>,
    pub(super) idle: u64,
}

impl Row {
    pub(super) const HEAD: &str = " minute  commands  p50 µs  p99 µs   reads  appends  followed  \
                                   busy  reopened  MiB  files  connections";

    /// What a share of the commands took at most.
    fn at(&self, share: f64) -> u32 {
        at(self.took.clone(), share)
    }
}

/// Of these, what a share is at most.
fn at(mut took: Vec<u32>, share: f64) -> u32 {
    took.sort_unstable();
    let at = (took.len() as f64 * share) as usize;
    took.get(at.min(took.len().saturating_sub(1))).copied().unwrap_or_default()
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>9} {:>7} {:>7} {:>7} {:>8} {:>9} {:>5} {:>9} {:>4} {:>6} {:>12}",
            self.took.len(),
            self.at(0.5),
            self.at(0.99),
            self.reads,
            self.appends,
            self.followed,
            self.busy,
            self.reopened,
            self.resident >> 20,
            self.files,
            self.connections,
        )
    }
}

impl Seen {
    /// Whether nothing was wrong, and nothing stood still.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let faults = self.faults.join("\n  ");
        ensure!(self.faults.is_empty(), "what is not documented was answered:\n  {faults}");
        for (number, row) in self.rows.iter().enumerate() {
            let counts = [row.took.len() as u64, row.reads, row.appends, row.followed];
            let minute = number + 1;
            ensure!(!counts.contains(&0), "something stood still in minute {minute}: {row}");
            let (has, idle) = (row.connections, self.idle);
            ensure!(has >= idle, "{has} connections, and {idle} were to be idle");
        }
        Ok(())
    }

    /// Whether memory stayed as it was after the first minute, and commands were as quick as they
    /// are to be. A short soak can't tell.
    pub(super) fn check_figures(&self) -> anyhow::Result<()> {
        let enough = self.rows.len() >= ROWS_TO_JUDGE;
        ensure!(enough, "the soak was too short to tell: {} minutes", self.rows.len());
        let (base, later) = (self.rows[1].resident, &self.rows[2..]);
        let most = later.iter().map(|row| row.resident).max().unwrap_or_default();
        let (alone, unread) = (self.alone.at(0.99), self.unread.at(0.99));
        let beside = self.beside();
        println!(
            "memory: {} MiB in the second minute, at most {} MiB later; p99 of commands: {alone} µs \
             alone, {unread} µs without reads, {beside} µs beside everything",
            base >> 20,
            most >> 20,
        );
        ensure!(most <= base + base / 10 + RESIDENT_SLACK, "memory grows");
        let (first, last) = (self.rows[1].files, later.last().map_or(0, |row| row.files));
        ensure!(last <= first + first / 4 + FILES_SLACK, "open files grow");
        ensure!(beside <= LONGER * alone, "commands take more than {LONGER} times as long");
        Ok(())
    }

    fn beside(&self) -> u32 {
        at(self.rows.iter().flat_map(|row| row.took.clone()).collect(), 0.99)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(took: u32, resident: u64) -> Row {
        Row {
            took: vec![took; 100],
            appends: 1,
            reads: 1,
            followed: 1,
            resident: resident << 20,
            files: 100,
            connections: 1_100,
            ..Row::default()
        }
    }

    fn seen(rows: Vec<Row>) -> Seen {
        Seen {
            alone: row(1_000, 50),
            unread: row(1_500, 50),
            rows,
            faults: Vec::new(),
            idle: 1_000,
        }
    }

    #[test]
    fn a_server_that_keeps_to_it_passes() {
        let good = seen(vec![row(1_900, 40), row(1_900, 100), row(1_900, 110), row(2_000, 125)]);
        good.check().expect("nothing is wrong");
        good.check_figures().expect("nothing grows");
    }

    #[test]
    fn what_grows_stands_still_or_is_late_is_noticed() {
        let leaks = (0..10).map(|minute| row(1_000, 100 + 8 * minute)).collect();
        let late = vec![row(2_100, 100); 4];
        let mut opens = vec![row(1_000, 100); 4];
        opens[3].files = 150;
        for (bad, said) in [(leaks, "memory"), (late, "take more"), (opens, "files")] {
            let error = seen(bad).check_figures().expect_err("is noticed").to_string();
            assert!(error.contains(said), "{error}");
        }
        assert!(seen(vec![row(1, 1); 2]).check_figures().is_err(), "too short to tell");
        let still = Row { reads: 0, ..row(1_000, 100) };
        assert!(seen(vec![row(1_000, 100), still]).check().is_err());
        let few = Row { connections: 999, ..row(1_000, 100) };
        assert!(seen(vec![few]).check().is_err());
        let faults = vec!["reads: 500: bug".to_owned()];
        let error = Seen { faults, ..seen(vec![row(1, 1)]) }.check().expect_err("is a fault");
        assert!(error.to_string().contains("500: bug"), "{error}");
    }
}
