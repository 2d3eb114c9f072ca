//! How far a compaction has come, in a small file beside the segments, so that one that was
//! interrupted goes on. It is derived: when it is lost or makes no sense, the next run begins at the
//! beginning, and finds little to do.

use std::path::{Path, PathBuf};

use factum_store::Position;

use crate::{error::EngineError, machine::Machine, whole::replace_file};

const NAME: &str = "COMPACTION";

/// Where an interrupted run stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Segments up to here are done.
    pub(super) done: Position,
    /// Whether they were compressed too.
    pub(super) compress: bool,
}

fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

impl Record {
    /// What an interrupted run has left.
    pub(super) fn read(machine: &dyn Machine, dir: &Path) -> Option<Self> {
        let file = machine.open(&path(dir)).ok()?;
        let mut text = [0; 128];
        let read = file.read_at(&mut text, 0).ok()?;
        Self::parse(std::str::from_utf8(&text[..read]).ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_suffix('\n')?.split(' ');
        let done = words.next()?.parse().ok().map(Position)?;
        let compress = match words.next()? {
            "compressed" => true,
            "plain" => false,
            _ => return None,
        };
        let record = Self { done, compress };
        (record.text() == text).then_some(record)
    }

    fn text(self) -> String {
        let Self { done, compress } = self;
        let words = format!("{done} {}", if compress { "compressed" } else { "plain" });
        format!("{words} {:08x}\n", crc32fast::hash(words.as_bytes()))
    }

    pub(super) fn keep(self, machine: &dyn Machine, dir: &Path) -> Result<(), EngineError> {
        let path = path(dir);
        let kept = replace_file(machine, dir, &path, self.text().as_bytes());
        kept.map_err(|error| EngineError::io("writing", &path, error))
    }

    /// The run is over.
    pub(super) fn remove(machine: &dyn Machine, dir: &Path) {
        // One that stays behind makes the next run begin too late, and the one after that is whole.
        let _ = machine.remove(&path(dir)).and_then(|()| machine.sync_dir(dir));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_and_anything_else_is_none() {
        for compress in [false, true] {
            let record = Record { done: Position(77), compress };
            let text = record.text();
            assert_eq!(Record::parse(&text), Some(record));
            for at in 0..text.len() {
                let mut other = text.clone().into_bytes();
                other[at] ^= 1;
                let read = String::from_utf8(other).ok().and_then(|other| Record::parse(&other));
                assert_eq!(read, None, "byte {at}");
                assert_eq!(Record::parse(&text[..at]), None);
            }
        }
    }
}
