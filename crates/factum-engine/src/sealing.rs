//! Index files: written once a segment is closed, built again when one is missing or damaged.
//! Losing one loses nothing.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use factum_store::{IdempotencyKey, Position};

use crate::{
    error::{Damage, EngineError},
    index::{Entry, IndexError, Indexed, Sealed, Tail, Term, push_terms},
    log::{Frame, Segment},
    machine::File,
    options::Options,
    reader::{IndexedSegment, SegmentIndex},
    whole::{read_closed, replace_file},
};

/// Where the index of a segment is kept.
pub(crate) fn index_path(log: &Segment) -> PathBuf {
    log.path.with_extension("idx")
}

/// Writes the index file of a segment, whole or not at all, and opens it.
pub(crate) fn seal(
    options: &Options,
    log: &Arc<Segment>,
    tail: &Tail,
) -> Result<IndexedSegment, EngineError> {
    let sealed = keep(options, log, tail)?;
    Ok(indexed(options, log, sealed, true))
}

/// Opens the index of a closed segment whose last event is at `last`; one that is missing or
/// damaged is built from the log, in memory where nothing may be written.
pub(crate) fn open_index(
    options: &Options,
    log: &Arc<Segment>,
    last: Position,
    writable: bool,
) -> Result<IndexedSegment, EngineError> {
    match open(options, log, last) {
        Ok(sealed) => Ok(indexed(options, log, sealed, writable)),
        Err(error) => {
            let path = log.path.display();
            tracing::warn!(segment = %path, %error, "building an index again");
            Ok(indexed(options, log, build(options, log, last, writable)?, writable))
        }
    }
}

/// The last position of a segment that has an index file: it is closed, so another follows it.
pub(crate) fn closed_at(options: &Options, log: &Segment) -> Option<Position> {
    let file = options.machine.open(&index_path(log)).ok()?;
    let sealed = Sealed::open(file, &options.index_cache).ok()?;
    (sealed.first() == log.first()).then(|| sealed.last())
}

fn indexed(
    options: &Options,
    log: &Arc<Segment>,
    sealed: Sealed,
    writable: bool,
) -> IndexedSegment {
    let (options, of, last) = (options.clone(), Arc::clone(log), sealed.last());
    let rebuild = Box::new(move || build(&options, &of, last, writable));
    let index = SegmentIndex::sealed(ArcSwap::from_pointee(sealed), rebuild);
    IndexedSegment { log: Arc::clone(log), index }
}

fn build(
    options: &Options,
    log: &Segment,
    last: Position,
    writable: bool,
) -> Result<Sealed, EngineError> {
    let tail = index_of(log, last)?;
    match writable {
        true => keep(options, log, &tail),
        false => Ok(Sealed::open(Arc::new(InMemory(tail.seal())), &options.index_cache)?),
    }
}

fn open(options: &Options, log: &Segment, last: Position) -> Result<Sealed, EngineError> {
    let path = index_path(log);
    let file = options.machine.open(&path);
    let file = file.map_err(|error| EngineError::io("opening", &path, error))?;
    let sealed = Sealed::open(file, &options.index_cache)?;
    if sealed.segments() == [log.header.covered()] && sealed.last() == last {
        return Ok(sealed);
    }
    Err(IndexError::Damaged { page: 0, problem: "it is of another segment" }.into())
}

fn keep(options: &Options, log: &Segment, tail: &Tail) -> Result<Sealed, EngineError> {
    let path = index_path(log);
    let dir = path.parent().unwrap_or(Path::new("."));
    let kept = replace_file(&*options.machine, dir, &path, &tail.seal());
    kept.map_err(|error| EngineError::io("writing", &path, error))?;
    open(options, log, tail.last())
}

/// The index of a closed segment that ends at `last`, from its frames. All of them were synced before
/// the next segment was made, so anything that is not whole is damage.
pub(crate) fn index_of(log: &Segment, last: Position) -> Result<Tail, EngineError> {
    let found = read_closed(log, last)?;
    if found.next != last.next() {
        let file = log.path.display().to_string();
        let what =
            format!("it should end with position {last}, after which another segment begins");
        let (offset, position) = (found.end, found.next);
        return Err(EngineError::Damaged(Damage { file, offset, position, what }));
    }
    let tail = Tail::of(log.header.covered());
    for frame in &found.frames {
        push_frame(&tail, frame, |_, _| {})?;
    }
    Ok(tail)
}

/// Adds the events of the next frame of a segment; `also` is told each position and its terms.
pub(crate) fn push_frame(
    tail: &Tail,
    frame: &Frame,
    mut also: impl FnMut(Position, &[Term]),
) -> Result<(), EngineError> {
    entries_of(frame, |entry| {
        tail.push(entry);
        also(entry.position, entry.terms);
    })
}

/// The events of a frame as an index sees them.
pub(crate) fn entries_of(
    frame: &Frame,
    mut each: impl FnMut(&Entry<'_>),
) -> Result<(), EngineError> {
    let key = frame.key()?;
    let mut terms = Vec::new();
    for slot in 0..frame.count() {
        terms_in(frame, slot, key.as_ref().filter(|_| slot == 0), &mut terms)?;
        let position = Position(frame.first().0 + u64::from(slot));
        each(&Entry {
            position,
            recorded_at: frame.recorded_at(),
            offset: frame.offset(),
            opens_frame: slot == 0,
            terms: &terms,
        });
    }
    Ok(())
}

/// The terms of an event; of one that was dropped, those that it is still found by.
fn terms_in(
    frame: &Frame,
    slot: u32,
    key: Option<&IdempotencyKey>,
    terms: &mut Vec<Term>,
) -> Result<(), EngineError> {
    terms.clear();
    if let Some(event) = frame.peek(slot)? {
        let own_id = event.own_id.then_some(event.id);
        let (event_type, stream) = (event.event_type, event.stream.map(|(name, _)| name));
        push_terms(Indexed { own_id, event_type, stream, key }, event.tags.iter(), terms);
    } else if let Some(dropped) = frame.dropped(slot)? {
        terms.extend(dropped.own_id.then(|| Term::id(dropped.id)));
        terms.extend(dropped.end.iter().map(|end| Term::stream(&end.name)));
        terms.extend(key.map(Term::key));
    }
    Ok(())
}

/// An index that is not written down: the ledger is open for reading only.
struct InMemory(Vec<u8>);

impl File for InMemory {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let len = buf.len().min(self.0.len() - begin);
        buf[..len].copy_from_slice(&self.0[begin..begin + len]);
        Ok(len)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}
