//! How what the API says becomes a problem document.

use factum::Fault;
use factum_store::{Conflict, EventType, Position, Revision, StreamState};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::{
    problem::{Kind, Problem},
    view::FreshnessJson,
};
use crate::{
    api::{ApiError, GroupError},
    schema,
};

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Unauthenticated => Self::new(Kind::Unauthenticated, "a good token is needed"),
            ApiError::Forbidden { problem } => Self::new(Kind::Forbidden, problem),
            ApiError::UnknownLedger { ledger } => {
                let detail = format!("there is no ledger {ledger:?}; GET /v1/ledgers lists them");
                Self::new(Kind::UnknownLedger, detail)
            }
            ApiError::UnknownKey { view, key, freshness } => {
                let detail = format!("the view {view} has nothing under {key:?}");
                let problem = Self::new(Kind::UnknownKey, detail);
                let seen = json!(FreshnessJson::of(&freshness));
                let members = seen.as_object().into_iter().flatten();
                members.fold(problem, |problem, (name, value)| problem.with(name, value.clone()))
            }
            ApiError::Group(error) => Self::new(group(&error), error.to_string()),
            ApiError::Changed { now } => {
                let detail = format!("the stream's ETag is \"{now}\" now");
                Self::new(Kind::Changed, detail).with("etag", format!("\"{now}\""))
            }
            ApiError::Conflict(conflict) => Self::new(Kind::Conflict, conflict.to_string())
                .with("conflict", json!(ConflictJson::of(&conflict))),
            ApiError::Busy { what } => {
                let detail = format!("the server has as many {what} as it takes; try again soon");
                Self::new(Kind::Busy, detail)
            }
            ApiError::NotSetUp { problem } => Self::new(Kind::NotSetUp, problem),
            ApiError::Stopping => Self::new(Kind::Unavailable, "the server is stopping"),
            ApiError::Fault(fault) => fault.into(),
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let said = fault.to_string();
        match fault {
            Fault::Invalid(invalid) => Self::invalid(invalid.field, invalid.problem),
            Fault::Timeout { view, position, wanted } => Self::new(Kind::ViewBehind, said)
                .with("view", view)
                .with("position", position.0)
                .with("wanted", wanted.0),
            Fault::Conflict { last, .. } => {
                Self::new(Kind::Contended, said).with("conflict", json!(ConflictJson::of(&last)))
            }
            fault => Self::new(kind(&fault), said),
        }
    }
}

fn group(error: &GroupError) -> Kind {
    match error {
        GroupError::Unknown { .. } => Kind::UnknownGroup,
        GroupError::Exists { .. } => Kind::GroupExists,
        GroupError::Full { .. } => Kind::GroupsFull,
        GroupError::NotParked { .. } => Kind::NotParked,
    }
}

fn kind(fault: &Fault) -> Kind {
    match fault {
        Fault::Invalid(_) => Kind::Invalid,
        Fault::Unknown { what: "command", .. } => Kind::UnknownCommand,
        Fault::Unknown { what: "view", .. } => Kind::UnknownView,
        Fault::Unknown { what: "fold", .. } => Kind::UnknownFold,
        Fault::Unknown { what: "token", .. } => Kind::UnknownToken,
        Fault::Unknown { what: "job", .. } => Kind::UnknownJob,
        Fault::Unknown { .. } => Kind::UnknownLedger,
        Fault::Exists { .. } => Kind::Exists,
        Fault::InUse(_) => Kind::InUse,
        Fault::KeyReused { .. } => Kind::KeyReused,
        Fault::Conflict { .. } => Kind::Contended,
        Fault::StreamEnded(_) => Kind::StreamEnded,
        Fault::Timeout { .. } => Kind::ViewBehind,
        Fault::Full(_) => Kind::Full,
        Fault::OutcomeUnknown(_) => Kind::OutcomeUnknown,
        Fault::ReadOnly(_) => Kind::ReadOnly,
        Fault::Corrupt(_) | Fault::Unreadable(_) => Kind::Damaged,
        Fault::Unavailable(_) | Fault::View { .. } | Fault::Locked { .. } => Kind::Unavailable,
        // What can only happen when a directory is opened is no answer to a request.
        _ => Kind::Bug,
    }
}

/// What stood in the way: what a caller needs to decide again without another read.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Conflict")]
pub(crate) struct ConflictJson {
    /// Which condition, counted from 0.
    condition: usize,
    #[schemars(with = "schema::Place")]
    head: Position,
    /// Of a condition on a stream: its last revision; `null` when there is none.
    #[schemars(with = "Option<schema::StreamRevision>")]
    revision: Option<Revision>,
    #[schemars(with = "Option<schema::StreamStateName>")]
    state: Option<&'static str>,
    /// Of a condition that nothing matches: what matches, the first 16.
    offending: Vec<OffendingJson>,
}

/// An event that stood in the way.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Offending")]
struct OffendingJson {
    #[schemars(with = "schema::Place")]
    position: Position,
    #[serde(rename = "type")]
    #[schemars(with = "schema::Name")]
    event_type: EventType,
}

impl ConflictJson {
    fn of(conflict: &Conflict) -> Self {
        let offending = conflict.offending.iter().map(|one| OffendingJson {
            position: one.position,
            event_type: one.event_type.clone(),
        });
        Self {
            condition: conflict.index,
            head: conflict.head,
            revision: conflict.revision,
            state: conflict.state.map(StreamState::name),
            offending: offending.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use factum_store::{
        AppendError, Condition, ExpectedRevision, Invalid, Position, ReadError, Revision,
        StreamName, ViewError,
    };

    use super::*;

    fn conflict() -> Box<Conflict> {
        let stream = StreamName::new("s").expect("a name");
        let failed = Condition::Revision { stream, expected: ExpectedRevision::None };
        let (head, revision, offending) = (Position(9), None, Vec::new());
        Box::new(Conflict { index: 0, failed, head, revision, state: None, offending })
    }

    fn unknown(what: &'static str) -> Fault {
        Fault::Unknown { what, name: "x".into(), known: vec!["y".into()] }
    }

    #[test]
    fn each_fault_has_its_problem_and_status() {
        let (view, said) = (String::from("v"), String::from("why"));
        let (position, wanted) = (Position(1), Position(2));
        let timeout = Fault::Timeout { view: view.clone(), position, wanted };
        let gave_up = Fault::Conflict { command: "c".into(), attempts: 16, last: conflict() };
        let reused = AppendError::KeyReused { key: "k".into(), position };
        let stream = StreamName::new("s").expect("a name");
        let ended = AppendError::StreamTombstoned { stream, revision: Revision(3) };
        let still = ViewError::Statement { view: view.clone(), problem: said.clone() };
        let table: [(ApiError, u16, &str); 24] = [
            (Invalid::new("limit", "is 0").into(), 400, "invalid"),
            (unknown("command").into(), 404, "unknown-command"),
            (unknown("view").into(), 404, "unknown-view"),
            (unknown("ledger").into(), 404, "unknown-ledger"),
            (unknown("token").into(), 404, "unknown-token"),
            (ApiError::Unauthenticated, 401, "unauthenticated"),
            (ApiError::Forbidden { problem: "no".into() }, 403, "forbidden"),
            (AppendError::Conflict(conflict()).into(), 409, "conflict"),
            (gave_up.into(), 409, "contended"),
            (reused.into(), 422, "key-reused"),
            (ended.into(), 410, "stream-ended"),
            (timeout.into(), 503, "view-behind"),
            (ApiError::Busy { what: "commands" }, 429, "busy"),
            (ApiError::Stopping, 503, "unavailable"),
            (ReadError::Unavailable(said.clone()).into(), 503, "unavailable"),
            (Fault::from(still).into(), 503, "unavailable"),
            (AppendError::OutcomeUnknown(said.clone()).into(), 504, "outcome-unknown"),
            (Fault::Exists { what: "ledger", name: "x".into() }.into(), 409, "exists"),
            (Fault::InUse(said.clone()).into(), 409, "in-use"),
            (Fault::ReadOnly(said.clone()).into(), 503, "read-only"),
            (AppendError::Full(said.clone()).into(), 507, "full"),
            (AppendError::Corrupt(said.clone()).into(), 500, "damaged"),
            (ReadError::Corrupt(said.clone()).into(), 500, "damaged"),
            (Fault::Bug(said).into(), 500, "bug"),
        ];
        for (error, status, slug) in table {
            let document = Problem::from(error).document();
            assert_eq!(document["type"], format!("/problems/{slug}"), "{document}");
            assert_eq!(document["status"], status, "{document}");
        }
    }
}
