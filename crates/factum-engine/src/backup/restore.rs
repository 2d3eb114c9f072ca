//! Restoring: a new data directory from a backup, whole or up to a moment. Until all of it is
//! durable, the new directory is none.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use factum_store::{Head, Invalid, Position, Timestamp};

use super::{
    MANIFEST, Progress,
    check::Backup,
    ends::Ends,
    ledger_dir,
    manifest::{Entry, Kept, Kind, LedgerFacts},
};
use crate::{
    data_dir::{LEDGERS, mark_format},
    error::{Damage, EngineError},
    log::{Recovered, SEGMENT_HEADER_BYTES, Segment, SegmentHeader, Stamp, mark, segment_name},
    machine::Machine,
    whole::{bytes_of, frames_upto},
};

/// There while a directory is being restored: with it, it is no data directory yet.
const UNFINISHED: &str = "RESTORING";

/// What is restored.
#[derive(Clone, Debug, Default)]
pub struct Restore {
    /// Only this ledger; all of them without it.
    pub ledger: Option<String>,
    /// Only batches that end at or before this position. For one ledger.
    pub to_position: Option<Position>,
    /// Only batches that were recorded at or before this time.
    pub at: Option<Timestamp>,
}

/// What [`Backup::restore`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RestoreReport {
    /// The ledgers, and where each ends now.
    pub ledgers: Vec<LedgerFacts>,
    /// Bytes that were written.
    pub bytes: u64,
}

impl Backup {
    /// Writes a data directory, which must be missing or empty. Everything is compared with the
    /// backup's checksums and every frame is checked on the way. `progress` is told the bytes read
    /// and about how many there are.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] for a directory that is not empty, or a ledger that is not in the
    /// backup; [`EngineError::Damaged`] names the backup's file that is damaged;
    /// [`EngineError::Full`]. What was written until then is no data directory, and can be deleted.
    pub fn restore(
        &self,
        to: &Path,
        what: &Restore,
        progress: Progress<'_>,
    ) -> Result<RestoreReport, EngineError> {
        let chosen = self.chosen(what)?;
        let machine = &*self.options.machine;
        let failed = |error| EngineError::io("restoring into", to, error);
        machine.create_dir(to).map_err(failed)?;
        if !machine.list(to).map_err(failed)?.is_empty() {
            let problem = format!(
                "{} is not empty; name an empty or a new directory (what an interrupted restore \
                 left can be deleted)",
                to.display()
            );
            return Err(Invalid::new("the directory to restore into", problem).into());
        }
        let unfinished = to.join(UNFINISHED);
        machine.create(&unfinished).and_then(|file| file.sync()).map_err(failed)?;
        machine.sync_dir(to).map_err(failed)?;
        let all = chosen.iter().flat_map(|kept| &kept.files).map(|entry| entry.bytes).sum();
        let mut restoring = Restoring {
            backup: self,
            to,
            what,
            all,
            done: 0,
            progress,
            report: RestoreReport::default(),
        };
        for kept in chosen {
            restoring.ledger(kept)?;
        }
        let report = restoring.report;
        let ledgers = to.join(LEDGERS);
        machine.create_dir(&ledgers).and_then(|()| machine.sync_dir(&ledgers)).map_err(failed)?;
        machine.sync_dir(to).map_err(failed)?;
        if let Some(parent) = to.parent().filter(|parent| parent.file_name().is_some()) {
            // The directory's own name. Where it may not be synced, it was there before.
            let _ = machine.sync_dir(parent);
        }
        mark_format(machine, to).map_err(failed)?;
        machine.remove(&unfinished).and_then(|()| machine.sync_dir(to)).map_err(failed)?;
        Ok(report)
    }

    fn chosen(&self, what: &Restore) -> Result<Vec<&Kept>, EngineError> {
        let ledgers = &self.manifest.ledgers;
        let named = |kept: &&Kept| what.ledger.as_ref().is_none_or(|name| *name == kept.facts.name);
        let chosen: Vec<_> = ledgers.iter().filter(named).collect();
        let names = || ledgers.iter().map(|kept| &*kept.facts.name).collect::<Vec<_>>().join(", ");
        if let (Some(name), true) = (&what.ledger, chosen.is_empty()) {
            let problem = format!("{name:?} is not in the backup, which has {}", names());
            return Err(Invalid::new("ledger", problem).into());
        }
        if what.to_position.is_some() && chosen.len() > 1 {
            let problem = format!("is of one ledger, and the backup has {}: name one", names());
            return Err(Invalid::new("to_position", problem).into());
        }
        Ok(chosen)
    }
}

/// A restore on its way.
struct Restoring<'a> {
    backup: &'a Backup,
    to: &'a Path,
    what: &'a Restore,
    all: u64,
    done: u64,
    progress: Progress<'a>,
    report: RestoreReport,
}

/// What was written of a ledger so far.
struct Written<'a> {
    dir: &'a Path,
    head: Head,
    /// The header of the last segment that was looked at.
    header: Option<SegmentHeader>,
    /// The segment that the manifest has last, when it was written whole, and where it ends: it is
    /// the one to go on in.
    active: Option<(PathBuf, u64)>,
    /// The names of the segments that were written whole.
    whole: Vec<&'a str>,
}

impl Restoring<'_> {
    fn machine(&self) -> &dyn Machine {
        &*self.backup.options.machine
    }

    fn ledger(&mut self, kept: &Kept) -> Result<(), EngineError> {
        let dir = ledger_dir(self.to, &kept.facts.name);
        let failed = |error| EngineError::io("making", &dir, error);
        self.machine().create_dir(&dir).map_err(failed)?;
        let (head, header) = (Head::default(), None);
        let mut written = Written { dir: &dir, head, header, active: None, whole: Vec::new() };
        let mut logs = kept.logs().peekable();
        while let Some(entry) = logs.next() {
            let whole = self.segment(kept, entry, logs.peek().is_none(), &mut written)?;
            if !whole {
                break;
            }
        }
        self.check_cut(kept, written.head.position)?;
        self.close(&written)?;
        self.indexes(kept, &written)?;
        self.machine().sync_dir(&dir).map_err(failed)?;
        let Head { position: head, recorded_at } = written.head;
        self.report.ledgers.push(LedgerFacts { head, recorded_at, ..kept.facts.clone() });
        Ok(())
    }

    /// A ledger that was compacted may not be cut where a stream's end is not known.
    fn check_cut(&self, kept: &Kept, head: Position) -> Result<(), EngineError> {
        let from = ledger_dir(&self.backup.dir, &kept.facts.name);
        let open = |entry: &Entry| Segment::open(self.machine(), &from.join(&entry.name), false);
        let logs = kept.logs().map(|entry| Ok((open(entry)?, entry.last)));
        let logs = logs.collect::<Result<Vec<_>, EngineError>>()?;
        let is_cut = kept.facts.head > head;
        if !is_cut || logs.iter().all(|(log, _)| log.header.generation == 0) {
            return Ok(());
        }
        let mut ends = Ends::default();
        for (log, last) in &logs {
            for frame in &frames_upto(log, &bytes_of(log)?, *last)?.frames {
                ends.see(frame, frame.first() > head)?;
            }
        }
        ends.check()
    }

    /// Writes what is wanted of a segment; says whether that is all of it.
    fn segment<'a>(
        &mut self,
        kept: &Kept,
        entry: &'a Entry,
        newest: bool,
        written: &mut Written<'a>,
    ) -> Result<bool, EngineError> {
        let on_disk = self.read(kept, entry)?;
        let from = ledger_dir(&self.backup.dir, &kept.facts.name).join(&entry.name);
        let log = Segment::open(self.machine(), &from, false)?;
        let bytes = if log.is_packed() { bytes_of(&log)? } else { on_disk.clone() };
        let found = frames_upto(&log, &bytes, entry.last)?;
        let follows = log.header.ledger == kept.facts.id
            && log.first() == written.head.position.next()
            && found.next == entry.last.next();
        if !follows {
            return Err(log.damage(0, "it does not hold the events that the manifest says"));
        }
        let (end, head) = self.keep(&found, written.head);
        (written.head, written.header) = (head, Some(log.header));
        let path = written.dir.join(&entry.name);
        if end == found.end {
            self.put(&path, &on_disk)?;
            written.whole.push(&entry.name);
            written.active = newest.then_some((path, end));
            return Ok(true);
        }
        if end > log.begin() {
            let mut cut = log.header.encode();
            cut.extend_from_slice(&bytes[log.begin() as usize..end as usize]);
            self.put(&path, &cut)?;
        }
        Ok(false)
    }

    /// Where what is wanted of a segment ends, and its last event.
    fn keep(&self, found: &Recovered, before: Head) -> (u64, Head) {
        let Restore { to_position, at, .. } = self.what;
        let mut head = before;
        for frame in &found.frames {
            let late = to_position.is_some_and(|to| frame.last() > to)
                || at.is_some_and(|at| frame.recorded_at() > at);
            if late {
                return (frame.offset(), head);
            }
            head = Head { position: frame.last(), recorded_at: frame.recorded_at() };
        }
        (found.end, head)
    }

    /// Marks the end, as a clean stop does: from now on a bad last frame is damage. Behind a cut a
    /// new segment begins, since what was cut may be one that is never written to.
    fn close(&mut self, written: &Written<'_>) -> Result<(), EngineError> {
        let Head { position, recorded_at } = written.head;
        let first = position.next();
        let (path, end) = match (&written.active, written.header) {
            (Some(active), _) => active.clone(),
            (None, None) => return Err(self.empty(written)),
            (None, Some(header)) => {
                let header = SegmentHeader { first, generation: 0, ..header };
                let path = written.dir.join(segment_name(&header));
                self.put(&path, &header.encode())?;
                (path, SEGMENT_HEADER_BYTES)
            }
        };
        let log = Segment::open(self.machine(), &path, true)?;
        let stamp = Stamp { first, recorded_at, synced_upto: position };
        let mark = mark(&log.header, end, stamp);
        let marked = log.file.write_at(&mark, end).and_then(|()| log.file.sync());
        marked.map_err(|error| EngineError::io("writing", &path, error))
    }

    fn empty(&self, written: &Written<'_>) -> EngineError {
        let name = written.dir.file_name().unwrap_or_default().to_string_lossy();
        let what = format!("the manifest names no segment of ledger {name}");
        let file = self.backup.dir.join(MANIFEST).display().to_string();
        EngineError::Damaged(Damage { file, offset: 0, position: Position::START, what })
    }

    /// The indexes of the closed segments that were written whole.
    fn indexes(&mut self, kept: &Kept, written: &Written<'_>) -> Result<(), EngineError> {
        for entry in kept.files.iter().filter(|entry| entry.kind == Kind::Index) {
            let log = Path::new(&entry.name).with_extension("log");
            if written.whole.iter().any(|name| Path::new(name) == log) {
                let bytes = self.read(kept, entry)?;
                self.put(&written.dir.join(&entry.name), &bytes)?;
            }
        }
        Ok(())
    }

    fn read(&mut self, kept: &Kept, entry: &Entry) -> Result<Bytes, EngineError> {
        let bytes = self.backup.read(kept, entry)?;
        self.done += entry.bytes;
        (self.progress)(self.done, self.all);
        Ok(bytes)
    }

    fn put(&mut self, path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
        let failed = |error| EngineError::io("writing", path, error);
        let file = self.machine().create(path).map_err(failed)?;
        file.write_at(bytes, 0).and_then(|()| file.sync()).map_err(failed)?;
        self.report.bytes += bytes.len() as u64;
        Ok(())
    }
}
