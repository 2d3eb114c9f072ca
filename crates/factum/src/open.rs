//! Opening data directories: with `remote`, the only file that names an adapter.
//!
//! ```text
//!   <dir>/                     the engine's data directory, under its lock
//!   <dir>/views/<ledger>/      views, derived
//!   <dir>/snapshots/<ledger>/  snapshots of folds, derived
//! ```

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use factum_engine::{Compact, Compacted};
use factum_engine::{DataDir, EngineError, EngineLedger, IndexCache, Options};
use factum_sqlite::SqliteViews;
use factum_store::{Invalid, Ledger, Position, Timestamp};

use crate::{App, AppBuilder, Fault};

/// An opened data directory, under its lock until the last use of it is dropped.
#[derive(Clone)]
pub struct Store {
    pub(crate) dir: PathBuf,
    pub(crate) data: Arc<DataDir>,
}

/// What an opened data directory may take of the machine. Directories that were written with other
/// options are opened as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// A file of events is closed when the next batch would make it longer than this many bytes;
    /// from 64 KiB to 2 GiB. 64 MiB: what opening reads at most, and what bounds the index of the newest
    /// events, which is in memory (some 100 bytes an event).
    pub segment_bytes_max: u64,
    /// Bytes of index files that are kept in memory at most, for all ledgers together. 64 MiB.
    pub index_cache_bytes: u64,
}

impl StoreOptions {
    /// Each segment is two files that are open: with shorter ones a ledger would have too many.
    const SEGMENT_BYTES_MIN: u64 = 64 << 10;
}

impl Default for StoreOptions {
    fn default() -> Self {
        let segment_bytes_max = Options::default().segment_bytes_max;
        Self { segment_bytes_max, index_cache_bytes: IndexCache::BYTES }
    }
}

impl From<StoreOptions> for Options {
    fn from(options: StoreOptions) -> Self {
        let StoreOptions { segment_bytes_max, index_cache_bytes } = options;
        let index_cache = IndexCache::with_bytes(index_cache_bytes);
        Self { segment_bytes_max, index_cache, ..Self::default() }
    }
}

/// What `inspect` says of a ledger.
#[derive(Clone, Debug)]
pub struct LedgerReport {
    /// Its name.
    pub name: String,
    /// Its last event.
    pub head: Position,
    /// When that was recorded.
    pub recorded_at: Timestamp,
    /// Its segments, oldest first.
    pub segments: Vec<SegmentReport>,
}

/// A segment of a ledger.
#[derive(Clone, Debug)]
pub struct SegmentReport {
    /// Its file's name.
    pub file: String,
    /// Its first position.
    pub first: Position,
    /// Its last position; before the first in an empty segment.
    pub last: Position,
    /// Bytes of its file.
    pub bytes: u64,
    /// Whether it is compressed.
    pub compressed: bool,
    /// Bytes of its index file; `None` while it is still written to.
    pub index_bytes: Option<u64>,
}

/// What `verify` found.
#[derive(Clone, Debug, Default)]
pub struct VerifyReport {
    /// Events that were read and checked.
    pub events: u64,
    /// Bytes that were read and checked.
    pub bytes: u64,
    /// What is damaged.
    pub damage: Vec<Damage>,
}

/// Damaged bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Which file.
    pub file: String,
    /// At what byte.
    pub offset: u64,
    /// Around which position.
    pub position: Position,
    /// What is wrong.
    pub what: String,
}

impl From<factum_engine::Damage> for Damage {
    fn from(damage: factum_engine::Damage) -> Self {
        let factum_engine::Damage { file, offset, position, what } = damage;
        Self { file, offset, position, what }
    }
}

impl Store {
    /// Opens a data directory, which is made if it is missing: a path, or a `file:` URL.
    ///
    /// # Errors
    /// [`Fault::Locked`], [`Fault::NewerFormat`], [`Fault::NotADataDirectory`], [`Fault::ReadOnly`],
    /// [`Fault::Full`], [`Fault::Corrupt`]; [`Fault::Unsupported`] for a URL of another store.
    pub fn open(url: &str) -> Result<Self, Fault> {
        Self::open_with(url, StoreOptions::default())
    }

    /// The same, with what it may take of the machine.
    ///
    /// # Errors
    /// As [`Store::open`], and [`Fault::Invalid`] for files of events that are too long or too short.
    pub fn open_with(url: &str, options: StoreOptions) -> Result<Self, Fault> {
        if options.segment_bytes_max < StoreOptions::SEGMENT_BYTES_MIN {
            let problem = format!("is less than {}", StoreOptions::SEGMENT_BYTES_MIN);
            return Err(Invalid::new("segment_bytes_max", problem).into());
        }
        let dir = local_path(url)?;
        let data = DataDir::open(&dir, options.into())?;
        Ok(Self { dir, data: Arc::new(data) })
    }

    /// Opens an existing data directory for reading only; nothing is written, and a process that
    /// has it open is not disturbed. What is being appended meanwhile may not be seen.
    ///
    /// # Errors
    /// As [`Store::open`], without [`Fault::Locked`].
    pub fn open_read_only(url: &str) -> Result<Self, Fault> {
        let dir = local_path(url)?;
        let data = DataDir::open_read_only(&dir, Options::default())?;
        Ok(Self { dir, data: Arc::new(data) })
    }

    /// The names of its ledgers, sorted.
    ///
    /// # Errors
    /// [`Fault`] when the directory can't be read.
    pub fn ledgers(&self) -> Result<Vec<String>, Fault> {
        Ok(self.data.ledgers()?)
    }

    /// Makes a ledger.
    ///
    /// # Errors
    /// [`Fault::Exists`], or [`Fault::Invalid`] for a name that a ledger can't have.
    pub fn create(&self, ledger: &str) -> Result<(), Fault> {
        if self.ledgers()?.iter().any(|name| name == ledger) {
            return Err(Fault::Exists { what: "ledger", name: ledger.to_owned() });
        }
        self.data.check_name(ledger)?;
        self.remove_derived(ledger)?;
        self.data.create_ledger(ledger)?;
        Ok(())
    }

    /// The ledger of this name.
    ///
    /// # Errors
    /// [`Fault::Unknown`] when there is none.
    pub fn ledger(&self, name: &str) -> Result<Arc<dyn Ledger>, Fault> {
        Ok(Arc::new(self.engine_ledger(name)?))
    }

    /// An application on the ledger of this name.
    ///
    /// # Errors
    /// [`Fault::Unknown`] when there is none.
    pub fn app(&self, ledger: &str) -> Result<AppBuilder, Fault> {
        let views = SqliteViews::open(self.dir.join("views").join(ledger))?;
        let over = App::over(self.ledger(ledger)?, Arc::new(views));
        let snapshots = self.dir.join("snapshots").join(ledger);
        Ok(over.snapshots(snapshots).keeping(Arc::clone(&self.data) as _))
    }

    /// The directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Tells other processes, through the lock, where this one can be asked.
    ///
    /// # Errors
    /// [`Fault`] when the lock's file can't be written.
    pub fn set_address(&self, url: &str) -> Result<(), Fault> {
        Ok(self.data.set_address(url)?)
    }

    /// What a ledger's files are.
    ///
    /// # Errors
    /// [`Fault`] when there is no such ledger or it can't be read.
    pub fn inspect(&self, ledger: &str) -> Result<LedgerReport, Fault> {
        let report = self.engine_ledger(ledger)?.inspect()?;
        let segments = report.segments.into_iter().map(|segment| SegmentReport {
            file: segment.file,
            first: segment.first,
            last: segment.last,
            bytes: segment.bytes,
            compressed: segment.compressed,
            index_bytes: segment.index_bytes,
        });
        Ok(LedgerReport {
            name: ledger.to_owned(),
            head: report.head.position,
            recorded_at: report.head.recorded_at,
            segments: segments.collect(),
        })
    }

    /// Drops what retention hides in a ledger's closed segments, while it goes on being used.
    /// `progress` is told after each segment, and can stop the run there: the next one goes on.
    ///
    /// # Errors
    /// [`Fault`] when the ledger can't be written, is being compacted already, or is damaged.
    pub fn compact(
        &self,
        ledger: &str,
        request: Compact,
        mut progress: impl FnMut(&Compacted) -> ControlFlow<()>,
    ) -> Result<Compacted, Fault> {
        Ok(self.engine_ledger(ledger)?.compact(request, &mut progress)?)
    }

    /// Reads all of a ledger and checks every byte. `progress` is told the bytes read and all.
    ///
    /// # Errors
    /// [`Fault`] when it can't be read at all; damage is in the report.
    pub fn verify(
        &self,
        ledger: &str,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<VerifyReport, Fault> {
        self.verify_while(ledger, |read, all| {
            progress(read, all);
            ControlFlow::Continue(())
        })
    }

    /// The same, which `progress` can stop; a ledger that is in use goes on meanwhile.
    ///
    /// # Errors
    /// As [`Store::verify`]; [`Fault::Unavailable`] when it was stopped.
    pub fn verify_while(
        &self,
        ledger: &str,
        mut progress: impl FnMut(u64, u64) -> ControlFlow<()>,
    ) -> Result<VerifyReport, Fault> {
        let report = self.engine_ledger(ledger)?.verify_while(&mut progress)?;
        let damage = report.damage.into_iter().map(Damage::from).collect();
        Ok(VerifyReport { events: report.events, bytes: report.bytes, damage })
    }

    fn engine_ledger(&self, name: &str) -> Result<EngineLedger, Fault> {
        let known = self.ledgers()?;
        if known.iter().any(|known| known == name) {
            return Ok(self.data.ledger(name)?);
        }
        Err(Fault::Unknown { what: "ledger", name: name.to_owned(), known })
    }
}

/// A path, or the path of a `file:` URL. Other schemes name stores that are not here yet.
pub(crate) fn local_path(url: &str) -> Result<PathBuf, Fault> {
    let unsupported = |problem: &str| {
        Err(Fault::Unsupported { url: url.to_owned(), problem: problem.to_owned() })
    };
    match url.split_once("://") {
        Some(("file", path)) => Ok(PathBuf::from(path)),
        Some((scheme, _)) => unsupported(&format!(
            "this version has no adapter for {scheme}://; name a directory or a file:// URL{}",
            if cfg!(feature = "remote") {
                ", or an http:// or https:// URL of a server"
            } else {
                ""
            }
        )),
        None if url.is_empty() => unsupported("it is empty; name a directory"),
        None => Ok(PathBuf::from(url)),
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        let path = |path: &Path| path.display().to_string();
        match &error {
            EngineError::Invalid(invalid) => Self::Invalid(invalid.clone()),
            EngineError::Locked { dir, holder } => {
                Self::Locked { dir: path(dir), holder: holder.clone() }
            }
            EngineError::NewerFormat { path: file, found, supported } => {
                Self::NewerFormat { path: path(file), found: *found, supported: *supported }
            }
            EngineError::NotADataDirectory(dir) => Self::NotADataDirectory(path(dir)),
            EngineError::IsABackup(dir) => Self::IsABackup(path(dir)),
            EngineError::NotABackup { dir, problem } => {
                Self::Unsupported { url: path(dir), problem: format!("it {problem}") }
            }
            EngineError::ReadOnly(dir) => Self::ReadOnly(path(dir)),
            EngineError::InUse(_) => Self::InUse(error.to_string()),
            EngineError::Full(what) => Self::Full(what.clone()),
            EngineError::Damaged(_) | EngineError::Index(_) => Self::Corrupt(error.to_string()),
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
