//! Building an index from what it is derived from: what an event adds to a [`Tail`], and how the
//! file of a sealed segment comes to be, at sealing and whenever it is missing or damaged.
//!
//! The file is written under another name, synced and then renamed: a file of the right name is a
//! whole one, or was damaged later. Losing it loses nothing.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use factum_store::{EventId, EventType, IdempotencyKey, Position, StreamName, Tag};

use super::{Entry, IndexError, Sealed, Tail, Tally, Term};
use crate::{
    error::EngineError,
    log::{Frame, Segment},
    machine::Machine,
};

/// The parts of an event that are indexed.
#[derive(Clone, Copy)]
pub(crate) struct Indexed<'a> {
    pub(crate) id: EventId,
    pub(crate) event_type: &'a EventType,
    pub(crate) tags: &'a [Tag],
    pub(crate) stream: Option<&'a StreamName>,
    /// The key of the batch, with its first event.
    pub(crate) key: Option<&'a IdempotencyKey>,
}

/// The terms of an event.
pub(crate) fn terms_of(event: Indexed<'_>, terms: &mut Vec<Term>) {
    terms.clear();
    terms.push(Term::id(event.id));
    terms.push(Term::event_type(event.event_type));
    terms.extend(event.tags.iter().map(Term::tag));
    if let Some(stream) = event.stream {
        terms.push(Term::stream(stream));
        terms.push(Term::category(&stream.category()));
    }
    terms.extend(event.key.map(Term::key));
}

/// Adds the events of the next frame of a segment.
pub(crate) fn push_frame(tail: &Tail, frame: &Frame) -> Result<(), EngineError> {
    let (mut terms, key) = (Vec::new(), frame.key()?);
    for slot in 0..frame.count() {
        let parts = frame.peek(slot)?;
        let indexed = Indexed {
            id: frame.id(slot)?,
            event_type: &parts.event_type,
            tags: &parts.tags,
            stream: parts.stream.as_ref(),
            key: key.as_ref().filter(|_| slot == 0),
        };
        terms_of(indexed, &mut terms);
        tail.push(&Entry {
            position: Position(frame.first().0 + u64::from(slot)),
            recorded_at: frame.recorded_at(),
            offset: frame.offset(),
            opens_frame: slot == 0,
            terms: &terms,
        });
    }
    Ok(())
}

/// The index of a segment, up to `last`, from its frames.
pub(crate) fn rebuild(log: &Segment, last: Position) -> Result<Tail, EngineError> {
    let tail = Tail::new(log.first());
    let mut frames = log.frames(log.begin(), log.len()?);
    while tail.last() < last {
        let frame = frames.next()?;
        let missing = || log.damage(log.begin(), "it ends before its last event");
        let frame = frame.ok_or_else(missing)?;
        if frame.first() != tail.last().next() {
            return Err(log.damage(frame.offset(), "positions are missing before this frame"));
        }
        push_frame(&tail, &frame)?;
    }
    Ok(tail)
}

/// Where the index of a segment is kept.
pub(crate) fn index_path(log: &Segment) -> PathBuf {
    log.path.with_extension("index")
}

/// Writes the index of a sealed segment, replacing what is there, and opens it.
pub(crate) fn keep(
    machine: &dyn Machine,
    log: &Segment,
    tail: &Tail,
) -> Result<Sealed, EngineError> {
    let path = index_path(log);
    let write = || -> io::Result<()> {
        let unfinished = path.with_extension("index.new");
        match machine.remove(&unfinished) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = machine.create(&unfinished)?;
        file.write_at(&tail.seal(), 0)?;
        file.sync()?;
        machine.rename(&unfinished, &path)?;
        machine.sync_dir(path.parent().unwrap_or(Path::new(".")))
    };
    write().map_err(|error| EngineError::io("writing", &path, error))?;
    Ok(open(machine, log, tail.last())?)
}

/// Opens the index of a sealed segment whose last event is at `last`.
pub(crate) fn open(
    machine: &dyn Machine,
    log: &Segment,
    last: Position,
) -> Result<Sealed, IndexError> {
    let file = machine.open(&index_path(log)).map_err(Arc::new)?;
    let sealed = Sealed::open(file, &Tally::default())?;
    if (sealed.first(), sealed.last()) != (log.first(), last) {
        return Err(IndexError::Damaged { page: 0, problem: "it is of another segment" });
    }
    Ok(sealed)
}
