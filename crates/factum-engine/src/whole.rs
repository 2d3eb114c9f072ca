//! Whole files: a segment that is read from begin to end, a small file that is put in place.

use std::{io, path::Path};

use bytes::Bytes;
use factum_store::Position;

use crate::{
    error::{Damage, EngineError},
    log::{Recovered, Segment, recover},
    machine::{File, Machine},
};

/// Reads a whole segment file.
pub(crate) fn read_segment(log: &Segment) -> Result<Recovered, EngineError> {
    frames_upto(log, &bytes_of(log)?, Position::END)
}

/// Reads the frames of a closed segment, which ends at `last`. What lies behind them is nobody's: a
/// mark, or a batch that was never acknowledged and was cut off by a write that the disk forgot after
/// a sync had failed.
pub(crate) fn read_closed(log: &Segment, last: Position) -> Result<Recovered, EngineError> {
    frames_upto(log, &bytes_of(log)?, last)
}

/// Reads a segment that somebody else may be writing to meanwhile.
///
/// The first bytes are read before the last: where a frame was not there yet, a later one may be,
/// which then looks like damage. By the second look that frame is whole, or it is damage.
pub(crate) fn read_beside(log: &Segment) -> Result<Recovered, EngineError> {
    match read_segment(log) {
        Err(EngineError::Damaged(damage)) => frames_upto(log, &bytes_of(log)?, damage.position),
        found => found,
    }
}

/// All bytes of a segment file.
pub(crate) fn bytes_of(log: &Segment) -> Result<Bytes, EngineError> {
    let len = usize::try_from(log.len()?).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len];
    let failed = |error| EngineError::io("reading", &log.path, error);
    let read = log.file.read_at(&mut bytes, 0).map_err(failed)?;
    // Zeros may be cut off meanwhile. Otherwise a read that ends early is no end of the ledger.
    if read < len && log.len()? > read as u64 {
        return Err(failed(io::ErrorKind::UnexpectedEof.into()));
    }
    bytes.truncate(read);
    Ok(bytes.into())
}

/// The frames in a segment's bytes, up to the one that holds a position.
pub(crate) fn frames_upto(
    log: &Segment,
    bytes: &Bytes,
    upto: Position,
) -> Result<Recovered, EngineError> {
    recover(&log.header, &log.path, bytes, upto).map_err(|rot| {
        let (file, position) = (log.path.display().to_string(), rot.position);
        EngineError::Damaged(Damage { file, offset: rot.offset, position, what: rot.what })
    })
}

/// All bytes of a file.
pub(crate) fn whole(file: &dyn File) -> io::Result<Bytes> {
    let mut bytes = vec![0; file.len()? as usize];
    match file.read_at(&mut bytes, 0)? == bytes.len() {
        true => Ok(bytes.into()),
        // A read that ends early is no end of the file.
        false => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Puts a file in place, whole or not at all.
pub(crate) fn replace_file(
    machine: &dyn Machine,
    dir: &Path,
    path: &Path,
    bytes: &[u8],
) -> io::Result<()> {
    let fresh = path.with_extension("tmp");
    let _ = machine.remove(&fresh);
    let file = machine.create(&fresh)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    machine.rename(&fresh, path)?;
    machine.sync_dir(dir)
}
