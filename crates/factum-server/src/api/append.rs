//! Append: events with conditions, once for each key (G4, G5).

use std::sync::Arc;

use factum::append_key;
use factum_store::{Append, Condition, Invalid, Ledger, NewEvent, Position, Receipt};

use super::{
    Api, ApiError,
    metrics::payload_bytes,
    traces::{context, end_append, stamp},
};
use crate::{
    access::{Principal, Verb},
    metrics::Began,
    observe::TraceContext,
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
        self.write(ledger, &name, append, principal.trace()).await
    }

    /// Writes a batch that was checked, and that whoever asks may append.
    pub(super) async fn write(
        &self,
        ledger: Arc<dyn Ledger>,
        name: &str,
        mut append: Append,
        trace: Option<&TraceContext>,
    ) -> Result<Receipt, ApiError> {
        let tracing = self.begin_append(name, append.events.len(), trace);
        stamp(&mut append.events, context(&tracing, trace));
        let (began, bytes) = (Began::now(), payload_bytes(&append.events));
        let commands = &self.bulkheads.commands;
        let appended = match is_of_the_present(&*ledger, &append, bytes).await {
            true => commands.run_here(async move { ledger.append(append).await }).await,
            false => commands.run(async move { ledger.append(append).await }).await,
        };
        let answer = appended.and_then(|answer| answer.map_err(ApiError::from));
        self.count_append(name, began, bytes, answer.as_ref());
        end_append(tracing, answer.as_ref().err());
        answer
    }
}

/// Positions behind the head that a ledger has in memory, whatever it is asked about them.
const PRESENT: u64 = 1_000;
/// Bytes of a batch that is encoded in less time than it takes to hand it to another thread.
const SMALL: u64 = 32 << 10;

/// Whether a ledger looks at no file before it takes a batch in: it is small, has no key, joins no
/// stream, and its conditions ask about what happened just now. Then handing it to a thread that may
/// block, and back, would take longer than everything but the sync.
pub(super) async fn is_of_the_present(ledger: &dyn Ledger, append: &Append, bytes: u64) -> bool {
    if bytes > SMALL
        || append.key.is_some()
        || append.events.iter().any(|event| event.stream.is_some())
    {
        return false;
    }
    let mut oldest = Position::END;
    for condition in &append.conditions {
        match condition {
            Condition::NoMatch { after, .. } => oldest = oldest.min(*after),
            Condition::Revision { .. } => return false,
        }
    }
    if oldest == Position::END {
        return true;
    }
    ledger.head().await.is_ok_and(|head| oldest.0.saturating_add(PRESENT) >= head.position.0)
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
