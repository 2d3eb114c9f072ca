//! Whole files: a segment that is read from begin to end, a small file that is put in place.

use std::{io, path::Path};

use crate::{
    error::{Damage, EngineError},
    log::{Recovered, Segment, recover},
    machine::Machine,
};

/// Reads a whole segment file.
pub(crate) fn read_segment(log: &Segment) -> Result<Recovered, EngineError> {
    let len = usize::try_from(log.len()?).unwrap_or(usize::MAX);
    let mut bytes = vec![0; len];
    let failed = |error| EngineError::io("reading", &log.path, error);
    let read = log.file.read_at(&mut bytes, 0).map_err(failed)?;
    // Zeros may be cut off meanwhile. Otherwise a read that ends early is no end of the ledger.
    if read < len && log.len()? > read as u64 {
        return Err(failed(io::ErrorKind::UnexpectedEof.into()));
    }
    bytes.truncate(read);
    recover(&log.header, &log.path, &bytes.into()).map_err(|rot| {
        let (file, position) = (log.path.display().to_string(), rot.position);
        EngineError::Damaged(Damage { file, offset: rot.offset, position, what: rot.what })
    })
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
