//! Keyframes: copies of a view at a position, from which a later moment is reached by replay.
//!
//! A keyframe is `<dir>/keyframes/<view>-<fingerprint>/<position>-<hash>.sqlite`. All of them are
//! derived and may be deleted; a damaged one is passed over for the one before it. SQLite's pages
//! have no checksums: the hash of the whole file is in its name, and is compared before it is used.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    time::Duration,
};

use factum_store::{Checkpoint, Keyframe, Position, ViewError, ViewName, ViewSpec};
use rusqlite::{Connection, OpenFlags, backup::Backup};

use crate::{
    error::unavailable,
    view_file::{ViewFile, checkpoint, count, stored_fingerprint},
};

/// The keyframes of one view under one fingerprint.
pub(crate) struct Keyframes {
    folder: PathBuf,
    view: ViewName,
}

impl Keyframes {
    pub(crate) fn of(dir: &Path, spec: &ViewSpec) -> Self {
        let folder = format!("{}-{:016x}", spec.name, spec.fingerprint);
        Self { folder: dir.join("keyframes").join(folder), view: spec.name.clone() }
    }

    /// Keeps a copy of the view as it stands, whole or not at all.
    pub(crate) fn keep(&self, view: &ViewFile) -> Result<Keyframe, ViewError> {
        let writer = view.writer();
        let failed = |error: rusqlite::Error| unavailable(&self.view, &error);
        let checkpoint = checkpoint(&writer.connection).map_err(failed)?;
        let rows = count(&writer.connection).map_err(failed)?;
        let position = checkpoint.position;
        let there: Vec<_> = self.all()?.into_iter().filter(|k| k.position == position).collect();
        if !there.iter().any(|kept| kept.is_whole().unwrap_or(false)) {
            let fresh = self.folder.join(format!("{:020}.tmp", position.0));
            self.io(fs::create_dir_all(&self.folder))?;
            self.io(remove_if_there(&fresh))?;
            let into = fresh.to_string_lossy().replace('\'', "''");
            writer.connection.execute_batch(&format!("vacuum into '{into}'")).map_err(failed)?;
            self.io(fs::File::open(&fresh).and_then(|file| file.sync_all()))?;
            let hash = self.io(hash_of(&fresh))?;
            // A damaged one of the same position goes: it may have the same hash in its name.
            there.iter().try_for_each(|kept| self.io(remove_if_there(&kept.path)))?;
            self.io(fs::rename(&fresh, self.path(position, &hash)))?;
        }
        Ok(Keyframe { checkpoint, rows })
    }

    /// All of them, oldest first.
    pub(crate) fn list(&self) -> Result<Vec<Keyframe>, ViewError> {
        let mut found = Vec::new();
        for kept in self.all()? {
            let Ok(kept) = kept.open() else { continue };
            let (Ok(checkpoint), Ok(rows)) = (checkpoint(&kept), count(&kept)) else { continue };
            found.push(Keyframe { checkpoint, rows });
        }
        Ok(found)
    }

    /// A scratch copy from the last usable keyframe at or before `at`, or empty at the start.
    pub(crate) fn scratch(
        &self,
        spec: &ViewSpec,
        at: Position,
    ) -> Result<(ViewFile, Checkpoint), ViewError> {
        for kept in self.all()?.into_iter().rev().filter(|kept| kept.position <= at) {
            let position = kept.position;
            let loaded = ViewFile::scratch(spec.clone(), |scratch| {
                let kept = kept.open()?;
                if stored_fingerprint(&kept)? != Some(spec.fingerprint) {
                    return Err(rusqlite::Error::InvalidQuery);
                }
                Backup::new(&kept, scratch)?.run_to_completion(1_000, Duration::ZERO, None)
            });
            match loaded {
                Ok(scratch) => {
                    let checkpoint = scratch.checkpoint()?;
                    return Ok((scratch, checkpoint));
                }
                Err(error) => {
                    tracing::warn!(view = %self.view, %position, %error, "a keyframe can't be used");
                }
            }
        }
        Ok((ViewFile::scratch(spec.clone(), |_| Ok(()))?, Checkpoint::default()))
    }

    /// Removes all of them.
    pub(crate) fn clear(&self) -> Result<(), ViewError> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => self.io(removed),
        }
    }

    /// Removes the keyframes that other fingerprints of the view left.
    pub(crate) fn remove_others(&self) -> Result<(), ViewError> {
        let Some(all) = self.folder.parent() else { return Ok(()) };
        let entries = match fs::read_dir(all) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            entries => self.io(entries)?,
        };
        for entry in entries {
            let path = self.io(entry)?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
            let view = name.as_deref().and_then(|name| name.rsplit_once('-')).map(|(view, _)| view);
            if view == Some(self.view.as_str()) && path != self.folder {
                self.io(fs::remove_dir_all(&path))?;
            }
        }
        Ok(())
    }

    /// The files, by their positions.
    fn all(&self) -> Result<Vec<Kept>, ViewError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => self.io(entries)?,
        };
        let mut all = Vec::new();
        for entry in entries {
            all.extend(Kept::named(self.io(entry)?.path()));
        }
        all.sort_unstable_by_key(|kept| kept.position);
        Ok(all)
    }

    fn path(&self, position: Position, hash: &str) -> PathBuf {
        self.folder.join(format!("{:020}-{hash}.sqlite", position.0))
    }

    fn io<T>(&self, result: std::io::Result<T>) -> Result<T, ViewError> {
        result.map_err(|error| {
            let folder = self.folder.display();
            ViewError::Unavailable(format!(
                "view {}: its keyframes in {folder}: {error}",
                self.view
            ))
        })
    }
}

/// The file of a keyframe.
struct Kept {
    position: Position,
    /// What its name says of its bytes.
    hash: String,
    path: PathBuf,
}

impl Kept {
    /// `None` for a file that is named like no keyframe.
    fn named(path: PathBuf) -> Option<Self> {
        let name = path.file_name()?.to_str()?.strip_suffix(".sqlite")?;
        let (position, hash) = name.split_once('-')?;
        let (position, hash) = (Position(position.parse().ok()?), hash.to_owned());
        Some(Self { position, hash, path })
    }

    fn is_whole(&self) -> std::io::Result<bool> {
        Ok(hash_of(&self.path)? == self.hash)
    }

    /// Opens it, if its bytes are what was written.
    fn open(&self) -> rusqlite::Result<Connection> {
        match self.is_whole() {
            Ok(true) => Connection::open_with_flags(&self.path, OpenFlags::SQLITE_OPEN_READ_ONLY),
            Ok(false) => Err(unusable("its bytes are not those that its name has the hash of")),
            Err(error) => Err(unusable(&error.to_string())),
        }
    }
}

fn unusable(what: &str) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(what.to_owned()))
}

/// The BLAKE3 hash of a file, in hexadecimal.
fn hash_of(path: &Path) -> std::io::Result<String> {
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(fs::File::open(path)?)?;
    Ok(hasher.finalize().to_hex().to_string())
}

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
