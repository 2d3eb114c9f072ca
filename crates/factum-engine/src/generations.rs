//! Generations: a segment that was rewritten has a file of its own for each time, named
//! `<first>-<generation>.log`; the one before goes when the new one is in place.
//!
//! Protects G2 and G10: whatever a crash left, one whole generation of each segment is opened, the
//! highest, and what is left of the others is removed. A file under another's name is damage.

use std::{path::Path, sync::Arc};

use factum_store::Position;

use crate::{
    error::{Damage, EngineError},
    log::{RecoveredTail, Segment, segment_name},
    options::Options,
    whole::{read_closed, read_segment},
};

/// A segment's file by its name.
pub(crate) struct Named {
    pub(crate) name: String,
    pub(crate) first: Position,
    pub(crate) generation: u32,
}

/// Opens the segments of a directory, each in its highest generation that is whole, in order.
pub(crate) fn open_highest(
    dir: &Path,
    options: &Options,
    names: &[String],
    writable: bool,
) -> Result<Vec<Arc<Segment>>, EngineError> {
    let mut named: Vec<_> = names.iter().filter_map(|name| parse(name)).collect();
    named.sort_unstable_by_key(|named| (named.first, named.generation));
    let runs: Vec<_> = named.chunk_by(|a, b| a.first == b.first).collect();
    let mut segments = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        let next = runs.get(i + 1).map(|run| run[0].first);
        let segment = open_run(dir, options, run, next, writable)?;
        if writable {
            let path = dir.join(segment_name(&segment.header));
            let others = run.iter().map(|named| dir.join(&named.name));
            others.filter(|other| *other != path).for_each(|other| remove(options, &other));
        }
        segments.push(segment);
    }
    if writable {
        remove_stray_indexes(dir, options, names, &segments);
    }
    Ok(segments)
}

/// The highest generation that is whole. `next` is where the next segment begins.
fn open_run(
    dir: &Path,
    options: &Options,
    run: &[Named],
    next: Option<Position>,
    writable: bool,
) -> Result<Arc<Segment>, EngineError> {
    let mut run = run.iter().rev();
    // Names come in pairs only when a crash came between putting the new one in place and removing
    // the old one; only then is it read whole, to choose.
    while let Some(named) = run.next() {
        let opened = open(dir, options, named, writable);
        if run.len() == 0 {
            return opened.map(Arc::new);
        }
        match opened.and_then(|segment| whole(&segment, next).map(|()| segment)) {
            Ok(segment) => return Ok(Arc::new(segment)),
            Err(error @ EngineError::Damaged(_)) => {
                let file = dir.join(&named.name);
                tracing::warn!(file = %file.display(), %error, "going back to the generation before");
            }
            Err(error) => return Err(error),
        }
    }
    let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
    Err(EngineError::io("finding a segment in", dir, missing))
}

/// Opens a file that is the segment its name says.
fn open(
    dir: &Path,
    options: &Options,
    named: &Named,
    writable: bool,
) -> Result<Segment, EngineError> {
    let path = dir.join(&named.name);
    let segment = Segment::open(&*options.machine, &path, writable)?;
    let is = (segment.header.first, segment.header.generation);
    if is == (named.first, named.generation) {
        return Ok(segment);
    }
    let what = format!("it is the segment {}, under another name", segment_name(&segment.header));
    Err(segment.damage(0, &what))
}

fn whole(segment: &Segment, next: Option<Position>) -> Result<(), EngineError> {
    let (found, whole) = match next {
        Some(next) => {
            let found = read_closed(segment, next.prev())?;
            let reaches = found.next == next;
            (found, reaches)
        }
        None => {
            let found = read_segment(segment)?;
            let clean = found.tail == RecoveredTail::Clean;
            (found, clean)
        }
    };
    if whole {
        return Ok(());
    }
    let file = segment.path.display().to_string();
    let what = "it does not reach the next segment".to_owned();
    Err(EngineError::Damaged(Damage { file, offset: found.end, position: found.next, what }))
}

/// Removes the index files of generations that are gone.
fn remove_stray_indexes(dir: &Path, options: &Options, names: &[String], kept: &[Arc<Segment>]) {
    for name in names {
        let Some(stem) = name.strip_suffix(".idx") else { continue };
        let Some(named) = parse(&format!("{stem}.log")) else { continue };
        let found = kept.binary_search_by_key(&named.first, |log| log.first());
        let of_another = |log: &Arc<Segment>| log.header.generation != named.generation;
        if found.is_ok_and(|at| of_another(&kept[at])) {
            remove(options, &dir.join(name));
        }
    }
}

/// What is left of another generation costs room, no more.
pub(crate) fn remove(options: &Options, path: &Path) {
    if let Err(error) = options.machine.remove(path) {
        tracing::debug!(path = %path.display(), %error, "could not be removed");
    }
}

/// What a file's name says of its segment.
pub(crate) fn parse(name: &str) -> Option<Named> {
    let stem = name.strip_suffix(".log")?;
    let (first, generation) = stem.split_once('-').unwrap_or((stem, "0"));
    let number = |text: &str| text.parse::<u64>().ok();
    // What is named like no segment is opened all the same, so that it is noticed.
    let first = Position(number(first).unwrap_or_default());
    let generation = number(generation).and_then(|n| u32::try_from(n).ok()).unwrap_or_default();
    Some(Named { name: name.to_owned(), first, generation })
}
