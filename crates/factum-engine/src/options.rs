//! [`Options`]: what a ledger can be opened with, with the reasons for the defaults.

use std::sync::Arc;

use factum_store::{Invalid, Limits};

use crate::{
    index::IndexCache,
    machine::{Machine, RealMachine},
    sabotage::Switch,
};

/// No segment may be longer.
const SEGMENT_BYTES_MOST: u64 = 2 << 30;

/// No batch may have more data: its frame has a length of 32 bits.
const BATCH_BYTES_MOST: usize = 1 << 30;

/// How ledgers are kept.
#[derive(Clone)]
pub struct Options {
    /// Disk, clock and randomness.
    pub machine: Arc<dyn Machine>,
    /// What an append and a query may hold.
    pub limits: Limits,
    /// A segment is closed when the next frame would make it longer than this. 64 MiB: what
    /// recovery reads at most, and what bounds the index of the active segment in memory.
    pub segment_bytes_max: u64,
    /// Zeros are written ahead of the frames in steps of this many bytes, so that a sync flushes
    /// data and journals nothing. 4 MiB.
    pub write_ahead_bytes: u64,
    /// Pages of index files that are kept in memory, by all ledgers opened with these options or
    /// clones of them, and as much again of their filters. 64 MiB together.
    pub index_cache: IndexCache,
    /// Whether zeros, spare segments and index files are written by threads beside the writer.
    /// Without them the same work is done by the writer, in an order that depends on nothing else.
    pub background: bool,
    /// Whether segments are compressed as soon as they are closed. Off: it takes a processor for a
    /// second or so per 100 MiB, which is better spent when nobody waits, by a compaction.
    pub compress: bool,
    /// A deliberate bug, for tests that prove that tests bite.
    #[cfg(feature = "sabotage")]
    pub sabotage: Option<crate::Sabotage>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            machine: Arc::new(RealMachine),
            limits: Limits::default(),
            segment_bytes_max: 64 << 20,
            write_ahead_bytes: 4 << 20,
            index_cache: IndexCache::with_bytes(IndexCache::BYTES),
            background: true,
            compress: false,
            #[cfg(feature = "sabotage")]
            sabotage: None,
        }
    }
}

impl Options {
    /// The defaults on another machine.
    #[must_use]
    pub fn on(machine: impl Machine) -> Self {
        Self { machine: Arc::new(machine), ..Self::default() }
    }

    pub(crate) fn check(&self) -> Result<(), Invalid> {
        // Places in the index of a segment are 32 bits wide.
        if self.segment_bytes_max > SEGMENT_BYTES_MOST {
            let problem = format!("is more than {SEGMENT_BYTES_MOST}");
            return Err(Invalid::new("segment_bytes_max", problem));
        }
        // Lengths of texts and numbers of tags have 16 bits, lengths of frames 32. A batch beyond
        // them would be acknowledged, and could not be read.
        let limits = &self.limits;
        for (field, value, most) in [
            ("limits.text_bytes_max", limits.text_bytes_max, u16::MAX as usize),
            ("limits.tags_max", limits.tags_max, u16::MAX as usize),
            ("limits.batch_bytes_max", limits.batch_bytes_max, BATCH_BYTES_MOST),
        ] {
            if value > most {
                return Err(Invalid::new(field, format!("is more than {most}")));
            }
        }
        Ok(())
    }

    pub(crate) fn switch(&self) -> Switch {
        Switch(
            #[cfg(feature = "sabotage")]
            self.sabotage,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_beyond_what_a_frame_can_hold_are_refused() {
        let refused = |change: fn(&mut Limits)| {
            let mut options = Options::default();
            change(&mut options.limits);
            options.check().is_err()
        };
        assert!(!refused(|limits| limits.text_bytes_max = 65_535));
        assert!(refused(|limits| limits.text_bytes_max = 65_536));
        assert!(refused(|limits| limits.tags_max = 65_536));
        assert!(refused(|limits| limits.batch_bytes_max = 4 << 30));
    }
}
