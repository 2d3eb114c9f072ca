//! The record of a command: one `$command` event in the same batch as its events.
//!
//! It says what was asked, what came of it, what was read, and up to which head. Protects G5: a
//! keyed retry is answered from it. It holds no time and nothing random, so a repeated run records
//! the same.

use bytes::Bytes;
use factum_domain::Refused;
use factum_store::{EventType, Invalid, NewEvent, Position, Query, QueryItem, RecordedEvent};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Fault;

/// The data of a `$command` event.
#[derive(Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) command: String,
    pub(crate) input: Value,
    outcome: Verdict,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refusal: Option<Refused>,
    reads: Vec<QueryItem>,
    head: Position,
    pub(crate) events: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Accepted,
    Refused,
}

impl Record {
    pub(crate) fn new(
        command: &str,
        input: &Value,
        decision: &Result<Vec<NewEvent>, Refused>,
        guard: &Query,
        head: Position,
    ) -> Self {
        Self {
            command: command.to_owned(),
            input: input.clone(),
            outcome: if decision.is_ok() { Verdict::Accepted } else { Verdict::Refused },
            refusal: decision.as_ref().err().cloned(),
            reads: guard.items.clone(),
            head,
            events: decision.as_ref().map_or(0, |events| events.len() as u64),
        }
    }

    /// The event that records it.
    pub(crate) fn event(&self) -> Result<NewEvent, Fault> {
        let data = serde_json::to_vec(self).map_err(|e| Fault::Bug(e.to_string()))?;
        let event_type = EventType::new(EventType::COMMAND)?;
        Ok(NewEvent::new(event_type, Bytes::from(data)))
    }

    /// Reads it back.
    pub(crate) fn of(event: &RecordedEvent) -> Result<Self, Fault> {
        if event.event_type.as_str() != EventType::COMMAND {
            let problem = "was used by an append that is no command";
            return Err(Invalid::new("key", problem).into());
        }
        serde_json::from_slice(&event.data).map_err(|error| {
            Fault::Corrupt(format!(
                "the command recorded at {} can't be read: {error}",
                event.position
            ))
        })
    }
}
