//! Every "no" of this protocol: a gRPC status whose details are an `ErrorResponse`. The published
//! clients make their exceptions of the details, and without details of the status.

use bytes::Bytes;
use factum::Fault;
use factum_store::Invalid;
use prost::Message;
use tonic::{Code, Status};

use super::{
    v1::{ErrorResponse, error_response::ErrorType},
    wire::Malformed,
};
use crate::api::{ApiError, AppendRefused};

/// A request that can't be taken as it is.
#[derive(Debug)]
pub(super) enum Refused {
    Malformed(Malformed),
    Invalid(Invalid),
}

impl Refused {
    /// The same, of a field that lies within `parent`.
    pub(super) fn within(self, parent: &str) -> Self {
        match self {
            Self::Invalid(invalid) => Self::Invalid(invalid.within(parent)),
            malformed => malformed,
        }
    }
}

impl From<Malformed> for Refused {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl From<Invalid> for Refused {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Malformed(Malformed(problem)) => {
                let message = format!("the request can't be read: {problem}");
                status(Code::InvalidArgument, ErrorType::Serialization, message)
            }
            Refused::Invalid(invalid) => {
                status(Code::InvalidArgument, ErrorType::InvalidArgument, invalid.to_string())
            }
        }
    }
}

/// Why nothing was appended.
pub(super) fn of_append(refused: AppendRefused) -> Status {
    match refused {
        AppendRefused::NotBeyond { .. } => {
            status(Code::FailedPrecondition, ErrorType::Integrity, refused.to_string())
        }
        AppendRefused::Api(error) => of(error),
    }
}

/// Why something can't be answered with "yes".
pub(crate) fn of(error: ApiError) -> Status {
    use ErrorType as Type;
    let (code, error_type, message) = match error {
        ApiError::UnknownLedger { ledger } => {
            let message = format!("there is no ledger {ledger:?}; create it first");
            (Code::NotFound, Type::InvalidArgument, message)
        }
        ApiError::Conflict(conflict) => {
            (Code::FailedPrecondition, Type::Integrity, conflict.to_string())
        }
        ApiError::Changed { now } => {
            let message = format!("the stream has changed; it is {now} now");
            (Code::FailedPrecondition, Type::Integrity, message)
        }
        ApiError::Busy { what } => {
            let message = format!("the server has as many {what} as it takes; try again");
            (Code::ResourceExhausted, Type::Io, message)
        }
        ApiError::Unauthenticated => return unauthenticated(),
        ApiError::Forbidden { problem } => (Code::PermissionDenied, Type::Authentication, problem),
        // This face has no groups.
        ApiError::Group(error) => (Code::Internal, Type::Io, error.to_string()),
        ApiError::NotSetUp { problem } => (Code::Unavailable, Type::Io, problem),
        ApiError::Stopping => return stopping(None),
        ApiError::UnknownKey { view, key, .. } => {
            let message = format!("the view {view} has nothing under {key:?}");
            (Code::NotFound, Type::InvalidArgument, message)
        }
        ApiError::Fault(fault) => of_fault(&fault),
    };
    status(code, error_type, message)
}

fn of_fault(fault: &Fault) -> (Code, ErrorType, String) {
    use ErrorType as Type;
    let (code, error_type) = match fault {
        Fault::Invalid(_) => (Code::InvalidArgument, Type::InvalidArgument),
        Fault::StreamEnded(_) | Fault::Conflict { .. } => {
            (Code::FailedPrecondition, Type::Integrity)
        }
        Fault::Unavailable(_) | Fault::Locked { .. } => (Code::Unavailable, Type::Io),
        Fault::Full(_) => (Code::ResourceExhausted, Type::Io),
        Fault::OutcomeUnknown(_) => (Code::Unknown, Type::Io),
        Fault::Corrupt(_) => (Code::DataLoss, Type::Corruption),
        _ => (Code::Internal, Type::Internal),
    };
    if code == Code::Internal || code == Code::DataLoss {
        tracing::warn!("{fault}");
    }
    (code, error_type, fault.to_string())
}

/// Nobody knows who asks.
pub(super) fn unauthenticated() -> Status {
    let message = "who asks is not known: send an API key that this server knows";
    status(Code::Unauthenticated, ErrorType::Authentication, message.into())
}

/// The name of a ledger is no text.
pub(super) fn ledger_name() -> Status {
    let message = "factum-ledger is not readable as text; it is the name of a ledger";
    status(Code::InvalidArgument, ErrorType::InvalidArgument, message.into())
}

/// An event that no published client takes.
pub(super) fn too_large(position: u64, bytes: usize) -> Status {
    let message = format!(
        "the event at position {position} takes {bytes} bytes in this protocol, whose clients take \
         4 MiB; read it over HTTP"
    );
    status(Code::OutOfRange, ErrorType::Io, message)
}

/// The server ends; a stream of events was sent up to this position. Without details, so that clients
/// take it for what it is: a server that they have lost.
pub(super) fn stopping(position: Option<u64>) -> Status {
    let sent = position.map(|position| format!("; what was sent ends at position {position}"));
    Status::unavailable(format!("the server is stopping{}", sent.unwrap_or_default()))
}

/// The ledger is there no more; what was sent of it ends at this position.
pub(super) fn deleted(position: Option<u64>) -> Status {
    let sent = position.map(|position| format!("; what was sent ends at position {position}"));
    let message = format!("the ledger was deleted{}", sent.unwrap_or_default());
    status(Code::NotFound, ErrorType::InvalidArgument, message)
}

fn status(code: Code, error_type: ErrorType, message: String) -> Status {
    let details = ErrorResponse { message: message.clone(), error_type: error_type.into() };
    let details = Bytes::from(details.encode_to_vec());
    match code {
        Code::ResourceExhausted => {
            Status::with_details_and_metadata(code, message, details, factum_proto::later())
        }
        _ => Status::with_details(code, message, details),
    }
}
