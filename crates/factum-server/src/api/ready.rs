//! Readiness: whether requests are to be sent here. It names no ledger and no view, so that it can
//! be shown to whoever balances the load.

use super::Api;
use crate::machine::Disk;

/// Whether requests are to be sent here, and what is not as it should be.
pub(crate) struct Readiness {
    pub(crate) concerns: Vec<Concern>,
    pub(crate) disk: Option<Disk>,
    pub(crate) ledgers: usize,
    pub(crate) views: usize,
    /// Views that stand still; they answer with what they had applied.
    pub(crate) views_failing: usize,
    /// Views that have not applied everything.
    pub(crate) views_behind: usize,
    /// Positions that the one farthest behind has not looked at.
    pub(crate) lag_events_max: u64,
}

/// Why requests are better sent elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Concern {
    /// The server ends.
    Stopping,
    /// So many ledgers take no appends until they are opened again.
    WriterStopped(usize),
    /// The disk is nearly full.
    DiskNearlyFull { free: u64, wanted: u64 },
    /// How things stand can't be found out in time.
    NoAnswer,
}

impl Readiness {
    /// Views that follow behind, or stand still, are told and are no reason: what they answer says
    /// how fresh it is.
    pub(crate) fn is_ready(&self) -> bool {
        self.concerns.is_empty()
    }
}

impl Api {
    /// Asks no disk for anything but its room.
    pub(crate) async fn ready(&self, stopping: bool) -> Readiness {
        let ledgers = self.ledgers_now().await;
        let mut concerns = Vec::new();
        if stopping {
            concerns.push(Concern::Stopping);
        }
        if ledgers.is_err() {
            concerns.push(Concern::NoAnswer);
        }
        let stopped =
            self.apps.all().into_values().filter(|app| app.ledger().refuses_appends().is_some());
        match stopped.count() {
            0 => {}
            ledgers => concerns.push(Concern::WriterStopped(ledgers)),
        }
        let disk = self.store.as_ref().and_then(|store| Disk::of(store.dir()));
        let wanted = self.disk_free_min;
        if let Some(Disk { free, .. }) = disk.filter(|disk| disk.free < wanted) {
            concerns.push(Concern::DiskNearlyFull { free, wanted });
        }
        let ledgers = ledgers.unwrap_or_default();
        let views = || ledgers.iter().flat_map(|ledger| &ledger.views);
        Readiness {
            concerns,
            disk,
            ledgers: ledgers.len(),
            views: views().count(),
            views_failing: views().filter(|view| view.error.is_some()).count(),
            views_behind: views().filter(|view| view.lag_events > 0).count(),
            lag_events_max: views().map(|view| view.lag_events).max().unwrap_or_default(),
        }
    }
}
