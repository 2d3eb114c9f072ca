//! Health: the server lives, and answers. It asks nothing of a ledger that could keep it waiting: a
//! server that is busy, or whose disk is slow, gets no better by being started again. Names nothing,
//! so that it can be shown to whoever only needs to know whether to worry.

use super::Api;

/// How the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) ledgers: usize,
    pub(crate) views: usize,
    /// Views that stand still. Their last rows are served, marked stale.
    pub(crate) views_failing: usize,
    /// Ledgers that take no appends until they are opened again.
    pub(crate) ledgers_failing: usize,
}

impl Api {
    pub(crate) async fn health(&self) -> Health {
        // What is not known in time is no reason to worry here: `ready` says so.
        let ledgers = self.ledgers_now().await.unwrap_or_default();
        let views = ledgers.iter().flat_map(|ledger| &ledger.views);
        Health {
            ledgers: ledgers.len(),
            views: views.clone().count(),
            views_failing: views.filter(|view| view.error.is_some()).count(),
            ledgers_failing: ledgers.iter().filter(|ledger| !ledger.accepts).count(),
        }
    }
}
