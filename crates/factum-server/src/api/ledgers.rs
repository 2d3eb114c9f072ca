//! The ledgers: their heads, and what runs on them.

use std::collections::BTreeMap;

use factum::{App, Fault, ViewStatus};
use factum_store::Head;

use super::{Api, ApiError};
use crate::access::{Extent, Principal, Verb, is_system_ledger};

/// A ledger, as it stands.
pub(crate) struct LedgerStatus {
    pub(crate) name: String,
    /// The application that runs on it; none when it only keeps events.
    pub(crate) application: Option<&'static str>,
    pub(crate) head: Head,
    pub(crate) views: Vec<ViewStatus>,
}

impl Api {
    /// Those that may be read, without Factum's own.
    pub(crate) async fn ledgers(
        &self,
        principal: &Principal,
    ) -> Result<Vec<LedgerStatus>, ApiError> {
        let mut apps = self.apps.all();
        apps.retain(|name, _| !is_system_ledger(name) && principal.may(Verb::Read, name));
        let mut all = self.statuses(apps).await?;
        for status in &mut all {
            status.show(principal.extent(Verb::Read, &status.name));
        }
        Ok(all)
    }

    /// How ledgers stand, whoever asks.
    pub(super) async fn statuses(
        &self,
        apps: BTreeMap<String, App>,
    ) -> Result<Vec<LedgerStatus>, ApiError> {
        let all = async move {
            let mut all = Vec::new();
            for (name, app) in apps {
                all.push(status(name, &app).await?);
            }
            Ok::<_, Fault>(all)
        };
        Ok(self.bulkheads.queries.run(all).await??)
    }

    pub(crate) async fn describe(
        &self,
        principal: &Principal,
        ledger: &str,
    ) -> Result<LedgerStatus, ApiError> {
        let (served, extent) = self.reach(principal, Verb::Read, ledger)?;
        let (name, app) = (ledger.to_owned(), served.app.clone());
        let status = self.bulkheads.queries.run(async move { status(name, &app).await });
        let mut status = status.await??;
        status.show(extent);
        Ok(status)
    }
}

impl LedgerStatus {
    /// Leaves out what is made of all events, for who may not see all of them.
    fn show(&mut self, extent: Extent) {
        if extent != Extent::All {
            self.application = None;
            self.views.clear();
        }
    }
}

pub(super) async fn status(name: String, app: &App) -> Result<LedgerStatus, Fault> {
    let domain = app.domain();
    let empty = domain.commands().next().is_none() && domain.views().next().is_none();
    let application = (!empty).then(|| domain.name());
    Ok(LedgerStatus {
        name,
        application,
        head: app.ledger().head().await?,
        views: app.views().await?,
    })
}
