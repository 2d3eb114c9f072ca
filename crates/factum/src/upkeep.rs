//! Backup, restore and repair of a data directory, and the end of a ledger. What is backed up is the truth, the ledgers;
//! views and snapshots are derived, and built anew by whoever opens what was restored.

use std::{
    fs, io,
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use factum_engine::Options;
pub use factum_engine::{BackupReport, LedgerFacts, Restore, RestoreReport};
use factum_store::Timestamp;

use crate::{Damage, Fault, Store};

impl Store {
    /// Backs all ledgers up into a directory of its own; a second time only what is new is copied.
    /// Others may go on appending; what was acknowledged before the call is in the backup. Views
    /// are not: they are derived. `progress` is told the bytes done and about how many there are.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] for a directory that holds something else, [`Fault::Invalid`] for a
    /// backup of something else, [`Fault::Corrupt`] when the source is damaged, [`Fault::Full`].
    /// After each of them the last whole backup is as it was.
    pub fn backup(
        &self,
        to: &Path,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<BackupReport, Fault> {
        self.backup_while(to, |done, all| {
            progress(done, all);
            ControlFlow::Continue(())
        })
    }

    /// The same, which `progress` can stop; the next backup to the same place goes on there.
    ///
    /// # Errors
    /// As [`Store::backup`]; [`Fault::Unavailable`] when it was stopped.
    pub fn backup_while(
        &self,
        to: &Path,
        mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<BackupReport, Fault> {
        Ok(self.data.backup_while(to, &mut progress)?)
    }

    /// Deletes a ledger with all its events, and what was derived from them. It is gone when this
    /// says so, and whole otherwise, whatever happens meanwhile.
    ///
    /// # Errors
    /// [`Fault::Unknown`] when there is no such ledger; [`Fault::InUse`] while it is in use;
    /// [`Fault::ReadOnly`].
    pub fn delete(&self, ledger: &str) -> Result<(), Fault> {
        let known = self.ledgers()?;
        if !known.iter().any(|name| name == ledger) {
            return Err(Fault::Unknown { what: "ledger", name: ledger.to_owned(), known });
        }
        self.data.delete_ledger(ledger)?;
        self.remove_derived(ledger)
    }

    /// Removes views and snapshots. Those of a ledger that is no more must never be taken for those
    /// of a new one of its name: so this is done before one is made, too.
    pub(crate) fn remove_derived(&self, ledger: &str) -> Result<(), Fault> {
        for part in ["views", "snapshots"] {
            let (all, dir) = (self.dir.join(part), self.dir.join(part).join(ledger));
            if dir.exists() {
                let removed =
                    fs::remove_dir_all(&dir).and_then(|()| fs::File::open(&all)?.sync_all());
                removed.map_err(|error| not_removed(&dir, &error))?;
            }
        }
        Ok(())
    }

    /// Builds a ledger's index files again where they don't fit the log, and removes what belongs
    /// to nothing. With `views` the rows and keyframes of its views and the snapshots of its folds
    /// go, too; whoever opens the application next builds them anew. A log is never touched.
    ///
    /// # Errors
    /// [`Fault::Unknown`] when there is no such ledger, [`Fault::ReadOnly`], [`Fault::Full`].
    pub fn repair(
        &self,
        ledger: &str,
        views: bool,
        dry_run: bool,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<RepairReport, Fault> {
        let known = self.ledgers()?;
        if !known.iter().any(|name| name == ledger) {
            return Err(Fault::Unknown { what: "ledger", name: ledger.to_owned(), known });
        }
        let indexes = self.data.repair(ledger, dry_run, &mut progress)?;
        let mut removed = indexes.removed;
        for part in ["views", "snapshots"].iter().filter(|_| views) {
            let dir = self.dir.join(part).join(ledger);
            if dir.exists() {
                if !dry_run {
                    fs::remove_dir_all(&dir).map_err(|error| not_removed(&dir, &error))?;
                }
                removed.push(dir.display().to_string());
            }
        }
        let damage = indexes.damage.into_iter().map(Damage::from).collect();
        Ok(RepairReport { checked: indexes.checked, rebuilt: indexes.rebuilt, removed, damage })
    }
}

/// What a repair did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Index files that were compared with their logs.
    pub checked: u64,
    /// Index files that were built again.
    pub rebuilt: Vec<String>,
    /// Files and directories that were removed.
    pub removed: Vec<String>,
    /// What is damaged in logs: it was left as it is.
    pub damage: Vec<Damage>,
}

fn not_removed(dir: &Path, error: &io::Error) -> Fault {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => {
            Fault::ReadOnly(dir.display().to_string())
        }
        _ => Fault::Unavailable(format!("removing {}: {error}", dir.display())),
    }
}

/// A whole backup.
pub struct Backup {
    dir: PathBuf,
    backup: factum_engine::Backup,
}

impl Backup {
    /// Opens a backup. Nothing is written.
    ///
    /// # Errors
    /// [`Fault::Unsupported`] for anything but a whole backup, [`Fault::NewerFormat`],
    /// [`Fault::Corrupt`] when its manifest is damaged.
    pub fn open(dir: &Path) -> Result<Self, Fault> {
        let backup = factum_engine::Backup::open(dir, Options::default())?;
        Ok(Self { dir: dir.to_owned(), backup })
    }

    /// Where it is.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its ledgers.
    #[must_use]
    pub fn ledgers(&self) -> Vec<LedgerFacts> {
        self.backup.ledgers()
    }

    /// When it was made.
    #[must_use]
    pub fn made_at(&self) -> Timestamp {
        self.backup.made_at()
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.backup.bytes()
    }

    /// Reads every byte and compares it with the manifest.
    ///
    /// # Errors
    /// [`Fault`] when it can't be read at all; damage is in the answer.
    pub fn check(&self, mut progress: impl FnMut(u64, u64)) -> Result<Vec<Damage>, Fault> {
        self.check_while(|done, all| {
            progress(done, all);
            ControlFlow::Continue(())
        })
    }

    /// The same, which `progress` can stop.
    ///
    /// # Errors
    /// As [`Backup::check`]; [`Fault::Unavailable`] when it was stopped.
    pub fn check_while(
        &self,
        mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<Vec<Damage>, Fault> {
        Ok(self.backup.check_while(&mut progress)?.into_iter().map(Damage::from).collect())
    }

    /// Writes a data directory, which must be missing or empty, from the backup: whole, or up to a
    /// moment.
    ///
    /// # Errors
    /// [`Fault::Invalid`] for a directory that is not empty or a ledger that is not in the backup,
    /// [`Fault::Corrupt`] with the file that is damaged, [`Fault::Full`].
    pub fn restore(
        &self,
        to: &Path,
        what: &Restore,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<RestoreReport, Fault> {
        Ok(self.backup.restore(to, what, &mut progress)?)
    }
}
