//! [`Fault`]: everything that goes wrong and is not a business "no"; [`RunError`]: either of them.
//!
//! Each is a sentence that says what to try.

use factum_domain::{ApplyError, EncodeError};
use factum_store::{AppendError, Conflict, Invalid, Position, ReadError, ViewError};

/// Why a command did not run to its end.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RunError<R> {
    /// The domain says no: part of the contract.
    #[error("{0}")]
    Refused(R),
    /// Everything else.
    #[error("{0}")]
    Fault(#[from] Fault),
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The request can't be accepted as it is. Nothing was changed.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// There is nothing of this name.
    #[error("there is no {what} {name:?}{}", Known(.known))]
    Unknown {
        /// `ledger`, `command`, `view`.
        what: &'static str,
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// There is something of this name already.
    #[error("there is a {what} {name:?} already")]
    Exists {
        /// `ledger`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// Somebody works with what is to be deleted.
    #[error("{0}")]
    InUse(String),
    /// The key was used before, for another request. Nothing was changed.
    #[error(
        "the idempotency key {key:?} was used for another request, recorded at position {position}; use a new key for a new request"
    )]
    KeyReused {
        /// The key.
        key: String,
        /// Where the other request was recorded.
        position: Position,
    },
    /// Others changed what the decision read, each time it was tried. Nothing was changed.
    #[error(
        "{command} was tried {attempts} times, and each time others had changed what it read ({last}); try again later"
    )]
    Conflict {
        /// The command.
        command: String,
        /// How often it was decided.
        attempts: u32,
        /// The last conflict.
        last: Box<Conflict>,
    },
    /// The stream was ended for ever. Nothing was changed.
    #[error("{0}")]
    StreamEnded(String),
    /// The ledger or the view store can't be used now.
    #[error("{0}")]
    Unavailable(String),
    /// The disk has no room.
    #[error("no room on the disk: {0}; make room, then open it again")]
    Full(String),
    /// The events may or may not have been recorded.
    #[error(
        "whether it was recorded is not known: {0}; read back, or run it again with the same key"
    )]
    OutcomeUnknown(String),
    /// Bytes are damaged: which file, at what offset, around which position.
    #[error("{0}")]
    Corrupt(String),
    /// An event was recorded that this program can't read.
    #[error("{0}")]
    Unreadable(#[from] ApplyError),
    /// The view had not applied what was asked for when the deadline passed.
    #[error(
        "view {view} stands at {position} and had not applied {wanted} within the deadline; ask again, or with a longer deadline"
    )]
    Timeout {
        /// The view.
        view: String,
        /// Where it stands.
        position: Position,
        /// What was asked for.
        wanted: Position,
    },
    /// A view can't be kept: an event or statement fails. It is tried again until it succeeds.
    #[error("view {view} stands still: {problem}")]
    View {
        /// The view.
        view: String,
        /// Why.
        problem: String,
    },
    /// Another process has the data directory.
    #[error("{dir} is in use by {holder}; ask that process, or stop it first")]
    Locked {
        /// The directory.
        dir: String,
        /// What the holder says of itself: process id and, for a server, its address.
        holder: String,
    },
    /// The files were written by a newer Factum.
    #[error(
        "{path} has format {found}, and this program knows formats up to {supported}; use a newer factum"
    )]
    NewerFormat {
        /// The file.
        path: String,
        /// Its format.
        found: u32,
        /// The newest known.
        supported: u32,
    },
    /// The directory holds something else.
    #[error("{0} is not a data directory of Factum; name an empty or a new directory")]
    NotADataDirectory(String),
    /// The directory is a backup.
    #[error(
        "{0} is a backup, which only `backup` writes to; restore it into a new directory, or only read it"
    )]
    IsABackup(String),
    /// The directory can't be written.
    #[error("{0} can't be written; check its permissions and that it is not mounted read-only")]
    ReadOnly(String),
    /// The URL names a store that this build can't open.
    #[error("{url} can't be opened: {problem}")]
    Unsupported {
        /// The URL.
        url: String,
        /// Why, and what can be opened.
        problem: String,
    },
    /// A mistake in this program or in Factum.
    #[error("{0}; this is a bug")]
    Bug(String),
}

struct Known<'a>(&'a [String]);

impl std::fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, "; there is {}", self.0.join(", "))
    }
}

impl From<AppendError> for Fault {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Invalid(invalid) => Self::Invalid(invalid),
            AppendError::Conflict(last) => {
                Self::Conflict { command: "append".into(), attempts: 1, last }
            }
            AppendError::KeyReused { key, position } => Self::KeyReused { key, position },
            AppendError::StreamTombstoned { .. } => Self::StreamEnded(error.to_string()),
            AppendError::Unavailable(_) => Self::Unavailable(error.to_string()),
            AppendError::Full(what) => Self::Full(what),
            AppendError::OutcomeUnknown(what) => Self::OutcomeUnknown(what),
            AppendError::Corrupt(what) => Self::Corrupt(what),
        }
    }
}

impl From<ReadError> for Fault {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Invalid(invalid) => Self::Invalid(invalid),
            ReadError::Unavailable(_) => Self::Unavailable(error.to_string()),
            ReadError::Corrupt(what) => Self::Corrupt(what),
        }
    }
}

impl From<ViewError> for Fault {
    fn from(error: ViewError) -> Self {
        match error {
            ViewError::Invalid(invalid) => Self::Invalid(invalid),
            ViewError::Unknown(name) => Self::Unknown { what: "view", name, known: Vec::new() },
            ViewError::Statement { view, problem } => Self::View { view, problem },
            ViewError::Checkpoint { .. } | ViewError::Unavailable(_) => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}

impl From<EncodeError> for Fault {
    fn from(error: EncodeError) -> Self {
        Self::Bug(error.to_string())
    }
}
