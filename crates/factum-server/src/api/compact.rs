//! Compaction of a ledger that goes on being used.

use std::ops::ControlFlow;

use factum::{Compact, Compacted};
use tokio::sync::watch;

use super::{Api, ApiError};
use crate::access::{Principal, Verb};

impl Api {
    /// Drops what retention hides, and ends early, to go on the next time, when the server stops.
    pub(crate) async fn compact(
        &self,
        principal: &Principal,
        ledger: String,
        request: Compact,
        stopping: watch::Receiver<bool>,
    ) -> Result<Compacted, ApiError> {
        self.ledger(principal, Verb::Admin, &ledger)?;
        let store = self.store_of_its_own()?.clone();
        let compacted = async move {
            store.compact(&ledger, request, |_| match *stopping.borrow() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })
        };
        // It takes a place of its own: minutes of it must not take one from a query.
        Ok(self.bulkheads.compactions.run(compacted).await??)
    }
}
