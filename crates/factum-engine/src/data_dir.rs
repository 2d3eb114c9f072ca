//! [`DataDir`]: a directory of ledgers under one lock.
//!
//! ```text
//!   <dir>/FORMAT                     "factum <format>\n"
//!   <dir>/LOCK                       locked by the process that writes; says who that is
//!   <dir>/ledgers/<name>/<first>.log segments
//!   <dir>/ledgers/<name>/<first>.idx their indexes, derived
//!   <dir>/ledgers/<name>/DELETED     the ledger is no more; its files are on their way out
//! ```

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use factum_store::{Invalid, Position};
use parking_lot::Mutex;

use crate::{
    backup,
    error::EngineError,
    ledger::{EngineLedger, Inner},
    machine::{Lock, Machine},
    options::Options,
    whole::replace_file,
};

/// The format of data directories.
const FORMAT: u32 = 1;
const FORMAT_FILE: &str = "FORMAT";
pub(crate) const LOCK_FILE: &str = "LOCK";
pub(crate) const LEDGERS: &str = "ledgers";
/// What makes a directory of segments no ledger any more, however many of them are still there.
const DELETED: &str = "DELETED";

/// An opened data directory.
pub struct DataDir {
    dir: PathBuf,
    options: Options,
    /// `None` when it is open for reading only.
    lock: Option<Arc<dyn Lock>>,
    open: Mutex<HashMap<String, Weak<Inner>>>,
}

impl DataDir {
    /// Opens a directory under its lock; a missing or empty one is made a data directory.
    ///
    /// # Errors
    /// [`EngineError::Locked`], [`EngineError::NewerFormat`], [`EngineError::NotADataDirectory`],
    /// [`EngineError::ReadOnly`], [`EngineError::Full`], [`EngineError::Io`].
    pub fn open(dir: &Path, options: Options) -> Result<Self, EngineError> {
        options.check()?;
        let machine = &*options.machine;
        let failed = |error| EngineError::io("opening", dir, error);
        if machine.open(&dir.join(backup::MARKER)).is_ok() {
            return Err(EngineError::IsABackup(dir.to_owned()));
        }
        machine.create_dir(dir).map_err(failed)?;
        let fresh = check_format(dir, &options)?;
        let lock = match machine.lock(&dir.join(LOCK_FILE)) {
            Ok(lock) => lock,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(EngineError::Locked {
                    dir: dir.to_owned(),
                    holder: holder(dir, &options),
                });
            }
            Err(error) => return Err(failed(error)),
        };
        lock.set_note(&format!("process {}\n", std::process::id())).map_err(failed)?;
        if fresh {
            mark_format(machine, dir).map_err(failed)?;
        }
        machine.create_dir(&dir.join(LEDGERS)).map_err(failed)?;
        machine.sync_dir(dir).map_err(failed)?;
        let lock = Some(Arc::from(lock));
        let data = Self { dir: dir.to_owned(), options, lock, open: Mutex::default() };
        data.finish_deletions()?;
        Ok(data)
    }

    /// Opens an existing directory for reading only. Nothing is written, no lock is taken.
    ///
    /// # Errors
    /// As [`DataDir::open`], without [`EngineError::Locked`].
    pub fn open_read_only(dir: &Path, options: Options) -> Result<Self, EngineError> {
        if check_format(dir, &options)? {
            return Err(EngineError::NotADataDirectory(dir.to_owned()));
        }
        Ok(Self { dir: dir.to_owned(), options, lock: None, open: Mutex::default() })
    }

    /// The names of its ledgers, sorted.
    ///
    /// # Errors
    /// [`EngineError::Io`].
    pub fn ledgers(&self) -> Result<Vec<String>, EngineError> {
        let dir = self.dir.join(LEDGERS);
        let names = self.options.machine.list(&dir);
        let names = names.map_err(|error| EngineError::io("listing", &dir, error))?;
        let mut ledgers = Vec::new();
        for name in names.into_iter().filter(|name| check_name(name).is_ok()) {
            if self.has(&name)? {
                ledgers.push(name);
            }
        }
        Ok(ledgers)
    }

    /// Refuses a name that a ledger can't have.
    ///
    /// # Errors
    /// [`EngineError::Invalid`].
    pub fn check_name(&self, name: &str) -> Result<(), EngineError> {
        Ok(check_name(name)?)
    }

    /// Makes a ledger, or opens it when it is there.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] for a name that a ledger can't have, and as [`DataDir::ledger`].
    pub fn create_ledger(&self, name: &str) -> Result<EngineLedger, EngineError> {
        self.make(name)?;
        self.ledger(name)
    }

    /// Makes a ledger, unless it is there.
    pub(crate) fn make(&self, name: &str) -> Result<(), EngineError> {
        check_name(name)?;
        if !self.has(name)? {
            let dir = self.path(name);
            let Some(_) = &self.lock else { return Err(EngineError::ReadOnly(dir)) };
            let failed = |error| EngineError::io("making", &dir, error);
            let machine = &*self.options.machine;
            self.remove_deleted(name)?;
            machine.create_dir(&dir).map_err(failed)?;
            machine.sync_dir(&self.dir.join(LEDGERS)).map_err(failed)?;
            EngineLedger::create(&dir, &self.options)?;
        }
        Ok(())
    }

    /// Opens a ledger; opened twice it is the same.
    ///
    /// # Errors
    /// [`EngineError::Damaged`] with file, offset and position; [`EngineError::Io`].
    pub fn ledger(&self, name: &str) -> Result<EngineLedger, EngineError> {
        check_name(name)?;
        let mut open = self.open.lock();
        if let Some(inner) = open.get(name).and_then(Weak::upgrade) {
            return Ok(EngineLedger::of(inner));
        }
        if self.is_deleted(name)? {
            let path = self.path(name);
            return Err(EngineError::io("opening", &path, ErrorKind::NotFound.into()));
        }
        let ledger = EngineLedger::open(&self.path(name), &self.options, self.lock.clone())?;
        open.insert(name.to_owned(), ledger.downgrade());
        Ok(ledger)
    }

    /// Deletes a ledger with all its events. It is gone as soon as this says so, and whole when it
    /// does not: a crash in the middle leaves one or the other.
    ///
    /// # Errors
    /// [`EngineError::InUse`] while somebody has it open, [`EngineError::ReadOnly`],
    /// [`EngineError::Io`].
    pub fn delete_ledger(&self, name: &str) -> Result<(), EngineError> {
        check_name(name)?;
        let dir = self.path(name);
        let Some(_) = &self.lock else { return Err(EngineError::ReadOnly(dir)) };
        // Held to the end: nobody opens what is being taken away.
        let mut open = self.open.lock();
        if open.get(name).is_some_and(|ledger| ledger.strong_count() > 0) {
            return Err(EngineError::InUse(name.to_owned()));
        }
        open.remove(name);
        if self.has(name)? {
            let failed = |error| EngineError::io("deleting", &dir, error);
            let machine = &*self.options.machine;
            machine.create(&dir.join(DELETED)).map_err(failed)?;
            machine.sync_dir(&dir).map_err(failed)?;
        }
        self.remove_deleted(name)
    }

    /// Goes on with what a crash interrupted.
    fn finish_deletions(&self) -> Result<(), EngineError> {
        let dir = self.dir.join(LEDGERS);
        let names = self.options.machine.list(&dir);
        let names = names.map_err(|error| EngineError::io("listing", &dir, error))?;
        names
            .iter()
            .filter(|name| check_name(name).is_ok())
            .try_for_each(|name| self.remove_deleted(name))
    }

    /// Removes the files of a ledger that was deleted. What says so goes last: until the others are
    /// durably gone, a crash must not bring a part of the ledger back.
    fn remove_deleted(&self, name: &str) -> Result<(), EngineError> {
        if !self.is_deleted(name)? {
            return Ok(());
        }
        let (dir, machine) = (self.path(name), &*self.options.machine);
        let removing = || {
            for file in machine.list(&dir)?.iter().filter(|file| *file != DELETED) {
                machine.remove(&dir.join(file))?;
            }
            machine.sync_dir(&dir)?;
            machine.remove(&dir.join(DELETED))?;
            machine.sync_dir(&dir)
        };
        removing().map_err(|error| EngineError::io("deleting", &dir, error))
    }

    fn is_deleted(&self, name: &str) -> Result<bool, EngineError> {
        Ok(self.files(name)?.iter().any(|file| file == DELETED))
    }

    /// Tells other processes where this one can be asked.
    ///
    /// # Errors
    /// [`EngineError::Io`].
    pub fn set_address(&self, url: &str) -> Result<(), EngineError> {
        let Some(lock) = &self.lock else { return Ok(()) };
        let note = format!("process {} at {url}\n", std::process::id());
        lock.set_note(&note).map_err(|e| EngineError::io("writing", &self.dir.join(LOCK_FILE), e))
    }

    /// Where it is.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.lock.is_some()
    }

    /// A ledger's head, when this process has the ledger open for writing: what is durable.
    pub(crate) fn published(&self, name: &str) -> Option<Position> {
        self.lock.as_ref()?;
        let inner = self.open.lock().get(name).and_then(Weak::upgrade)?;
        Some(inner.shared.head().position)
    }

    /// Whether there is such a ledger. Not to know is an error: who takes a ledger that can't be
    /// listed for none makes a new one over it.
    fn has(&self, name: &str) -> Result<bool, EngineError> {
        let files = self.files(name)?;
        let deleted = files.iter().any(|file| file == DELETED);
        Ok(!deleted && files.iter().any(|file| file.ends_with(".log")))
    }

    /// The files of a ledger; none when there is no such directory.
    fn files(&self, name: &str) -> Result<Vec<String>, EngineError> {
        let dir = self.path(name);
        match self.options.machine.list(&dir) {
            Ok(names) => Ok(names),
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Ok(Vec::new())
            }
            Err(error) => Err(EngineError::io("listing", &dir, error)),
        }
    }

    /// What a ledger is opened with, for who drives its writer by hand.
    #[cfg(feature = "simulation")]
    pub(crate) fn parts(&self, name: &str) -> (PathBuf, &Options, Option<Arc<dyn Lock>>) {
        (self.path(name), &self.options, self.lock.clone())
    }

    /// A ledger that was opened by who drives its writer by hand.
    #[cfg(feature = "simulation")]
    pub(crate) fn opened(&self, name: &str, ledger: &EngineLedger) {
        self.open.lock().insert(name.to_owned(), ledger.downgrade());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(LEDGERS).join(name)
    }
}

/// Says that a directory is a data directory, and of which format.
pub(crate) fn mark_format(machine: &dyn Machine, dir: &Path) -> io::Result<()> {
    replace_file(machine, dir, &dir.join(FORMAT_FILE), format!("factum {FORMAT}\n").as_bytes())
}

/// Whether the directory is empty; an error when it is anything but a data directory of a format
/// that is known.
fn check_format(dir: &Path, options: &Options) -> Result<bool, EngineError> {
    let machine = &*options.machine;
    let path = dir.join(FORMAT_FILE);
    let file = match machine.open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let names = machine.list(dir).map_err(|e| EngineError::io("opening", dir, e))?;
            // A crash while it was made may have left the lock and the unfinished format.
            let ours = [LOCK_FILE, LEDGERS, "FORMAT.tmp"];
            let foreign = names.iter().any(|name| !ours.contains(&name.as_str()));
            return match foreign {
                true => Err(EngineError::NotADataDirectory(dir.to_owned())),
                false => Ok(true),
            };
        }
        Err(error) => return Err(EngineError::io("opening", &path, error)),
    };
    let mut text = [0; 64];
    let read = file.read_at(&mut text, 0).map_err(|e| EngineError::io("reading", &path, e))?;
    let text = std::str::from_utf8(&text[..read]).unwrap_or_default().trim();
    match text.strip_prefix("factum ").and_then(|format| format.parse::<u32>().ok()) {
        Some(FORMAT) => Ok(false),
        Some(found) if found > FORMAT => {
            Err(EngineError::NewerFormat { path, found, supported: FORMAT })
        }
        _ => Err(EngineError::NotADataDirectory(dir.to_owned())),
    }
}

/// What the holder of the lock says of itself.
fn holder(dir: &Path, options: &Options) -> String {
    let mut note = [0; 1_024];
    let file = options.machine.open(&dir.join(LOCK_FILE));
    let read = file.and_then(|file| file.read_at(&mut note, 0)).unwrap_or_default();
    let note = String::from_utf8_lossy(&note[..read]).trim().to_owned();
    if note.is_empty() { "another process".into() } else { note }
}

fn check_name(name: &str) -> Result<(), Invalid> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-';
    let good = name.bytes().all(fits) && !name.starts_with('-') && (1..=64).contains(&name.len());
    if good {
        return Ok(());
    }
    let problem = "must be 1 to 64 of a-z, 0-9, _ and -, not beginning with -";
    Err(Invalid::new("ledger", problem))
}
