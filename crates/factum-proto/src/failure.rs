//! [`Failure`]: why a call failed, with its reason for programs: as a status with details, as a part
//! of a stream's answers, and back. The table of reasons is part of the interface.

use factum_store::{
    AppendError, Condition, Conflict, EventType, Invalid, Offence, Position, ReadError, Revision,
    StreamName,
};
use prost::Message;
use tonic::{
    Code, Status,
    metadata::{MetadataMap, MetadataValue},
};

use crate::v1::{self, error::More};

/// Why a call failed. The names on the wire never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Nobody knows who asks.
    Unauthenticated,
    /// Whoever asks may not.
    Forbidden,
    /// There is no such ledger.
    UnknownLedger,
    /// There is no such command.
    UnknownCommand,
    /// There is no such view.
    UnknownView,
    /// There is no such consumer group.
    UnknownGroup,
    /// The view has no such row.
    UnknownKey,
    /// A part of the request can't be accepted.
    Invalid,
    /// A condition does not hold.
    Conflict,
    /// Others kept changing what the command reads.
    Contended,
    /// The key stands for another request.
    KeyReused,
    /// The stream was ended for ever.
    StreamEnded,
    /// The view has not seen enough in time.
    ViewBehind,
    /// Too many at once.
    Busy,
    /// Not now.
    Unavailable,
    /// It may or may not have been recorded.
    OutcomeUnknown,
    /// The ledger can't be written.
    ReadOnly,
    /// No room on the disk.
    Full,
    /// Bytes are damaged.
    Damaged,
    /// A mistake of the server's own.
    Bug,
}

impl Reason {
    /// The table: each reason, its name on the wire and its status.
    pub const TABLE: [(Self, &'static str, Code); 20] = [
        (Self::Unauthenticated, "unauthenticated", Code::Unauthenticated),
        (Self::Forbidden, "forbidden", Code::PermissionDenied),
        (Self::UnknownLedger, "unknown-ledger", Code::NotFound),
        (Self::UnknownCommand, "unknown-command", Code::NotFound),
        (Self::UnknownView, "unknown-view", Code::NotFound),
        (Self::UnknownGroup, "unknown-group", Code::NotFound),
        (Self::UnknownKey, "unknown-key", Code::NotFound),
        (Self::Invalid, "invalid", Code::InvalidArgument),
        (Self::Conflict, "conflict", Code::Aborted),
        (Self::Contended, "contended", Code::Aborted),
        (Self::KeyReused, "key-reused", Code::AlreadyExists),
        (Self::StreamEnded, "stream-ended", Code::FailedPrecondition),
        (Self::ViewBehind, "view-behind", Code::Unavailable),
        (Self::Busy, "busy", Code::ResourceExhausted),
        (Self::Unavailable, "unavailable", Code::Unavailable),
        (Self::OutcomeUnknown, "outcome-unknown", Code::Unknown),
        (Self::ReadOnly, "read-only", Code::FailedPrecondition),
        (Self::Full, "full", Code::ResourceExhausted),
        (Self::Damaged, "damaged", Code::DataLoss),
        (Self::Bug, "bug", Code::Internal),
    ];

    /// Its name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::TABLE[self as usize].1
    }

    /// The status that it comes with.
    #[must_use]
    pub fn code(self) -> Code {
        Self::TABLE[self as usize].2
    }

    /// The reason of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }
}

const _: () = {
    let mut i = 0;
    while i < Reason::TABLE.len() {
        assert!(Reason::TABLE[i].0 as usize == i, "a row stands in the wrong place");
        i += 1;
    }
};

/// Why a call failed.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// For programs.
    pub reason: Reason,
    /// For people.
    pub message: String,
    /// What belongs to the reason, if anything does.
    pub more: Option<More>,
}

/// `google.rpc.Status`, which the details of a status are by convention.
#[derive(Clone, PartialEq, Message)]
struct Details {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// Bytes of a status' message. A status is part of a head, and clients take 16 KiB of those.
const MESSAGE_BYTES_MAX: usize = 1_024;
/// How the details of a status name a `factum.v1.Error`.
const TYPE_URL: &str = "type.googleapis.com/factum.v1.Error";

impl Failure {
    /// A failure that has no more than a reason.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), more: None }
    }

    /// The same with what belongs to the reason.
    #[must_use]
    pub fn with(mut self, more: More) -> Self {
        self.more = Some(more);
        self
    }

    /// The failure that a status says. One that comes from elsewhere (the protocol, the network, a
    /// proxy) has no reason of ours; then it is what its code is most like.
    #[must_use]
    pub fn of(status: &Status) -> Self {
        let details = Details::decode(status.details()).unwrap_or_default().details;
        let error = details.into_iter().find(|any| any.type_url == TYPE_URL);
        let error = error.and_then(|any| v1::Error::decode(&any.value[..]).ok());
        Self::said(status.code(), status.message().to_owned(), error)
    }

    fn said(code: Code, message: String, error: Option<v1::Error>) -> Self {
        if let Some(error) = error
            && let Some(reason) = Reason::of(&error.reason)
        {
            return Self { reason, message, more: error.more };
        }
        let reason = match code {
            Code::Unauthenticated => Reason::Unauthenticated,
            Code::PermissionDenied => Reason::Forbidden,
            Code::InvalidArgument | Code::OutOfRange | Code::Unimplemented => Reason::Invalid,
            Code::ResourceExhausted => Reason::Busy,
            Code::DataLoss => Reason::Damaged,
            Code::Unavailable => Reason::Unavailable,
            _ => Reason::OutcomeUnknown,
        };
        let message = if message.is_empty() { code.description().to_owned() } else { message };
        Self::new(reason, message)
    }

    fn error(self) -> v1::Error {
        v1::Error { reason: self.reason.name().to_owned(), more: self.more }
    }

    /// Why an append with these conditions was not acknowledged.
    #[must_use]
    pub fn append_error(self, conditions: &[Condition]) -> AppendError {
        let message = self.message;
        match (self.reason, self.more) {
            (Reason::Invalid, more) => AppendError::Invalid(invalid(more, message)),
            (Reason::Conflict, Some(More::Conflict(said))) => {
                let at = usize::try_from(said.index).ok();
                match at.and_then(|at| conditions.get(at)) {
                    Some(failed) => AppendError::Conflict(Box::new(conflict(said, failed))),
                    None => AppendError::Unavailable(message),
                }
            }
            (Reason::KeyReused, Some(More::KeyReused(said))) => {
                AppendError::KeyReused { key: said.key, position: Position(said.position) }
            }
            (Reason::StreamEnded, Some(More::StreamEnded(said))) => {
                match StreamName::new(said.stream) {
                    Ok(stream) => {
                        let revision = Revision(said.revision);
                        AppendError::StreamTombstoned { stream, revision }
                    }
                    Err(_) => AppendError::Unavailable(message),
                }
            }
            (Reason::Full, _) => AppendError::Full(bare(message, "no room on the disk: ")),
            (Reason::OutcomeUnknown | Reason::Bug, _) => {
                AppendError::OutcomeUnknown(bare(message, UNKNOWN))
            }
            (Reason::Damaged, _) => AppendError::Corrupt(message),
            _ => AppendError::Unavailable(bare(message, "the ledger can't append: ")),
        }
    }

    /// Why something could not be read.
    #[must_use]
    pub fn read_error(self) -> ReadError {
        match self.reason {
            Reason::Invalid => ReadError::Invalid(invalid(self.more, self.message)),
            Reason::Damaged => ReadError::Corrupt(self.message),
            _ => ReadError::Unavailable(bare(self.message, "the ledger can't be read: ")),
        }
    }
}

const UNKNOWN: &str = "whether the append was recorded is not known: ";

/// A sentence without the words that the error at the other end says again.
fn bare(message: String, lead: &str) -> String {
    match message.strip_prefix(lead) {
        Some(rest) => rest.to_owned(),
        None => message,
    }
}

fn invalid(more: Option<More>, message: String) -> Invalid {
    match more {
        Some(More::Invalid(said)) => Invalid::new(said.field, said.problem),
        _ => Invalid::new("the request", format!("was refused: {message}")),
    }
}

fn conflict(said: v1::Conflict, failed: &Condition) -> Conflict {
    let state = said.state().said();
    let offending = said.offending.into_iter().filter_map(|one| {
        let event_type = EventType::new(one.r#type).ok()?;
        Some(Offence { position: Position(one.position), event_type })
    });
    Conflict {
        index: said.index as usize,
        failed: failed.clone(),
        head: Position(said.head),
        revision: said.revision.map(Revision),
        state,
        offending: offending.collect(),
    }
}

impl From<Conflict> for v1::Conflict {
    fn from(conflict: Conflict) -> Self {
        let offending = conflict.offending.into_iter();
        let state = conflict.state.map_or(v1::StreamState::Unspecified, Into::into);
        Self {
            index: u32::try_from(conflict.index).unwrap_or(u32::MAX),
            head: conflict.head.0,
            revision: conflict.revision.map(|revision| revision.0),
            state: state.into(),
            offending: offending
                .map(|one| v1::Offence { position: one.position.0, r#type: one.event_type.into() })
                .collect(),
        }
    }
}

impl From<Invalid> for Failure {
    fn from(invalid: Invalid) -> Self {
        let message = invalid.to_string();
        let Invalid { field, problem } = invalid;
        Self::new(Reason::Invalid, message).with(More::Invalid(v1::Invalid { field, problem }))
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        let message = error.to_string();
        let (reason, more) = match error {
            AppendError::Invalid(invalid) => return invalid.into(),
            AppendError::Conflict(conflict) => {
                (Reason::Conflict, Some(More::Conflict((*conflict).into())))
            }
            AppendError::KeyReused { key, position } => {
                let said = v1::KeyReused { key, position: position.0 };
                (Reason::KeyReused, Some(More::KeyReused(said)))
            }
            AppendError::StreamTombstoned { stream, revision } => {
                let said = v1::StreamEnded { stream: stream.into(), revision: revision.0 };
                (Reason::StreamEnded, Some(More::StreamEnded(said)))
            }
            AppendError::Unavailable(_) => (Reason::Unavailable, None),
            AppendError::Full(_) => (Reason::Full, None),
            AppendError::OutcomeUnknown(_) => (Reason::OutcomeUnknown, None),
            AppendError::Corrupt(_) => (Reason::Damaged, None),
        };
        Self { reason, message, more }
    }
}

impl From<ReadError> for Failure {
    fn from(error: ReadError) -> Self {
        let message = error.to_string();
        match error {
            ReadError::Invalid(invalid) => invalid.into(),
            ReadError::Unavailable(_) => Self::new(Reason::Unavailable, message),
            ReadError::Corrupt(_) => Self::new(Reason::Damaged, message),
        }
    }
}

/// The part of a message that fits into a head, with the details and all that is in them.
fn short(message: &str) -> String {
    match message.len() <= MESSAGE_BYTES_MAX {
        true => message.to_owned(),
        false => format!("{}…", &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)]),
    }
}

/// When to try again, as gRPC's clients understand it that have a policy for retries: in a second.
#[must_use]
pub fn later() -> MetadataMap {
    let mut metadata = MetadataMap::new();
    metadata.insert("grpc-retry-pushback-ms", MetadataValue::from_static("1000"));
    metadata
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let (reason, message) = (failure.reason, short(&failure.message));
        let code = reason.code();
        let value = failure.error().encode_to_vec();
        let details = vec![Any { type_url: TYPE_URL.to_owned(), value }];
        let details = Details { code: code as i32, message: message.clone(), details };
        let details = details.encode_to_vec().into();
        match reason {
            Reason::Busy => Self::with_details_and_metadata(code, message, details, later()),
            _ => Self::with_details(code, message, details),
        }
    }
}

impl From<Failure> for v1::Failure {
    fn from(failure: Failure) -> Self {
        let (code, message) = (failure.reason.code() as i32, failure.message.clone());
        Self { code, message, error: Some(failure.error()) }
    }
}

impl From<v1::Failure> for Failure {
    fn from(failure: v1::Failure) -> Self {
        Self::said(Code::from(failure.code), failure.message, failure.error)
    }
}
