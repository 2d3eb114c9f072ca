//! Find an event by its identity.

use factum_store::{EventId, RecordedEvent};

use super::{Api, ApiError};
use crate::access::{Principal, Verb};

impl Api {
    pub(crate) async fn find_event(
        &self,
        principal: &Principal,
        ledger: &str,
        id: EventId,
    ) -> Result<Option<RecordedEvent>, ApiError> {
        let ledger = self.ledger(principal, Verb::Read, ledger)?;
        Ok(self.bulkheads.queries.run(async move { ledger.event(id).await }).await??)
    }
}
