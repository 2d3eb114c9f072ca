//! SQLite's errors, mapped once to what a caller can act on.

use factum_store::{ViewError, ViewName};
use rusqlite::ErrorCode;

/// What `view`'s store can't do, from what SQLite says.
pub(crate) fn unavailable(view: &ViewName, error: &rusqlite::Error) -> ViewError {
    let advice = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full; make room and try again",
        Some(ErrorCode::ReadOnly) => "its file can't be written; check the directory's permissions",
        Some(ErrorCode::CannotOpen) => "its file can't be opened; check the directory",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "another process uses its file; close that process"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "its file is damaged; delete it, it is built again from the ledger"
        }
        _ => "delete the view's file to have it built again from the ledger",
    };
    ViewError::Unavailable(format!("view {view}: {error}; {advice}"))
}

/// A projector's statement failed.
pub(crate) fn statement(view: &ViewName, problem: impl Into<String>) -> ViewError {
    ViewError::Statement { view: view.to_string(), problem: problem.into() }
}

/// Whether the file itself is unusable, so that only building it again helps.
pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}
