//! The first block of a segment file.
//!
//! ```text
//!  offset  bytes
//!       0      8  "FACTUMSG"
//!       8      4  format version
//!      12      4  generation: how often the segment was rewritten
//!      16     16  ledger id
//!      32      8  position of the first event
//!      40      4  what the ids that this ledger makes have in common (30 bits)
//!      44      4  crc32 of bytes 0..44
//!      48      …  zeros up to 4096
//! ```
//!
//! All numbers are little-endian.

use factum_store::Position;

use super::{frame::POSITION_MOST, id::IdRoot};
use crate::index::Covered;

/// Frames begin here: a block of its own, so that writing a frame never touches the header.
pub(crate) const SEGMENT_HEADER_BYTES: u64 = 4_096;
/// The format of segment files.
pub(crate) const SEGMENT_FORMAT: u32 = 1;

const MAGIC: &[u8; 8] = b"FACTUMSG";
const CHECKED: usize = 44;
const USED: usize = CHECKED + 4;

/// Which segment a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    pub(crate) ledger: u128,
    pub(crate) first: Position,
    /// How often the segment was rewritten: its bytes are other ones each time.
    pub(crate) generation: u32,
    /// What the ids that this ledger makes have in common; see [`super::id`].
    pub(crate) id_root: IdRoot,
}

/// Why bytes are no header.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeaderError {
    Newer(u32),
    Damaged(&'static str),
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES as usize);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&SEGMENT_FORMAT.to_le_bytes());
        bytes.extend_from_slice(&self.generation.to_le_bytes());
        bytes.extend_from_slice(&self.ledger.to_le_bytes());
        bytes.extend_from_slice(&self.first.0.to_le_bytes());
        bytes.extend_from_slice(&self.id_root.0.to_le_bytes());
        debug_assert_eq!(bytes.len(), CHECKED);
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        bytes.resize(SEGMENT_HEADER_BYTES as usize, 0);
        bytes
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        let used: &[u8; USED] = bytes
            .first_chunk()
            .ok_or(HeaderError::Damaged("the file is too short for a segment's header"))?;
        let word =
            |at: usize| u32::from_le_bytes([used[at], used[at + 1], used[at + 2], used[at + 3]]);
        if &used[..8] != MAGIC {
            return Err(HeaderError::Damaged("it does not begin like a segment"));
        }
        if crc32fast::hash(&used[..CHECKED]) != word(CHECKED) {
            return Err(HeaderError::Damaged("the header's checksum does not fit"));
        }
        if word(8) > SEGMENT_FORMAT {
            return Err(HeaderError::Newer(word(8)));
        }
        let ledger = used.get(16..32).and_then(|b| b.try_into().ok()).map(u128::from_le_bytes);
        let first = used.get(32..40).and_then(|b| b.try_into().ok()).map(u64::from_le_bytes);
        match (ledger, first) {
            (_, Some(first)) if first > POSITION_MOST => {
                Err(HeaderError::Damaged("the position that it begins at can't be"))
            }
            (Some(ledger), Some(first)) => {
                let (generation, id_root) = (word(12), IdRoot(word(40)));
                Ok(Self { ledger, first: Position(first), generation, id_root })
            }
            _ => Err(HeaderError::Damaged("the header is cut off")),
        }
    }

    /// The segment as its index names it.
    pub(crate) fn covered(&self) -> Covered {
        Covered { first: self.first, seed: self.seed(0) }
    }

    /// What the checksums of the frame at `offset` begin with.
    pub(crate) fn seed(&self, offset: u64) -> u32 {
        let (low, high) = (self.ledger as u64, (self.ledger >> 64) as u64);
        let place = [low, high, self.generation.into(), self.first.0, offset];
        // Each step is a bijection of what it is mixed with, so any two places that differ in one
        // part have different states, and 64 bits are folded to 32 only at the end.
        let state = place.iter().fold(0_u64, |state, part| {
            let state = (state ^ part).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            state ^ state >> 32
        });
        // Never zero, so that zeros never check.
        (state >> 16) as u32 | 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_back_and_every_flipped_bit_is_noticed() {
        let (first, id_root) = (Position(77), IdRoot(5));
        let header = SegmentHeader { ledger: 0x1234_5678_9abc, first, generation: 3, id_root };
        let bytes = header.encode();
        assert_eq!(bytes.len() as u64, SEGMENT_HEADER_BYTES);
        assert_eq!(SegmentHeader::decode(&bytes), Ok(header));
        for bit in 0..USED * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(SegmentHeader::decode(&flipped).is_err(), "bit {bit}");
        }
        assert!(SegmentHeader::decode(&bytes[..USED - 1]).is_err());
    }
}
