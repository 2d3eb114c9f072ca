//! Index files: written once a segment is closed, built again when one is missing or damaged.
//! Losing one loses nothing.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use factum_store::Position;

use crate::{
    error::{Damage, EngineError},
    index::{Entry, IndexError, Indexed, Sealed, Tail, Tally, Term, terms_of},
    log::{Frame, RecoveredTail, Segment},
    options::Options,
    reader::{IndexedSegment, SegmentIndex},
    whole::{read_segment, replace_file},
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
    Ok(indexed(options, log, sealed))
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
        Ok(sealed) => Ok(indexed(options, log, sealed)),
        Err(error) if writable => {
            let path = log.path.display();
            tracing::warn!(segment = %path, %error, "building an index file again");
            Ok(indexed(options, log, keep(options, log, &index_of(log, last)?)?))
        }
        Err(_) => {
            let index = SegmentIndex::Tail(Arc::new(index_of(log, last)?));
            Ok(IndexedSegment { log: Arc::clone(log), index })
        }
    }
}

fn indexed(options: &Options, log: &Arc<Segment>, sealed: Sealed) -> IndexedSegment {
    let (options, of, last) = (options.clone(), Arc::clone(log), sealed.last());
    let rebuild = Box::new(move || keep(&options, &of, &index_of(&of, last)?));
    let index = SegmentIndex::Sealed { sealed: ArcSwap::from_pointee(sealed), rebuild };
    IndexedSegment { log: Arc::clone(log), index }
}

fn open(options: &Options, log: &Segment, last: Position) -> Result<Sealed, EngineError> {
    let path = index_path(log);
    let file = options.machine.open(&path);
    let file = file.map_err(|error| EngineError::io("opening", &path, error))?;
    let sealed = Sealed::open(file, &Tally::default())?;
    if (sealed.first(), sealed.last()) == (log.first(), last) {
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

/// The index of a closed segment that ends at `last`, from its frames. All of them were synced before the next segment
/// was made, so anything that is not whole is damage.
fn index_of(log: &Segment, last: Position) -> Result<Tail, EngineError> {
    let found = read_segment(log)?;
    if found.tail != RecoveredTail::Clean || found.next != last.next() {
        let file = log.path.display().to_string();
        let what =
            format!("it should end with position {last}, after which another segment begins");
        let (offset, position) = (found.end, found.next);
        return Err(EngineError::Damaged(Damage { file, offset, position, what }));
    }
    let tail = Tail::new(log.first());
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
    let key = frame.key()?;
    let mut terms = Vec::new();
    for slot in 0..frame.count() {
        let parts = frame.peek(slot)?;
        let indexed = Indexed {
            id: parts.id,
            event_type: &parts.event_type,
            tags: &parts.tags,
            stream: parts.stream.as_ref(),
            key: key.as_ref().filter(|_| slot == 0),
        };
        terms_of(indexed, &mut terms);
        let position = Position(frame.first().0 + u64::from(slot));
        tail.push(&Entry {
            position,
            recorded_at: frame.recorded_at(),
            offset: frame.offset(),
            opens_frame: slot == 0,
            terms: &terms,
        });
        also(position, &terms);
    }
    Ok(())
}
