//! What of a ledger is known durable, and its segments up to there. Nothing of the source is
//! written, and no lock is taken: this works beside whoever writes.

use std::{io::ErrorKind, path::Path, sync::Arc};

use bytes::Bytes;
use factum_store::{Position, Timestamp};

use crate::{
    data_dir::DataDir,
    error::{Damage, EngineError},
    generations::open_highest,
    ledger::check_chain,
    log::{Recovered, Segment},
    machine::{File, Machine},
    options::Options,
    sabotage::Sabotage,
    whole::{bytes_of, frames_upto, read_beside, whole},
};

/// How often the files of a ledger are listed again when one of them went while it was looked at.
const LISTINGS_MAX: u32 = 8;

/// A ledger as far as it is backed up.
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) id: u128,
    /// The last position that is known durable.
    pub(crate) head: Position,
    pub(crate) parts: Vec<Part>,
}

/// A segment as far as it is backed up.
pub(crate) struct Part {
    pub(crate) log: Arc<Segment>,
    /// The last position of it that is taken.
    pub(crate) last: Position,
    /// Whether there is another segment after it, so that its file never changes again.
    pub(crate) closed: bool,
    /// Its file as it is on the disk. Held open: a compaction may put another in its place.
    file: Arc<dyn File>,
}

/// The bytes of a part as they are on the disk: whole frames, and nothing after them.
pub(crate) struct Content {
    pub(crate) bytes: Bytes,
    /// When its last event was recorded; `None` when it has none.
    pub(crate) recorded_at: Option<Timestamp>,
}

impl Source {
    /// Looks at a ledger of an opened directory.
    pub(crate) fn of(data: &DataDir, name: &str) -> Result<Self, EngineError> {
        let dir = data.path(name);
        let machine = &*data.options().machine;
        let all = data.options().switch().is(Sabotage::BackupOfUnsynced);
        let published = data.published(name).filter(|_| !all);
        again(|| {
            let logs = segments(data.options(), &dir)?;
            let head = match (published, logs.last()) {
                (Some(head), _) => head,
                (None, Some(active)) => durable(active, all)?,
                (None, None) => Position::START,
            };
            Self::new(machine, &dir, name, head, &logs)
        })
    }

    fn new(
        machine: &dyn Machine,
        dir: &Path,
        name: &str,
        head: Position,
        logs: &[Arc<Segment>],
    ) -> Result<Self, EngineError> {
        let missing = || {
            let missing = std::io::Error::from(ErrorKind::NotFound);
            EngineError::io("finding a segment in", dir, missing)
        };
        let id = logs.first().ok_or_else(missing)?.header.ledger;
        let mut parts = Vec::new();
        for (at, log) in logs.iter().enumerate() {
            // An empty one, too: the last segment of a ledger is one that nobody rewrites.
            if log.first() > head.next() {
                break;
            }
            let end = logs.get(at + 1).map(|after| after.first().prev());
            let last = end.unwrap_or(Position::END).min(head);
            let file = machine.open(&log.path);
            let file = file.map_err(|error| EngineError::io("opening", &log.path, error))?;
            parts.push(Part { log: Arc::clone(log), last, closed: end == Some(last), file });
        }
        Ok(Self { name: name.to_owned(), id, head, parts })
    }

    /// Bytes of its files, about.
    pub(crate) fn bytes(&self) -> Result<u64, EngineError> {
        self.parts.iter().map(|part| part.log.disk_bytes()).sum()
    }
}

impl Part {
    pub(crate) fn file_name(&self) -> String {
        self.log.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Reads it, and checks every frame.
    pub(crate) fn read(&self) -> Result<Content, EngineError> {
        let bytes = bytes_of(&self.log)?;
        let found = self.frames(&bytes)?;
        let recorded_at = found.frames.last().map(|frame| frame.recorded_at());
        let bytes = match self.log.is_packed() {
            true => {
                whole(&*self.file).map_err(|e| EngineError::io("reading", &self.log.path, e))?
            }
            false => bytes.slice(..found.end as usize),
        };
        Ok(Content { bytes, recorded_at })
    }

    /// When the batch was recorded that ends with a position of this part.
    pub(crate) fn recorded_at(&self, last: Position) -> Result<Option<Timestamp>, EngineError> {
        let found = self.frames(&bytes_of(&self.log)?)?;
        let frame = found.frames.iter().find(|frame| frame.last() == last);
        Ok(frame.map(|frame| frame.recorded_at()))
    }

    fn frames(&self, bytes: &Bytes) -> Result<Recovered, EngineError> {
        let found = frames_upto(&self.log, bytes, self.last)?;
        if found.next == self.last.next() {
            return Ok(found);
        }
        let (file, last) = (self.log.path.display().to_string(), self.last);
        let what = format!("events up to position {last} were here");
        let (offset, position) = (found.end, found.next);
        Err(EngineError::Damaged(Damage { file, offset, position, what }))
    }
}

/// The segments of a ledger, in order.
fn segments(options: &Options, dir: &Path) -> Result<Vec<Arc<Segment>>, EngineError> {
    let names = options.machine.list(dir);
    let names = names.map_err(|error| EngineError::io("listing", dir, error))?;
    // A compaction that failed may have left a name that is not durable. Were it lost with the power,
    // the next one would give it to other bytes, and the next backup would take those for these.
    match options.machine.sync_dir(dir) {
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => {}
        synced => synced.map_err(|error| EngineError::io("syncing", dir, error))?,
    }
    let logs = open_highest(dir, options, &names, false)?;
    check_chain(&logs)?;
    Ok(logs)
}

/// The last position of the active segment that is known durable: whole frames that were there
/// before a sync of ours succeeded.
fn durable(active: &Segment, all: bool) -> Result<Position, EngineError> {
    let found = read_beside(active)?;
    if !all {
        let synced = active.file.sync();
        synced.map_err(|error| EngineError::io("syncing", &active.path, error))?;
    }
    Ok(found.next.prev())
}

/// Tries again when a file went away between its listing and its opening.
fn again<T>(mut look: impl FnMut() -> Result<T, EngineError>) -> Result<T, EngineError> {
    let mut listings = 1;
    loop {
        match look() {
            Err(EngineError::Io { source, .. })
                if source.kind() == ErrorKind::NotFound && listings < LISTINGS_MAX =>
            {
                listings += 1;
            }
            answer => return answer,
        }
    }
}
