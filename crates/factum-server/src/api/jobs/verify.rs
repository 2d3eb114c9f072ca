//! Verifies a ledger that goes on being used: every byte that is safe on disk by then is read and
//! checked (G10). Nothing is repaired.

use std::sync::Arc;

use factum::Damage;
use tokio::sync::watch;

use super::{Api, ApiError, Job, Outcome, Task};
use crate::access::{Principal, Verb, is_system_ledger};

impl Api {
    /// Begins to verify a ledger; of Factum's own ledgers, who may read them may.
    pub(crate) async fn verify(
        &self,
        principal: &Principal,
        ledger: String,
        stopping: watch::Receiver<bool>,
    ) -> Result<Arc<Job>, ApiError> {
        let verb = if is_system_ledger(&ledger) { Verb::Read } else { Verb::Admin };
        self.app(principal, verb, &ledger)?;
        let store = self.store_of_its_own()?.clone();
        let place = self.bulkheads.verifications.enter().await?;
        let task = Task::Verify { ledger: ledger.clone() };
        self.begin(principal, task, stopping, place, move |job| {
            let progress = |read, all| job.told("verifying", read, all);
            let mut report = store.verify_while(&ledger, progress)?;
            report.damage = report.damage.into_iter().map(|found| below(&store, found)).collect();
            Ok(Outcome::Verified(report))
        })
    }
}

/// Names a damaged file as it lies below the data directory: where that is concerns nobody else.
fn below(store: &factum::Store, damage: Damage) -> Damage {
    let short = std::path::Path::new(&damage.file).strip_prefix(store.dir());
    match short.map(|short| short.display().to_string()) {
        Ok(file) => Damage { file, ..damage },
        Err(_) => damage,
    }
}
