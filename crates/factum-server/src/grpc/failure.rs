//! How what the API says becomes a status with details.

use factum::Fault;
use factum_proto::{
    Failure, Reason,
    v1::{self, error::More},
};
use tonic::Status;

use crate::api::{ApiError, GroupError};

/// The status of an error, which is logged when it is the server's own.
pub(crate) fn status(error: ApiError) -> Status {
    Status::from(failure(error))
}

/// The failure of an error, which is logged when it is the server's own.
pub(super) fn failure(error: ApiError) -> Failure {
    let failure = said(error);
    let (reason, message) = (failure.reason.name(), failure.message.as_str());
    match failure.reason {
        Reason::Unavailable
        | Reason::OutcomeUnknown
        | Reason::ReadOnly
        | Reason::Full
        | Reason::Damaged
        | Reason::Bug => tracing::warn!(reason, "{message:?}"),
        _ => tracing::debug!(reason, "{message:?}"),
    }
    failure
}

fn said(error: ApiError) -> Failure {
    match error {
        ApiError::UnknownLedger { ledger } => {
            let message = format!("there is no ledger {ledger:?}; ListLedgers names them");
            Failure::new(Reason::UnknownLedger, message)
        }
        ApiError::UnknownKey { view, key, freshness } => {
            let message = format!("the view {view} has nothing under {key:?}");
            let seen = More::Seen(super::views::freshness(&freshness));
            Failure::new(Reason::UnknownKey, message).with(seen)
        }
        ApiError::Conflict(conflict) => Failure::new(Reason::Conflict, conflict.to_string())
            .with(More::Conflict((*conflict).into())),
        ApiError::Changed { now } => {
            let message = format!("the stream has changed; it is {now} now");
            Failure::new(Reason::Conflict, message)
        }
        ApiError::Busy { what } => {
            let message = format!("the server has as many {what} as it takes; try again soon");
            Failure::new(Reason::Busy, message)
        }
        ApiError::Unauthenticated => {
            Failure::new(Reason::Unauthenticated, "a good token is needed")
        }
        ApiError::Forbidden { problem } => Failure::new(Reason::Forbidden, problem),
        ApiError::Group(error) => {
            let reason = match &error {
                GroupError::Unknown { .. } => Reason::UnknownGroup,
                // This face makes no groups, and requeues nothing.
                _ => Reason::Bug,
            };
            Failure::new(reason, error.to_string())
        }
        ApiError::NotSetUp { problem } => Failure::new(Reason::Unavailable, problem),
        ApiError::Stopping => stopping(),
        ApiError::Fault(fault) => of_fault(fault),
    }
}

/// What is said to whoever asks, or listens, when the server ends.
pub(super) fn stopping() -> Failure {
    Failure::new(Reason::Unavailable, "the server is stopping; try again")
}

fn of_fault(fault: Fault) -> Failure {
    let message = fault.to_string();
    let (reason, more) = match fault {
        Fault::Invalid(invalid) => return invalid.into(),
        Fault::Unknown { what: "command", .. } => (Reason::UnknownCommand, None),
        Fault::Unknown { what: "view", .. } => (Reason::UnknownView, None),
        Fault::Unknown { .. } => (Reason::UnknownLedger, None),
        Fault::KeyReused { key, position } => {
            let said = v1::KeyReused { key, position: position.0 };
            (Reason::KeyReused, Some(More::KeyReused(said)))
        }
        Fault::Conflict { last, .. } => (Reason::Contended, Some(More::Conflict((*last).into()))),
        Fault::StreamEnded(_) => (Reason::StreamEnded, None),
        Fault::Timeout { view, position, wanted } => {
            let said = v1::ViewBehind { view, position: position.0, wanted: wanted.0 };
            (Reason::ViewBehind, Some(More::ViewBehind(said)))
        }
        Fault::Full(_) => (Reason::Full, None),
        Fault::OutcomeUnknown(_) => (Reason::OutcomeUnknown, None),
        Fault::ReadOnly(_) => (Reason::ReadOnly, None),
        Fault::Corrupt(_) | Fault::Unreadable(_) => (Reason::Damaged, None),
        Fault::Unavailable(_) | Fault::View { .. } | Fault::Locked { .. } => {
            (Reason::Unavailable, None)
        }
        // What can only happen when a directory is opened is no answer to a request.
        _ => (Reason::Bug, None),
    };
    Failure { reason, message, more }
}
