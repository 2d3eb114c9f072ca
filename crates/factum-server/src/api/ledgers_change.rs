//! Making a ledger, and deleting one with all its events.

use factum::{App, Fault, Store};
use factum_store::Invalid;
use tokio::time::{Duration, Instant, sleep};

use super::{Api, ApiError, LedgerStatus};
use crate::{
    access::{Extent, Principal, Verb},
    observe::observed,
};

/// How long to wait before asking again whether a ledger is still in use.
const STEP: Duration = Duration::from_millis(10);

impl Api {
    /// Makes a ledger and serves it at once. The domain of its name, if there is one, runs on it.
    pub(crate) async fn create_ledger(
        &self,
        principal: &Principal,
        name: &str,
    ) -> Result<LedgerStatus, ApiError> {
        self.may_change(principal, name)?;
        let store = self.store_to_change()?;
        let change = self.apps.change().await;
        let (here, ledger) = (store.clone(), name.to_owned());
        self.bulkheads.compactions.run(async move { here.create(&ledger) }).await??;
        self.serve(&change, &store, name).await?;
        drop(change);
        self.describe(principal, name).await
    }

    /// Deletes a ledger with all its events and everything derived from them, if its name is said
    /// twice. Whoever follows it is told; who reads or writes it is waited for.
    pub(crate) async fn delete_ledger(
        &self,
        principal: &Principal,
        name: &str,
        confirm: Option<&str>,
    ) -> Result<(), ApiError> {
        self.app(principal, Verb::Admin, name)?;
        if confirm != Some(name) {
            let problem = format!("must be {name:?}, the ledger's name: its events are lost");
            return Err(Invalid::new("confirm", problem).into());
        }
        let store = self.store_to_change()?;
        let change = self.apps.change().await;
        let app = self.apps.remove(&change, name);
        let app = app.ok_or_else(|| ApiError::UnknownLedger { ledger: name.to_owned() })?;
        app.close().await;
        drop(app);
        let deleted = self.delete_when_free(&store, name).await;
        if deleted.is_err() && store.ledgers().is_ok_and(|all| all.iter().any(|one| one == name)) {
            self.serve(&change, &store, name).await?;
        }
        deleted
    }

    async fn delete_when_free(&self, store: &Store, name: &str) -> Result<(), ApiError> {
        let patience = Instant::now() + self.patience;
        loop {
            let (here, ledger) = (store.clone(), name.to_owned());
            let deleted =
                self.bulkheads.compactions.run(async move { here.delete(&ledger) }).await?;
            match deleted {
                Err(Fault::InUse(_)) if Instant::now() < patience => sleep(STEP).await,
                deleted => return Ok(deleted?),
            }
        }
    }

    /// Opens a ledger's application and serves it.
    async fn serve(
        &self,
        change: &tokio::sync::MutexGuard<'_, ()>,
        store: &Store,
        name: &str,
    ) -> Result<(), ApiError> {
        let domain = self.domains.iter().find(|domain| domain.name() == name).cloned();
        let builder = observed(store.app(name)?, name, self.tracer.as_ref());
        let app: App = match domain {
            Some(domain) => builder.domain(domain).await?,
            None => builder.await?,
        };
        self.apps.insert(change, name, app);
        Ok(())
    }

    /// Whoever may not administrate a ledger of this name may not make one.
    fn may_change(&self, principal: &Principal, name: &str) -> Result<(), ApiError> {
        match principal.extent(Verb::Admin, name) {
            Extent::All => Ok(()),
            _ => Err(self.forbidden(principal, Verb::Admin, name, "")),
        }
    }

    fn store_to_change(&self) -> Result<Store, ApiError> {
        self.store.clone().ok_or_else(|| {
            let what = "this server has applications only, and no data directory for ledgers";
            Fault::Unavailable(what.to_owned()).into()
        })
    }
}
