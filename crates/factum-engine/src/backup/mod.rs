//! Backups: a copy of a data directory's ledgers, each up to a position that was known durable, and
//! a manifest that says what is in it. `FORMAT.md` has the manifest byte by byte.
//!
//! ```text
//!   <backup>/BACKUP                       "factum backup 1\n": written first
//!   <backup>/ledgers/<name>/<first>.log   segments, cut at what is known durable
//!   <backup>/ledgers/<name>/<first>.idx   indexes of closed segments, where there were any
//!   <backup>/FORMAT                       as in a data directory: it can be read like one
//!   <backup>/MANIFEST                     what a backup holds: written last, replaced whole
//! ```
//!
//! * A backup holds no event that its source could still lose (G2).
//! * What the manifest speaks of is durable before the manifest is, and stays as it is until the
//!   next manifest is: the last whole backup can always be restored. Segments only grow, so what
//!   one manifest needs is the beginning of what the next one needs.
//! * Every byte is compared with its checksum before it is restored (G10).

mod check;
mod ends;
mod manifest;
mod restore;
mod source;
mod write;

use std::path::{Path, PathBuf};

pub use check::Backup;
pub use manifest::LedgerFacts;
pub use restore::{Restore, RestoreReport};
pub use write::BackupReport;

use crate::{data_dir::LEDGERS, error::Damage};

/// Says that a directory is a backup, whole or not.
pub(crate) const MARKER: &str = "BACKUP";
const MANIFEST: &str = "MANIFEST";

/// Told how many bytes are done, and how many there are.
pub(crate) type Progress<'a> = &'a mut dyn FnMut(u64, u64);

/// Where a ledger's files are, below a data directory or a backup.
fn ledger_dir(dir: &Path, name: &str) -> PathBuf {
    dir.join(LEDGERS).join(name)
}

/// A file that is not what the manifest says.
fn not_as_written(path: &Path, entry: &manifest::Entry, what: &str) -> Damage {
    let file = path.display().to_string();
    Damage { file, offset: 0, position: entry.last, what: what.to_owned() }
}
