//! Ask a view: rows with how fresh they are, as of now, after a receipt (G9), or at a moment.

use std::time::Duration;

use factum::{Answer, AsOf, Fault, ViewStatus};
use factum_store::Position;

use super::{Api, ApiError};
use crate::{
    access::{Principal, Verb},
    metrics::Began,
};

/// What to ask a view.
pub(crate) struct AskView {
    pub(crate) ledger: String,
    pub(crate) view: String,
    /// Only what it has under this key, which must be something.
    pub(crate) key: Option<String>,
    /// The rows must have seen this.
    pub(crate) after: Option<Position>,
    /// The rows at this moment.
    pub(crate) as_of: Option<AsOf>,
    pub(crate) cursor: Option<String>,
    pub(crate) limit: usize,
    /// How long to wait for `after`; never longer than the server waits at most.
    pub(crate) deadline: Option<Duration>,
}

impl AskView {
    /// Rows in a page when nobody says how many.
    pub(crate) const LIMIT: usize = 100;
    /// Rows in a page at most.
    pub(crate) const LIMIT_MAX: usize = 1_000;
}

impl Api {
    /// What is made of the rows is made where they were read.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        principal: &Principal,
        request: AskView,
        make: impl FnOnce(Answer) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let AskView { ledger, view, key, after, as_of, cursor, limit, deadline } = request;
        let handle = self.app(principal, Verb::Read, &ledger)?.view(&view)?;
        let mut read = match &key {
            Some(key) => handle.get(key.as_str()),
            None => handle.list(),
        };
        let deadline = deadline.map_or(self.view_deadline, |asked| asked.min(self.view_deadline));
        read = read.limit(limit).cursor(cursor).deadline(deadline);
        // Whoever waits for a view that is behind takes no place from those who ask another.
        let bulkhead = match after {
            Some(_) => &self.bulkheads.waiting_queries,
            None => &self.bulkheads.queries,
        };
        if let Some(after) = after {
            read = read.after(after);
        }
        if let Some(as_of) = as_of {
            read = read.as_of(as_of);
        }
        let began = Began::now();
        let (of_a_key, of_the_past) = (key.is_some(), as_of.is_some());
        let reading = async move {
            let answer = read.await?;
            Ok::<_, Fault>(match of_a_key && answer.rows.is_empty() {
                true => Err(answer.freshness),
                false => Ok(make(answer)),
            })
        };
        // A moment of the past is replayed from a keyframe, which is loaded first.
        let answer = match of_the_past {
            true => bulkhead.run_long(reading).await,
            false => bulkhead.run(reading).await,
        };
        let answer = match answer {
            Ok(answer) => answer.map_err(ApiError::from),
            Err(error) => Err(error),
        };
        let ending = answer.as_ref().err().map_or("answered", ApiError::ending);
        self.metrics.view_read([&ledger, &view], ending, began);
        answer?.map_err(|freshness| ApiError::UnknownKey {
            view,
            key: key.unwrap_or_default(),
            freshness,
        })
    }

    /// Where the views of a ledger stand.
    pub(crate) async fn views(
        &self,
        principal: &Principal,
        ledger: &str,
    ) -> Result<Vec<ViewStatus>, ApiError> {
        let app = self.app(principal, Verb::Read, ledger)?;
        Ok(self.bulkheads.queries.run(async move { app.views().await }).await??)
    }
}
