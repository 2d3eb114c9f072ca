//! Appends of applications that run elsewhere, on a ledger of this server: with keys of operations of
//! their own, and with the events that record commands. Many at a time share one place and one sync.

use std::sync::Arc;

use factum::append_key;
use factum_store::{
    Append, AppendError, ByteString, Condition, IdempotencyKey, Invalid, Ledger, NewEvent, Receipt,
    RequestHash,
};

use super::{
    Api, ApiError,
    append::is_of_the_present,
    metrics::payload_bytes,
    room::{conditions_bytes, events_bytes},
    traces::{context, end_append, stamp},
};
use crate::{
    access::{Extent, Principal, Verb},
    metrics::Began,
};

/// Stands between the name of who is authenticated and the one on whose behalf they ask. A name
/// has no such character.
const BEHALF: char = '\u{1f}';

/// What is to be appended, and when.
pub(crate) struct RemoteAppend {
    pub(crate) events: Vec<NewEvent>,
    pub(crate) conditions: Vec<Condition>,
    /// Makes a retry safe.
    pub(crate) key: Option<RemoteKey>,
}

/// A key as the application says it.
pub(crate) struct RemoteKey {
    /// On whose behalf the application asks.
    pub(crate) principal: ByteString,
    pub(crate) operation: ByteString,
    pub(crate) key: ByteString,
    /// What the key stands for; without it, the events and conditions.
    pub(crate) request: Option<RequestHash>,
}

impl Api {
    /// Does them in this order; one that fails is no matter to the others. Each has an answer of the
    /// ledger; the error is the server's, and then nothing was done.
    pub(crate) async fn append_all(
        &self,
        principal: &Principal,
        ledger: &str,
        appends: Vec<RemoteAppend>,
    ) -> Result<Vec<Result<Receipt, AppendError>>, ApiError> {
        let (name, began) = (ledger, Began::now());
        let ledger = self.ledger(principal, Verb::Append, name)?;
        let as_application = principal.extent(Verb::Command, name) == Extent::All;
        let bytes: Vec<_> = appends.iter().map(|append| payload_bytes(&append.events)).collect();
        let events = appends.iter().map(|append| append.events.len()).sum();
        let tracing = self.begin_append(name, events, principal.trace());
        let trace = context(&tracing, principal.trace());
        let begin = |append: RemoteAppend| {
            check_types(&append.events, as_application)?;
            // The key stands for what was asked: the trace is no part of that.
            let mut append = append.scoped(principal);
            stamp(&mut append.events, trace);
            Ok(append)
        };
        let appends: Vec<_> = appends.into_iter().map(begin).collect();
        let commands = &self.bulkheads.commands;
        let answers = match is_quick(&*ledger, &appends, &bytes).await {
            true => commands.run_here(do_all(ledger, appends)).await,
            false => commands.run(do_all(ledger, appends)).await,
        }?;
        let mut failed = answers.iter().filter_map(|answer| answer.as_ref().err());
        // Of several the first that failed is told.
        end_append(tracing, failed.next().map(|error| error.clone().into()).as_ref());
        for (answer, bytes) in answers.iter().zip(bytes) {
            match answer {
                Ok(receipt) => self.count_append(name, began, bytes, Ok(receipt)),
                Err(error) => {
                    self.count_append(name, began, bytes, Err(&error.clone().into()));
                }
            }
        }
        Ok(answers)
    }
}

/// Whether it is one that is handed in sooner than given to another thread.
async fn is_quick(ledger: &dyn Ledger, appends: &[Result<Append, Invalid>], bytes: &[u64]) -> bool {
    match (appends, bytes) {
        ([Ok(append)], [bytes]) => is_of_the_present(ledger, append, *bytes).await,
        _ => false,
    }
}

async fn do_all(
    ledger: Arc<dyn Ledger>,
    appends: Vec<Result<Append, Invalid>>,
) -> Vec<Result<Receipt, AppendError>> {
    // All are handed in before the first is waited for: they become durable together.
    let begun: Vec<_> = appends.into_iter().map(|append| Ok(ledger.append(append?))).collect();
    let mut answers = Vec::with_capacity(begun.len());
    for one in begun {
        answers.push(match one {
            Ok(append) => append.await,
            Err(error) => Err(AppendError::Invalid(error)),
        });
    }
    answers
}

impl RemoteAppend {
    /// What it takes in memory beside its payload.
    pub(crate) fn parts_bytes(&self) -> usize {
        events_bytes(&self.events) + conditions_bytes(&self.conditions)
    }

    fn scoped(self, principal: &Principal) -> Append {
        let Self { events, conditions, key } = self;
        let mut append = Append { events, conditions, key: None };
        append.key = key.map(|key| {
            let RemoteKey { principal: behalf, operation, key, request } = key;
            let principal = scope(principal, &behalf);
            let request = request.unwrap_or_else(|| append_key(&principal, &key, &append).request);
            IdempotencyKey { principal, operation, key, request }
        });
        append
    }
}

/// Whose keys these are: those of who is authenticated, and within them of whom they ask for.
pub(super) fn scope(principal: &Principal, behalf: &ByteString) -> ByteString {
    match (principal.name(), behalf) {
        (name, behalf) if behalf.is_empty() => name.clone(),
        (name, behalf) if name.is_empty() => behalf.clone(),
        (name, behalf) => format!("{name}{BEHALF}{behalf}").into(),
    }
}

/// What is kept of a stream is said by whoever may append to it; all other types of Factum's own
/// record what an application did.
fn check_types(events: &[NewEvent], as_application: bool) -> Result<(), Invalid> {
    let retention =
        |event: &NewEvent| event.event_type.is_metadata() || event.event_type.is_tombstone();
    let foreign = |event: &NewEvent| event.event_type.is_system() && !retention(event);
    match events.iter().position(|event| !as_application && foreign(event)) {
        None => Ok(()),
        Some(i) => {
            let problem = "begins with $; such events need the right to run commands";
            Err(Invalid::new(format!("events[{i}].type"), problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use factum_store::EventType;

    use super::*;

    fn event(name: &'static str) -> NewEvent {
        NewEvent::new(EventType::new(name).expect("a name"), "{}")
    }

    #[test]
    fn only_applications_record_commands() {
        let events = [event("a"), event("$metadata"), event("$tombstone"), event("$command")];
        assert_eq!(check_types(&events, true), Ok(()));
        assert_eq!(check_types(&events[..3], false), Ok(()));
        let refused = check_types(&events, false).expect_err("is a record of a command");
        assert_eq!(refused.field, "events[3].type");
    }

    #[test]
    fn whoever_asks_without_a_name_asks_for_whom_they_say() {
        let everybody = Principal::everybody();
        assert_eq!(scope(&everybody, &"ann".into()), "ann");
        assert_eq!(scope(&everybody, &"".into()), "");
    }
}
