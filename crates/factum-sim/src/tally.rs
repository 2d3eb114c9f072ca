//! [`Tally`]: how often each thing happened. A simulation that exercises nothing proves nothing.

use std::{collections::BTreeMap, fmt};

use factum_engine::machine::Fired;

/// How often each thing happened, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    pub(crate) fn add(&mut self, what: &'static str) {
        self.count(what, 1);
    }

    pub(crate) fn count(&mut self, what: &'static str, times: u64) {
        *self.0.entry(what).or_default() += times;
    }

    /// How often it happened.
    #[must_use]
    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }

    /// Adds what happened in another run.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(what, times)| self.count(what, *times));
    }

    pub(crate) fn fired(&mut self, fired: Fired) {
        self.count("fault: crash at a call", fired.crashes);
        self.count("fault: sync failed", fired.syncs);
        self.count("fault: write failed", fired.writes);
        self.count("fault: write in part", fired.short_writes);
        self.count("fault: read failed", fired.reads);
        self.count("fault: read ended early", fired.short_reads);
        self.count("fault: no room", fired.full);
        self.count("fault: sector lost", fired.sectors_lost);
        self.count("fault: file torn", fired.torn);
        self.count("fault: name lost", fired.names_lost);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, times)| writeln!(f, "{times:>12}  {what}"))
    }
}
