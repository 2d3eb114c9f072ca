//! The engine's errors, and their one mapping to the port's.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use factum_store::{AppendError, Invalid, Position, ReadError};

use crate::{index::IndexError, log::PackedDamage};

/// What went wrong, as a sentence that says what to try.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The request can't be accepted as it is.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// Another process has the data directory.
    #[error("{dir} is in use by {holder}; ask that process, or stop it first", dir = .dir.display())]
    Locked {
        /// The directory.
        dir: PathBuf,
        /// What the holder says of itself.
        holder: String,
    },
    /// A file was written by a newer version.
    #[error("{path} has format {found}; this program knows formats up to {supported}: use a newer one", path = .path.display())]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that is known.
        supported: u32,
    },
    /// The directory holds something else.
    #[error("{dir} is not a data directory; name an empty or a new directory", dir = .0.display())]
    NotADataDirectory(PathBuf),
    /// The directory is a backup: it is restored, or read, and never written to.
    #[error("{dir} is a backup, which only `backup` writes to; restore it into a new directory, or only read it", dir = .0.display())]
    IsABackup(PathBuf),
    /// The directory is no backup that can be used.
    #[error("{dir} {problem}", dir = .dir.display())]
    NotABackup {
        /// The directory.
        dir: PathBuf,
        /// Why not, and what to try.
        problem: &'static str,
    },
    /// The directory can't be written.
    #[error("{dir} can't be written; check its permissions, and that it is not mounted read-only", dir = .0.display())]
    ReadOnly(PathBuf),
    /// The disk has no room.
    #[error("no room: {0}")]
    Full(String),
    /// Bytes are damaged (G10).
    #[error("{0}")]
    Damaged(Damage),
    /// An index file is damaged: it is built again from the log.
    #[error("{0}")]
    Index(IndexError),
    /// An earlier write or sync failed; nothing is acknowledged until the ledger is opened again.
    #[error("an earlier write failed ({0}); close the ledger and open it again")]
    Poisoned(String),
    /// One at a time.
    #[error("a compaction of this ledger is under way; wait for it")]
    Compacting,
    /// Whoever asked for long work has said that it is enough.
    #[error("it was stopped before its end; nothing that was there before has changed")]
    Stopped,
    /// Somebody works with the ledger that is to be deleted.
    #[error("the ledger {0} is in use; close what works with it, then delete it")]
    InUse(String),
    /// The machine says no.
    #[error("{doing} {path}: {source}", path = .path.display())]
    Io {
        /// What was being done: `reading`.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// Why not.
        source: Arc<io::Error>,
    },
}

/// Damaged bytes: where, and what is wrong with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which file.
    pub file: String,
    /// At what byte.
    pub offset: u64,
    /// The position that was expected there.
    pub position: Position,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, offset, position, what } = self;
        write!(
            f,
            "{file} is damaged at byte {offset}, around position {position}: {what}; restore the \
             file from a backup"
        )
    }
}

impl EngineError {
    /// `path` could not be worked with: `doing` it failed.
    pub(crate) fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let damaged = source.get_ref().and_then(|inner| inner.downcast_ref::<PackedDamage>());
        if let Some(PackedDamage { offset, position, what }) = damaged {
            let (file, what) = (path.display().to_string(), (*what).to_owned());
            return Self::Damaged(Damage { file, offset: *offset, position: *position, what });
        }
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::Full(format!("{doing} {}: {source}", path.display()))
            }
            io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
                Self::ReadOnly(path.to_owned())
            }
            _ => Self::Io { doing, path: path.to_owned(), source: Arc::new(source) },
        }
    }
}

impl EngineError {
    /// The same damage, met on the way to a position: more precise than its segment's first.
    pub(crate) fn at(mut self, position: Position) -> Self {
        if let Self::Damaged(damage) = &mut self {
            damage.position = position;
        }
        self
    }
}

impl From<IndexError> for EngineError {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

impl From<EngineError> for ReadError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Invalid(invalid) => Self::Invalid(invalid),
            EngineError::Damaged(_) | EngineError::Index(_) => Self::Corrupt(error.to_string()),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

impl From<EngineError> for AppendError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Invalid(invalid) => Self::Invalid(invalid),
            EngineError::Damaged(_) | EngineError::Index(_) => Self::Corrupt(error.to_string()),
            EngineError::Full(what) => Self::Full(what),
            other => Self::Unavailable(other.to_string()),
        }
    }
}
