//! [`Backup`]: a whole backup, found by its manifest, and compared with it byte for byte (G10).

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use factum_store::Timestamp;

use super::{
    Progress, ledger_dir,
    manifest::{Entry, Kept, LedgerFacts, Manifest, is_marked},
    not_as_written,
};
use crate::{
    error::{Damage, EngineError},
    options::Options,
    verify::{Told, going_on},
};

/// A whole backup.
pub struct Backup {
    pub(super) dir: PathBuf,
    pub(super) options: Options,
    pub(super) manifest: Manifest,
}

impl Backup {
    /// Opens a backup. Nothing is written.
    ///
    /// # Errors
    /// [`EngineError::NotABackup`] for anything but a whole backup, [`EngineError::NewerFormat`],
    /// [`EngineError::Damaged`] when its manifest is.
    pub fn open(dir: &Path, options: Options) -> Result<Self, EngineError> {
        let machine = &*options.machine;
        let not = |problem| EngineError::NotABackup { dir: dir.to_owned(), problem };
        if !is_marked(machine, dir)? {
            return Err(not("is no backup; name a directory that `backup` wrote"));
        }
        let manifest = Manifest::read(machine, dir)?.ok_or_else(|| {
            not("is a backup that was interrupted before it was whole; back up into it again")
        })?;
        Ok(Self { dir: dir.to_owned(), options, manifest })
    }

    /// Its ledgers.
    #[must_use]
    pub fn ledgers(&self) -> Vec<LedgerFacts> {
        self.manifest.ledgers.iter().map(|kept| kept.facts.clone()).collect()
    }

    /// When it was made.
    #[must_use]
    pub fn made_at(&self) -> Timestamp {
        self.manifest.at
    }

    /// The version that made it.
    #[must_use]
    pub fn made_by(&self) -> &str {
        &self.manifest.by
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.manifest.bytes()
    }

    /// Reads every byte and compares it with the manifest. `progress` is told the bytes read and
    /// all bytes.
    ///
    /// # Errors
    /// [`EngineError`] when it can't be read at all; damage is in the answer.
    pub fn check(&self, progress: Progress<'_>) -> Result<Vec<Damage>, EngineError> {
        self.check_while(&mut |done, all| {
            progress(done, all);
            ControlFlow::Continue(())
        })
    }

    /// The same, which `progress` can stop before any file.
    ///
    /// # Errors
    /// As [`Backup::check`]; [`EngineError::Stopped`].
    pub fn check_while(&self, progress: Told<'_>) -> Result<Vec<Damage>, EngineError> {
        let (all, mut done) = (self.bytes(), 0);
        let mut found = Vec::new();
        for kept in &self.manifest.ledgers {
            for entry in &kept.files {
                going_on(progress(done, all))?;
                match self.read(kept, entry) {
                    Err(EngineError::Damaged(damage)) => found.push(damage),
                    other => drop(other?),
                }
                done += entry.bytes;
            }
        }
        let _ = progress(done, all);
        Ok(found)
    }

    /// What the manifest speaks of in a file, compared with its checksum.
    pub(super) fn read(&self, kept: &Kept, entry: &Entry) -> Result<Bytes, EngineError> {
        let path = ledger_dir(&self.dir, &kept.facts.name).join(&entry.name);
        let damaged = |what| EngineError::Damaged(not_as_written(&path, entry, what));
        let failed = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                damaged("the backup's manifest speaks of this file, and it is missing")
            }
            _ => EngineError::io("reading", &path, error),
        };
        let file = self.options.machine.open(&path).map_err(failed)?;
        let len = file.len().map_err(failed)?;
        if len < entry.bytes {
            return Err(damaged("the file is shorter than the backup's manifest says"));
        }
        let mut bytes = vec![0; entry.bytes as usize];
        let read = file.read_at(&mut bytes, 0).map_err(failed)?;
        bytes.truncate(read);
        if blake3::hash(&bytes) != entry.hash {
            return Err(damaged("its checksum is not the one in the backup's manifest"));
        }
        Ok(bytes.into())
    }
}
