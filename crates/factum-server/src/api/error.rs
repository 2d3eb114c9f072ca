//! [`ApiError`]: why something can't be answered with "yes". A refusal by the domain is none of
//! these: it is what a command came to.

use factum::{Fault, Freshness};
use factum_store::{AppendError, Conflict, Invalid, Position, ReadError};

use crate::{access::YOUR_RIGHTS, metrics::Ending};

#[derive(Debug)]
pub(crate) enum ApiError {
    /// Who asks is not known.
    Unauthenticated,
    /// Who asks is known, and may not.
    Forbidden { problem: String },
    /// There is no ledger of this name.
    UnknownLedger { ledger: String },
    /// The view has nothing under this key, as fresh as it is.
    UnknownKey { view: String, key: String, freshness: Freshness },
    /// What is asked of a consumer group can't be done.
    Group(GroupError),
    /// The stream is not as the request expects it to be.
    Changed { now: String },
    /// A condition of an append did not hold.
    Conflict(Box<Conflict>),
    /// All places for requests of this kind are taken.
    Busy { what: &'static str },
    /// The server is ending.
    Stopping,
    /// The server is not set up for it.
    NotSetUp { problem: String },
    /// Everything that the framework says.
    Fault(Fault),
}

/// Why something can't be done with a consumer group.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GroupError {
    #[error("the ledger {ledger} has no group {group:?}")]
    Unknown { ledger: String, group: String },
    #[error("there is a group {group} already")]
    Exists { group: String },
    #[error("the ledger {ledger} has {max} groups, as many as it may")]
    Full { ledger: String, max: usize },
    #[error("no event is parked at {position} in the group {group}")]
    NotParked { group: String, position: Position },
}

impl From<GroupError> for ApiError {
    fn from(error: GroupError) -> Self {
        Self::Group(error)
    }
}

impl From<Fault> for ApiError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Invalid(invalid) if invalid.field == YOUR_RIGHTS => {
                Self::Forbidden { problem: invalid.to_string() }
            }
            fault => Self::Fault(fault),
        }
    }
}

impl From<AppendError> for ApiError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict(conflict) => Self::Conflict(conflict),
            error => Fault::from(error).into(),
        }
    }
}

impl From<ReadError> for ApiError {
    fn from(error: ReadError) -> Self {
        Fault::from(error).into()
    }
}

impl From<Invalid> for ApiError {
    fn from(invalid: Invalid) -> Self {
        Fault::from(invalid).into()
    }
}

impl ApiError {
    /// What metrics call it.
    pub(crate) fn ending(&self) -> Ending {
        match self {
            Self::Conflict(_) | Self::Fault(Fault::Conflict { .. }) => "conflict",
            Self::Busy { .. } => "busy",
            Self::Fault(Fault::Invalid(_) | Fault::KeyReused { .. } | Fault::StreamEnded(_)) => {
                "invalid"
            }
            Self::UnknownLedger { .. } | Self::UnknownKey { .. } => "unknown",
            Self::Fault(Fault::Timeout { .. }) => "behind",
            Self::Fault(Fault::OutcomeUnknown(_)) => "outcome_unknown",
            _ => "failed",
        }
    }
}
