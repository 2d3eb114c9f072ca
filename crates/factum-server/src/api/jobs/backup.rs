//! Backups of all ledgers, made while they are used. Clients give them names; the directory that
//! they lie in is the server's own choice, and no name leads out of it.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
    sync::Arc,
};

use factum::{Backup, Fault, LedgerFacts};
use factum_store::{Invalid, Timestamp};
use tokio::sync::watch;

use super::{Api, ApiError, Job, Outcome, Task};
use crate::{access::Principal, plain_name::plain_name};

/// Backups that a list has at most.
const LISTED_MAX: usize = 1_000;

/// What a backup is called: one plain name, which is a directory's.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BackupName(String);

/// A backup that is to be made.
pub(crate) struct MakeBackup {
    pub(crate) name: BackupName,
    /// Whether to read all of it again, and compare it with its checksums.
    pub(crate) compare: bool,
}

/// A backup that is there; or why it can't be used.
pub(crate) struct BackupKept {
    pub(crate) name: BackupName,
    pub(crate) found: Result<BackupFacts, String>,
}

/// What a backup holds.
pub(crate) struct BackupFacts {
    pub(crate) made_at: Timestamp,
    pub(crate) bytes: u64,
    pub(crate) ledgers: Vec<LedgerFacts>,
}

impl Api {
    /// Begins to back all ledgers up: anew, or what is new since the last time under this name.
    pub(crate) async fn back_up(
        &self,
        principal: &Principal,
        request: MakeBackup,
        stopping: watch::Receiver<bool>,
    ) -> Result<Arc<Job>, ApiError> {
        self.steering(principal, "backups are")?;
        let MakeBackup { name, compare } = request;
        let store = self.store_of_its_own()?.clone();
        let to = self.place_for_backups().await?.join(name.as_str());
        self.audit(|audit| audit.administered(principal.name(), "*"));
        let place = self.bulkheads.backups.enter().await?;
        self.begin(principal, Task::Backup { name }, stopping, place, move |job| {
            let report = store.backup_while(&to, |done, all| job.told("copying", done, all))?;
            let damage = match compare {
                false => None,
                true => {
                    let progress = |done, all| job.told("comparing", done, all);
                    Some(Backup::open(&to)?.check_while(progress)?)
                }
            };
            Ok(Outcome::BackedUp(report, damage))
        })
    }

    /// The backups that there are, by name.
    pub(crate) async fn backups(&self, principal: &Principal) -> Result<Vec<BackupKept>, ApiError> {
        self.steering(principal, "backups are")?;
        let dir = self.place_for_backups().await?;
        Ok(self.bulkheads.queries.run(async move { list(&dir) }).await??)
    }

    /// The directory of the backups.
    async fn place_for_backups(&self) -> Result<PathBuf, ApiError> {
        let data = self.store_of_its_own()?.dir().to_owned();
        let dir = self.backup_dir.clone().ok_or_else(|| {
            not_set_up("this server has no place for backups; set backup_dir".to_owned())
        })?;
        self.bulkheads.queries.run(async move { outside(&dir, &data) }).await?
    }
}

/// The directory, which has to be there, for a disk that is not mounted must not be taken for an
/// empty one; and has to lie outside of the data.
fn outside(dir: &Path, data: &Path) -> Result<PathBuf, ApiError> {
    let missing = |error: io::Error| not_set_up(format!("backup_dir can't be used: {error}"));
    let dir = fs::canonicalize(dir).map_err(missing)?;
    match dir.starts_with(fs::canonicalize(data).map_err(missing)?) {
        true => Err(not_set_up("backup_dir lies in the data directory".to_owned())),
        false => Ok(dir),
    }
}

fn not_set_up(problem: String) -> ApiError {
    ApiError::NotSetUp { problem }
}

fn list(dir: &Path) -> Result<Vec<BackupKept>, Fault> {
    let failed = |error: io::Error| Fault::Unavailable(format!("backup_dir: {error}"));
    let entries = fs::read_dir(dir).map_err(failed)?;
    let named = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut names: Vec<BackupName> = named.collect();
    names.sort();
    names.truncate(LISTED_MAX);
    let kept = |name: BackupName| {
        let found = Backup::open(&dir.join(name.as_str())).map(|backup| BackupFacts {
            made_at: backup.made_at(),
            bytes: backup.bytes(),
            ledgers: backup.ledgers(),
        });
        BackupKept { name, found: found.map_err(|fault| fault.to_string()) }
    };
    Ok(names.into_iter().map(kept).collect())
}

impl BackupName {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackupName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BackupName {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        plain_name("name", text).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_directory() {
        for text in ["", ".", "..", "a/b", "/a", "a\\b", "-a", "A", "a.b", "a\0", &"a".repeat(65)] {
            assert!(text.parse::<BackupName>().is_err(), "{text:?}");
        }
        assert!("nightly-2".parse::<BackupName>().is_ok());
    }
}
