//! Ask a fold by its name: its state at a key, now, after a receipt (G9), or at a moment.

use std::future::IntoFuture;

use factum::{AsOf, FoldAnswer, FoldModel};
use factum_store::Position;

use super::{Api, ApiError};
use crate::access::{Principal, Verb};

/// Events that may be replayed for one answer.
const REPLAY_MAX: u64 = 1_000_000;

/// What to ask a fold.
pub(crate) struct AskFold {
    pub(crate) ledger: String,
    pub(crate) fold: String,
    pub(crate) key: String,
    /// The state must have seen this.
    pub(crate) after: Option<Position>,
    /// The state at this moment.
    pub(crate) as_of: Option<AsOf>,
}

impl Api {
    /// The state of a fold; made of all events, so it is for who may read all of them.
    pub(crate) async fn ask_fold(
        &self,
        principal: &Principal,
        request: AskFold,
    ) -> Result<FoldAnswer, ApiError> {
        let AskFold { ledger, fold, key, after, as_of } = request;
        let mut read = self.app(principal, Verb::Read, &ledger)?.fold(&fold)?.get(key);
        read = read.replay_max(REPLAY_MAX);
        if let Some(after) = after {
            read = read.after(after);
        }
        if let Some(as_of) = as_of {
            read = read.as_of(as_of);
        }
        Ok(self.bulkheads.queries.run_long(read.into_future()).await??)
    }

    /// The folds that can be asked, with their keys and the events that they heed.
    pub(crate) fn folds(
        &self,
        principal: &Principal,
        ledger: &str,
    ) -> Result<Vec<FoldModel>, ApiError> {
        let app = self.app(principal, Verb::Read, ledger)?;
        Ok(app.domain().folds().map(|fold| fold.model().clone()).collect())
    }
}
