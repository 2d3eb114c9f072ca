//! The end of a ledger.

use factum_store::Head;

use super::{Api, ApiError};
use crate::access::{Principal, Verb};

impl Api {
    pub(crate) async fn head(&self, principal: &Principal, ledger: &str) -> Result<Head, ApiError> {
        let ledger = self.ledger(principal, Verb::Read, ledger)?;
        Ok(self.bulkheads.queries.run(async move { ledger.head().await }).await??)
    }
}
