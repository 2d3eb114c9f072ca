//! One segment in its next generation: written beside the present one, synced, read back, named,
//! shown to readers; then the present one is removed.
//!
//! ```text
//!   write <first>-<g>.log.tmp ─► sync ─► read back ─► <first>-<g>.idx ─► rename to .log ─► sync names
//!                                                    ─► readers ─► remove the files of g − 1
//! ```
//! Protects G2: at every moment one whole generation is there under its name.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use factum_store::Position;

use super::verdict::Judged;
use crate::{
    error::EngineError,
    generations::remove,
    log::{Frame, Packer, Segment, SegmentHeader, rewritten, segment_name},
    machine::File,
    options::Options,
    reader::IndexedSegment,
    sabotage::Sabotage,
    sealing::{index_of, open_index},
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

/// Gives a segment its next generation, and shows it to readers. One that is compressed stays so.
pub(super) fn rewrite(
    shared: &Shared,
    options: &Options,
    old: &IndexedSegment,
    judged: &Judged,
    packs: bool,
) -> Result<Arc<IndexedSegment>, EngineError> {
    let packs = packs || old.log.is_packed();
    let dir = old.log.path.parent().unwrap_or(Path::new("."));
    let (header, left) = next_generation(options, dir, &old.log.header)?;
    let path = dir.join(segment_name(&header));
    let fresh = path.with_extension("log.tmp");
    let written = write(options, &fresh, &header, old, judged, packs)
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
    for path in left.iter().map(PathBuf::as_path).chain([&*old.log.path]) {
        remove(options, path);
        remove(options, &path.with_extension("idx"));
    }
    Ok(segment)
}

/// The next generation that no file has, and the files in between: of a run that failed after it had
/// put its file in place. That one is whole, but of what was hidden then: it must not meet an index
/// of what is hidden now.
fn next_generation(
    options: &Options,
    dir: &Path,
    old: &SegmentHeader,
) -> Result<(SegmentHeader, Vec<PathBuf>), EngineError> {
    let (mut header, mut left) = (*old, Vec::new());
    loop {
        header.generation += 1;
        let path = dir.join(segment_name(&header));
        match options.machine.open(&path) {
            Ok(_) => left.push(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((header, left)),
            Err(error) => return Err(EngineError::io("looking for", &path, error)),
        }
    }
}

fn write(
    options: &Options,
    path: &Path,
    header: &SegmentHeader,
    old: &IndexedSegment,
    judged: &Judged,
    packs: bool,
) -> Result<(), EngineError> {
    let failed = |error| EngineError::io("writing", path, error);
    let machine = &*options.machine;
    let _ = machine.remove(path);
    let file = machine.create(path).map_err(failed)?;
    let mut output = Output::new(Arc::clone(&file), *header, packs);
    let mut fates = judged.fates.iter();
    each_frame(&old.log, old.last().0, |frame| {
        let fates = fates.by_ref().take(frame.count() as usize).copied();
        let forgetful = options.switch().is(Sabotage::CompactionForgetsKeys);
        let bytes = rewritten(frame, header, output.end(), fates, forgetful)?;
        output.put(&bytes).map_err(failed)
    })?;
    let finished = output.finish();
    if options.switch().is(Sabotage::CompactionNotSynced) {
        return finished.map_err(failed);
    }
    finished.and_then(|()| file.sync()).map_err(failed)
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
    let unsynced = options.switch().is(Sabotage::OldRemovedFirst);
    let log = Segment::open(machine, fresh, false)?;
    let index = index_of(&log, last)?.seal();
    let index_at = path.with_extension("idx");
    let kept = replace_file(machine, dir, &index_at, &index);
    kept.map_err(|error| EngineError::io("writing", &index_at, error))?;
    let named = machine.rename(fresh, path).and_then(|()| match unsynced {
        true => Ok(()),
        false => machine.sync_dir(dir),
    });
    named.map_err(|error| EngineError::io("naming", path, error))
}

/// A segment's file that is written from begin to end, compressed or as it is.
enum Output {
    Plain { file: Arc<dyn File>, bytes: Vec<u8>, written: u64 },
    Packed(Packer),
}

impl Output {
    fn new(file: Arc<dyn File>, header: SegmentHeader, packs: bool) -> Self {
        match packs {
            true => Self::Packed(Packer::new(file, header)),
            false => Self::Plain { file, bytes: header.encode(), written: 0 },
        }
    }

    /// Where the next byte of the segment goes.
    fn end(&self) -> u64 {
        match self {
            Self::Plain { bytes, written, .. } => written + bytes.len() as u64,
            Self::Packed(packer) => packer.end(),
        }
    }

    fn put(&mut self, more: &[u8]) -> io::Result<()> {
        match self {
            Self::Packed(packer) => return packer.put(more),
            Self::Plain { bytes, .. } => bytes.extend_from_slice(more),
        }
        self.write(WRITE_BYTES)
    }

    /// Writes what was gathered, when that is so much.
    fn write(&mut self, least: usize) -> io::Result<()> {
        if let Self::Plain { file, bytes, written } = self
            && bytes.len() >= least
        {
            file.write_at(bytes, *written)?;
            *written += bytes.len() as u64;
            bytes.clear();
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.write(1)?;
        match self {
            Self::Plain { .. } => Ok(()),
            Self::Packed(packer) => packer.finish(),
        }
    }
}
