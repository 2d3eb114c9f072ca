//! Keyframes: copies of a view at a position, from which a later moment is reached by replay.
//!
//! A keyframe is `<dir>/keyframes/<view>-<fingerprint>/<position>.sqlite`. All of them are derived
//! and may be deleted; a damaged one is passed over for the one before it.

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
        let path = self.path(checkpoint.position);
        if !path.exists() {
            let fresh = path.with_extension("tmp");
            self.io(fs::create_dir_all(&self.folder))?;
            self.io(remove_if_there(&fresh))?;
            let into = fresh.to_string_lossy().replace('\'', "''");
            writer.connection.execute_batch(&format!("vacuum into '{into}'")).map_err(failed)?;
            self.io(fs::File::open(&fresh).and_then(|file| file.sync_all()))?;
            self.io(fs::rename(&fresh, &path))?;
        }
        Ok(Keyframe { checkpoint, rows })
    }

    /// All of them, oldest first.
    pub(crate) fn list(&self) -> Result<Vec<Keyframe>, ViewError> {
        let mut found = Vec::new();
        for position in self.positions()? {
            let opened = self.open(position);
            let Ok(kept) = opened else { continue };
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
        let earlier = self.positions()?.into_iter().rev().filter(|position| *position <= at);
        for position in earlier {
            let loaded = ViewFile::scratch(spec.clone(), |scratch| {
                let kept = self.open(position)?;
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

    fn positions(&self) -> Result<Vec<Position>, ViewError> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => self.io(entries)?,
        };
        let mut positions = Vec::new();
        for entry in entries {
            let path = self.io(entry)?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).and_then(|s| s.parse().ok());
            if let (Some(position), Some("sqlite")) =
                (stem, path.extension().and_then(|e| e.to_str()))
            {
                positions.push(Position(position));
            }
        }
        positions.sort_unstable();
        Ok(positions)
    }

    fn open(&self, position: Position) -> rusqlite::Result<Connection> {
        Connection::open_with_flags(self.path(position), OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn path(&self, position: Position) -> PathBuf {
        self.folder.join(format!("{:020}.sqlite", position.0))
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

fn remove_if_there(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
