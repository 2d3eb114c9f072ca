//! Projectors: where the view of each stands, and steering one that stands still. What a projector
//! can't apply is never skipped (G7): it is tried again until it succeeds, now if somebody says so.

use factum::{Fault, ViewStatus};
use tokio::time::timeout;

use super::{Api, ApiError};
use crate::access::{Principal, Verb};

impl Api {
    /// One of them.
    pub(crate) async fn projector(
        &self,
        principal: &Principal,
        ledger: &str,
        view: &str,
    ) -> Result<ViewStatus, ApiError> {
        self.app(principal, Verb::Read, ledger)?.view(view)?;
        self.status_of(ledger, view).await
    }

    /// Has one that stands still tried again at once. Where it stands then, or after as long as a
    /// read waits for a view.
    pub(crate) async fn retry_projector(
        &self,
        principal: &Principal,
        ledger: &str,
        view: &str,
    ) -> Result<ViewStatus, ApiError> {
        let app = self.app(principal, Verb::Admin, ledger)?;
        app.view(view)?;
        let (name, wait) = (view.to_owned(), self.view_deadline);
        let tried = async move { timeout(wait, app.retry(&name)).await };
        match self.bulkheads.waiting_queries.run_long(tried).await? {
            Ok(status) => Ok(status?),
            Err(_) => self.status_of(ledger, view).await,
        }
    }

    /// Throws the rows of one away and begins to make them anew.
    pub(crate) async fn rebuild_projector(
        &self,
        principal: &Principal,
        ledger: &str,
        view: &str,
    ) -> Result<ViewStatus, ApiError> {
        let app = self.app(principal, Verb::Admin, ledger)?;
        app.view(view)?;
        let (name, wait) = (view.to_owned(), self.view_deadline);
        let begun = async move { timeout(wait, app.begin_rebuild(&name)).await };
        if let Ok(begun) = self.bulkheads.waiting_queries.run_long(begun).await? {
            begun?;
        }
        self.status_of(ledger, view).await
    }

    async fn status_of(&self, ledger: &str, view: &str) -> Result<ViewStatus, ApiError> {
        let unknown = || ApiError::UnknownLedger { ledger: ledger.to_owned() };
        let app = self.apps.get(ledger).ok_or_else(unknown)?.app.clone();
        let all = self.bulkheads.queries.run(async move { app.views().await }).await??;
        let found = all.into_iter().find(|one| one.name == view);
        Ok(found.ok_or_else(|| Fault::Bug(format!("the view {view} has no projector")))?)
    }
}
