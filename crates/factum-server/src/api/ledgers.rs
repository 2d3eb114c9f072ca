//! The ledgers: their heads, and what runs on them.

use factum::{App, Fault, ViewStatus};
use factum_store::Head;

use super::{Api, ApiError};

/// A ledger, as it stands.
pub(crate) struct LedgerStatus {
    pub(crate) name: String,
    /// The application that runs on it; none when it only keeps events.
    pub(crate) application: Option<&'static str>,
    pub(crate) head: Head,
    pub(crate) views: Vec<ViewStatus>,
}

impl Api {
    pub(crate) async fn ledgers(&self) -> Result<Vec<LedgerStatus>, ApiError> {
        let apps = self.apps.clone();
        let all = async move {
            let mut all = Vec::new();
            for (name, app) in apps {
                all.push(status(name, &app).await?);
            }
            Ok::<_, Fault>(all)
        };
        Ok(self.bulkheads.queries.run(all).await??)
    }

    pub(crate) async fn describe(&self, ledger: &str) -> Result<LedgerStatus, ApiError> {
        let (name, app) = (ledger.to_owned(), self.app(ledger)?);
        Ok(self.bulkheads.queries.run(async move { status(name, &app).await }).await??)
    }
}

async fn status(name: String, app: &App) -> Result<LedgerStatus, Fault> {
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
