//! Append: events with conditions, once for each key (G4, G5).

use std::sync::Arc;

use factum::append_key;
use factum_store::{Append, Condition, Invalid, Ledger, NewEvent, Receipt};

use super::{Api, ApiError, metrics::payload_bytes};
use crate::{
    access::{Principal, Verb},
    metrics::Began,
};

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
        let AppendEvents { events, conditions, key, ledger: name } = request;
        refuse_system_types(&events)?;
        let mut append = Append { events, conditions, key: None };
        append.key = key.map(|key| append_key(principal.name(), &key, &append));
        self.write(ledger, &name, append).await
    }

    /// Writes a batch that was checked, and that whoever asks may append.
    pub(super) async fn write(
        &self,
        ledger: Arc<dyn Ledger>,
        name: &str,
        append: Append,
    ) -> Result<Receipt, ApiError> {
        let (began, bytes) = (Began::now(), payload_bytes(&append.events));
        let appended = self.bulkheads.commands.run(async move { ledger.append(append).await });
        let answer = match appended.await {
            Ok(answer) => answer.map_err(ApiError::from),
            Err(error) => Err(error),
        };
        self.count_append(name, began, bytes, &answer);
        answer
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
