//! [`Patience`]: how long the writer waits for a group to fill.
//!
//! Those who were answered a moment ago are likely to come back at once. To go without them is to
//! have them wait for two syncs instead of one. So the writer waits for as many as were here a
//! moment ago, at most for the time of one sync. One that comes alone is never kept waiting, and who
//! waited in vain waits less often.

use std::time::{Duration, Instant};

/// A group of so many shares its sync well enough.
const ENOUGH: usize = 16;
/// At most so many groups go without a wait before the next try.
const SKIP_MAX: u32 = 64;

/// What the writer waits for before it takes what waits.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) batches: usize,
    pub(crate) until: Instant,
}

/// Learns from the groups before.
#[derive(Default)]
pub(crate) struct Patience {
    /// What the next group would have if all came back.
    wanted: Option<Wanted>,
    /// How many were here with the last group.
    here: usize,
    /// How long a sync takes of late.
    sync: Duration,
    /// Groups until the next try.
    skip: u32,
    /// How many groups the last wait in vain has skipped.
    doubt: u32,
}

impl Patience {
    /// A group is about to be answered: `here` batches are in it or wait already. Its write and sync
    /// took so long.
    pub(crate) fn answering(&mut self, here: usize, sync: Duration) {
        // A slow one now and then is no reason to wait long.
        self.sync = if self.sync.is_zero() { sync } else { (self.sync * 7 + sync) / 8 };
        self.here = here;
        let until = Instant::now() + self.sync;
        self.wanted = (here > 1).then(|| Wanted { batches: here.min(ENOUGH), until });
    }

    /// Whether nobody else was here with the last one.
    pub(crate) fn was_alone(&self) -> bool {
        self.here <= 1
    }

    /// What to wait for; nothing when it is not worth it.
    pub(crate) fn wanted(&mut self) -> Option<Wanted> {
        let wanted = self.wanted.take()?;
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        Some(wanted)
    }

    /// How many were there in the end.
    pub(crate) fn came(&mut self, wanted: Wanted, came: usize) {
        self.doubt = if came >= wanted.batches { 0 } else { (self.doubt * 2 + 1).min(SKIP_MAX) };
        self.skip = self.doubt;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SYNC: Duration = Duration::from_micros(100);

    #[test]
    fn one_that_comes_alone_is_never_kept_waiting() {
        let mut patience = Patience::default();
        assert!(patience.wanted().is_none());
        patience.answering(1, SYNC);
        assert!(patience.wanted().is_none());
    }

    #[test]
    fn it_waits_for_those_who_were_here_for_no_longer_than_a_sync() {
        let mut patience = Patience::default();
        let before = Instant::now();
        patience.answering(8, SYNC);
        let wanted = patience.wanted().unwrap();
        assert_eq!(wanted.batches, 8);
        assert!(wanted.until <= Instant::now() + SYNC && wanted.until >= before + SYNC);
        patience.answering(1_000, SYNC);
        assert_eq!(patience.wanted().unwrap().batches, ENOUGH);
    }

    #[test]
    fn who_waited_in_vain_waits_less_often_and_not_never() {
        let mut patience = Patience::default();
        let mut tries = 0;
        for _ in 0..1_000 {
            patience.answering(8, SYNC);
            if let Some(wanted) = patience.wanted() {
                tries += 1;
                patience.came(wanted, 1);
            }
        }
        assert!((10..30).contains(&tries), "{tries} tries");
        // They are back.
        for _ in 0..=SKIP_MAX {
            patience.answering(8, SYNC);
            patience.wanted().into_iter().for_each(|wanted| patience.came(wanted, 8));
        }
        patience.answering(8, SYNC);
        assert!(patience.wanted().is_some());
    }
}
