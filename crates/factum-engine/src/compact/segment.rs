//! One segment in its next generation: written beside the present one, synced, read back, named,
//! shown to readers; then the present one is removed.
//!
//! ```text
//!   write <first>-<g>.log.tmp ─► sync ─► read back ─► <first>-<g>.idx ─► rename to .log ─► sync names
//!                                                    ─► readers ─► remove the files of g − 1
//! ```
//! Protects G2: at every moment one whole generation is there under its name.

use std::{path::Path, sync::Arc};

use factum_store::Position;

use super::verdict::Judged;
use crate::{
    error::EngineError,
    generations::remove,
    log::{Frame, Segment, SegmentHeader, rewritten, segment_name},
    machine::File,
    options::Options,
    reader::IndexedSegment,
    sabotage::Sabotage,
    sealing::{index_of, index_path, open_index},
    shared::Shared,
    whole::replace_file,
};

/// Bytes that are gathered before they are written.
const WRITE_BYTES: usize = 1 << 20;

/// Hands over each frame of a closed segment whose last event is at `last`.
pub(super) fn each_frame(
    log: &Segment,
    last: u64,
    mut take: impl FnMut(&Frame) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    let mut frames = log.frames(log.begin(), log.len()?);
    let mut next = log.first();
    while next.0 <= last {
        let frame = frames.next()?.filter(|frame| frame.first() == next);
        let frame = frame.ok_or_else(|| log.damage(0, &format!("position {next} is missing")))?;
        take(&frame)?;
        next = frame.last().next();
    }
    Ok(())
}

/// Bytes that the next generation of a segment would be shorter by, without its index.
pub(super) fn saved(old: &IndexedSegment, judged: &Judged) -> Result<u64, EngineError> {
    let (mut before, mut after, mut fates) = (0, 0, judged.fates.iter());
    each_frame(&old.log, old.last().0, |frame| {
        let fates = fates.by_ref().take(frame.count() as usize).copied();
        before += frame.end() - frame.offset();
        after += rewritten(frame, &old.log.header, frame.offset(), fates, false)?.len() as u64;
        Ok(())
    })?;
    Ok(before.saturating_sub(after))
}

/// Gives a segment its next generation, and shows it to readers.
pub(super) fn rewrite(
    shared: &Shared,
    options: &Options,
    old: &IndexedSegment,
    judged: &Judged,
) -> Result<Arc<IndexedSegment>, EngineError> {
    let generation = old.log.header.generation + 1;
    let header = SegmentHeader { generation, ..old.log.header };
    let dir = old.log.path.parent().unwrap_or(Path::new("."));
    let path = dir.join(segment_name(&header));
    let fresh = path.with_extension("log.tmp");
    let written = write(options, &fresh, &header, old, judged)
        .and_then(|()| put_in_place(options, dir, &fresh, &path, old.last()));
    if let Err(error) = written {
        // What was begun is of no use; the next start would remove it.
        remove(options, &fresh);
        return Err(error);
    }
    let log = Arc::new(Segment::open(&*options.machine, &path, true)?);
    let segment = Arc::new(open_index(options, &log, old.last(), true)?);
    shared.replace_segment(Arc::clone(&segment));
    // Who still reads the old one has its files open.
    remove(options, &old.log.path);
    remove(options, &index_path(&old.log));
    Ok(segment)
}

fn write(
    options: &Options,
    path: &Path,
    header: &SegmentHeader,
    old: &IndexedSegment,
    judged: &Judged,
) -> Result<(), EngineError> {
    let failed = |error| EngineError::io("writing", path, error);
    let machine = &*options.machine;
    let _ = machine.remove(path);
    let file = machine.create(path).map_err(failed)?;
    let mut output = Output { file: &*file, path, bytes: header.encode(), written: 0 };
    let mut fates = judged.fates.iter();
    each_frame(&old.log, old.last().0, |frame| {
        let fates = fates.by_ref().take(frame.count() as usize).copied();
        let forgetful = options.switch().is(Sabotage::CompactionForgetsKeys);
        let bytes = rewritten(frame, header, output.end(), fates, forgetful)?;
        output.put(&bytes)
    })?;
    output.flush()?;
    file.sync().map_err(failed)
}

/// Reads back what was written, writes its index, and gives both their names.
fn put_in_place(
    options: &Options,
    dir: &Path,
    fresh: &Path,
    path: &Path,
    last: Position,
) -> Result<(), EngineError> {
    let machine = &*options.machine;
    let log = Segment::open(machine, fresh, false)?;
    let index = index_of(&log, last)?.seal();
    let index_at = path.with_extension("idx");
    let kept = replace_file(machine, dir, &index_at, &index);
    kept.map_err(|error| EngineError::io("writing", &index_at, error))?;
    let named = machine.rename(fresh, path).and_then(|()| machine.sync_dir(dir));
    named.map_err(|error| EngineError::io("naming", path, error))
}

/// A file that is written from begin to end.
struct Output<'a> {
    file: &'a dyn File,
    path: &'a Path,
    bytes: Vec<u8>,
    written: u64,
}

impl Output<'_> {
    /// Where the next byte goes.
    fn end(&self) -> u64 {
        self.written + self.bytes.len() as u64
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() >= WRITE_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), EngineError> {
        let written = self.file.write_at(&self.bytes, self.written);
        written.map_err(|error| EngineError::io("writing", self.path, error))?;
        self.written = self.end();
        self.bytes.clear();
        Ok(())
    }
}
