//! Append: events with conditions, once for each key (G4, G5).

use std::sync::Arc;

use factum::append_key;
use factum_store::{Append, Condition, Invalid, Ledger, NewEvent, Receipt};

use super::{Api, ApiError};
use crate::access::{Principal, Verb};

/// What is to be appended, and when.
pub(crate) struct AppendEvents {
    pub(crate) ledger: String,
    pub(crate) events: Vec<NewEvent>,
    pub(crate) conditions: Vec<Condition>,
    /// Makes a retry safe.
    pub(crate) key: Option<String>,
}

impl Api {
    pub(crate) async fn append(
        &self,
        principal: &Principal,
        request: AppendEvents,
    ) -> Result<Receipt, ApiError> {
        let ledger = self.ledger(principal, Verb::Append, &request.ledger)?;
        let AppendEvents { events, conditions, key, .. } = request;
        refuse_system_types(&events)?;
        let mut append = Append { events, conditions, key: None };
        append.key = key.map(|key| append_key(principal.name(), &key, &append));
        self.write(ledger, append).await
    }

    /// Writes a batch that was checked, and that whoever asks may append.
    pub(super) async fn write(
        &self,
        ledger: Arc<dyn Ledger>,
        append: Append,
    ) -> Result<Receipt, ApiError> {
        self.bulkheads
            .commands
            .run(async move { ledger.append(append).await })
            .await?
            .map_err(ApiError::from)
    }
}

/// Factum's own events are written by Factum alone: they say what it did.
pub(super) fn refuse_system_types(events: &[NewEvent]) -> Result<(), Invalid> {
    match events.iter().position(|event| event.event_type.is_system()) {
        None => Ok(()),
        Some(i) => {
            let problem = "begins with $; such events are written by Factum alone";
            Err(Invalid::new(format!("events[{i}].type"), problem))
        }
    }
}
