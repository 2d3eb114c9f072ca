//! The last position of a moment.

use factum_store::{Position, Timestamp};

use super::{Api, ApiError};
use crate::access::{Principal, Verb};

impl Api {
    pub(crate) async fn position_at(
        &self,
        principal: &Principal,
        ledger: &str,
        time: Timestamp,
    ) -> Result<Position, ApiError> {
        let ledger = self.ledger(principal, Verb::Read, ledger)?;
        Ok(self.bulkheads.queries.run(async move { ledger.position_at(time).await }).await??)
    }
}
