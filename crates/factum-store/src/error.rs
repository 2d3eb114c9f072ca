//! Errors: one enum for each kind of call, with only what a caller can act on.
//!
//! A port's implementation keeps its own errors and maps them here once. Nothing of any storage's
//! insides is in this vocabulary.

use crate::{Conflict, Invalid, Position, Revision, StreamName};

/// Why an append was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The request can't be accepted as it is. Nothing was written.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// A condition did not hold. Nothing was written: read again and decide again.
    #[error("{0}")]
    Conflict(Box<Conflict>),
    /// The key was used before, for another request. Nothing was written.
    #[error(
        "the idempotency key {key:?} was used for another request, recorded at position {position}; use a new key for a new request"
    )]
    KeyReused {
        /// The key.
        key: String,
        /// Where the other request was recorded.
        position: Position,
    },
    /// The stream was ended for ever. Nothing was written, and nothing ever will be.
    #[error("stream {stream} was ended by a tombstone at revision {revision}; use another stream")]
    StreamTombstoned {
        /// Which stream.
        stream: StreamName,
        /// The tombstone's revision.
        revision: Revision,
    },
    /// The ledger can't append now. Nothing was written: try later.
    #[error("the ledger can't append: {0}")]
    Unavailable(String),
    /// The disk has no room. Nothing was acknowledged: make room, then reopen.
    #[error("no room on the disk: {0}")]
    Full(String),
    /// The events may or may not have been written. Read back before trying again, or try again
    /// with the same key.
    #[error("whether the append was recorded is not known: {0}")]
    OutcomeUnknown(String),
    /// Bytes that were needed to decide are damaged (G10).
    #[error("{0}")]
    Corrupt(String),
}

/// Why events could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The request can't be accepted as it is.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// The ledger can't be read now: try later.
    #[error("the ledger can't be read: {0}")]
    Unavailable(String),
    /// Bytes are damaged: which file, at what offset, around which position (G10).
    #[error("{0}")]
    Corrupt(String),
}

/// Why a view could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ViewError {
    /// The request can't be accepted as it is.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// There is no view of this name.
    #[error("there is no view {0:?}")]
    Unknown(String),
    /// The checkpoint is not where the batch expected it: somebody else projects this view.
    #[error("view {view} stands at {actual}, not at {expected}: another projector writes it")]
    Checkpoint {
        /// The view.
        view: String,
        /// Where the batch expected it.
        expected: Position,
        /// Where it is.
        actual: Position,
    },
    /// A statement failed, or may not be used in a view (it is not deterministic).
    #[error("view {view}: {problem}")]
    Statement {
        /// The view.
        view: String,
        /// What the store says.
        problem: String,
    },
    /// The store can't be reached or written now: try later.
    #[error("the view store can't be used: {0}")]
    Unavailable(String),
}
