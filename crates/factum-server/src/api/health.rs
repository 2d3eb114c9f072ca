//! Health: whether the ledgers can be read and the views follow them. Names nothing, so that it can
//! be shown to whoever only needs to know whether to worry.

use super::{Api, ApiError};
use crate::access::is_system_ledger;

/// How the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    pub(crate) ledgers: usize,
    pub(crate) views: usize,
    /// Views that stand still. Their last rows are served, marked stale.
    pub(crate) views_failing: usize,
}

impl Api {
    /// # Errors
    /// When a ledger can't be read.
    pub(crate) async fn health(&self) -> Result<Health, ApiError> {
        let mut apps = self.apps.clone();
        apps.retain(|name, _| !is_system_ledger(name));
        let ledgers = self.statuses(apps).await?;
        let views = ledgers.iter().flat_map(|ledger| &ledger.views);
        Ok(Health {
            ledgers: ledgers.len(),
            views: views.clone().count(),
            views_failing: views.filter(|view| view.error.is_some()).count(),
        })
    }
}
