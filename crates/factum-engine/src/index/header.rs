//! The header of a sealed index file: its first page, and all of it that stays in memory (G12).
//!
//! ```text
//!   "FACTIDX2" | first u64 | last u64 | earliest u64 | latest u64 |    positions, times
//!   frames: first page u32, leaves u32, pages u32 |
//!   postings: packed first page u32, pages u32 | trees first page u32, pages u32 |
//!   dictionary: first page u32, buckets u32, pages u32 |
//!   filter: first page u32, blocks u32, pages u32 | terms u64 |
//!   segments u32 | first position u64, seed u32, for each segment |
//! ```

use factum_store::{Position, Timestamp};

use super::{
    filter::pages_for,
    pages::{BODY_BYTES, PAGE_BYTES, Take},
};
use crate::log::POSITION_MOST;

const MAGIC: &[u8; 8] = b"FACTIDX2";

/// The most segments that one file may cover.
pub(super) const SEGMENTS_MAX: usize = 256;

/// Where the segments begin.
const HEAD_BYTES: usize = 8 + 4 * 8 + 13 * 4 + 8 + 4;

const _: () = assert!(HEAD_BYTES + SEGMENTS_MAX * 12 <= BODY_BYTES);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) first: Position,
    pub(super) last: Position,
    pub(super) earliest: Timestamp,
    pub(super) latest: Timestamp,
    pub(super) frames: Span,
    pub(super) frame_leaves: u32,
    pub(super) packed: Span,
    pub(super) trees: Span,
    pub(super) dictionary: Span,
    pub(super) buckets: u32,
    pub(super) filter: Span,
    pub(super) filter_blocks: u32,
    pub(super) terms: u64,
    /// The segments, in order.
    pub(super) segments: Vec<Covered>,
}

/// A segment that an index is of. Of another generation of it, or the segment of another ledger with
/// the same positions, it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Covered {
    pub(crate) first: Position,
    /// What the checksums of the segment begin with at its offset 0: the ledger and the generation
    /// are in it.
    pub(crate) seed: u32,
}

/// A run of pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u32,
    pub(super) pages: u32,
}

impl Span {
    /// The run of `pages` pages after this one.
    pub(super) fn then(self, pages: u32) -> Self {
        Self { first: self.first.saturating_add(self.pages), pages }
    }
}

impl Header {
    /// How long the file is.
    pub(super) fn file_bytes(&self) -> u64 {
        u64::from(self.filter.then(0).first) * PAGE_BYTES as u64
    }

    pub(super) fn body(&self) -> Vec<u8> {
        let mut body = MAGIC.to_vec();
        for number in [self.first.0, self.last.0, self.earliest.micros, self.latest.micros] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        for number in [
            self.frames.first,
            self.frame_leaves,
            self.frames.pages,
            self.packed.first,
            self.packed.pages,
            self.trees.first,
            self.trees.pages,
            self.dictionary.first,
            self.buckets,
            self.dictionary.pages,
            self.filter.first,
            self.filter_blocks,
            self.filter.pages,
        ] {
            body.extend_from_slice(&number.to_le_bytes());
        }
        body.extend_from_slice(&self.terms.to_le_bytes());
        body.extend_from_slice(&(self.segments.len() as u32).to_le_bytes());
        for Covered { first, seed } in &self.segments {
            body.extend_from_slice(&first.0.to_le_bytes());
            body.extend_from_slice(&seed.to_le_bytes());
        }
        body.resize(BODY_BYTES, 0);
        body
    }

    /// `None` when the page is not a header of this version, or contradicts itself.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let mut take = Take(body);
        if take.bytes(MAGIC.len())? != MAGIC {
            return None;
        }
        let (first, last) = (Position(take.u64()?), Position(take.u64()?));
        let (earliest, latest) = (take.u64()?, take.u64()?);
        let frames = take.u32()?;
        let frame_leaves = take.u32()?;
        let frames = Span { first: frames, pages: take.u32()? };
        let packed = Span { first: take.u32()?, pages: take.u32()? };
        let trees = Span { first: take.u32()?, pages: take.u32()? };
        let dictionary = take.u32()?;
        let buckets = take.u32()?;
        let dictionary = Span { first: dictionary, pages: take.u32()? };
        let filter = take.u32()?;
        let filter_blocks = take.u32()?;
        let filter = Span { first: filter, pages: take.u32()? };
        let terms = take.u64()?;
        let count = usize::try_from(take.u32()?).ok().filter(|n| (1..=SEGMENTS_MAX).contains(n))?;
        let covered =
            |take: &mut Take<'_>| Some(Covered { first: Position(take.u64()?), seed: take.u32()? });
        let segments: Option<Vec<_>> = (0..count).map(|_| covered(&mut take)).collect();
        let header = Self {
            first,
            last,
            earliest: Timestamp::from_micros(earliest),
            latest: Timestamp::from_micros(latest),
            frames,
            frame_leaves,
            packed,
            trees,
            dictionary,
            buckets,
            filter,
            filter_blocks,
            terms,
            segments: segments?,
        };
        let runs = [frames, packed, trees, dictionary, filter]
            .is_sorted_by(|a, b| a.then(0).first == b.first);
        let ends = filter.first.checked_add(filter.pages).is_some();
        let covered = last.0 <= POSITION_MOST && last.0.saturating_sub(first.0) < u32::MAX.into();
        let filled = (1..=frames.pages).contains(&frame_leaves)
            && (1..=dictionary.pages).contains(&buckets)
            && frames.first == 1;
        let filled = filled && filter_blocks > 0 && filter.pages == pages_for(filter_blocks);
        let positions = header.first <= header.last && header.segments[0].first == header.first;
        (runs && ends && covered && filled && positions).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g10_a_header_that_speaks_of_pages_or_positions_that_cant_be_is_none() {
        let span = |first, pages| Span { first, pages };
        let header = Header {
            first: Position(5),
            last: Position(9),
            earliest: Timestamp::default(),
            latest: Timestamp::default(),
            frames: span(1, 2),
            frame_leaves: 2,
            packed: span(3, 1),
            trees: span(4, 1),
            dictionary: span(5, 3),
            buckets: 2,
            filter: span(8, pages_for(1)),
            filter_blocks: 1,
            terms: 1,
            segments: vec![Covered { first: Position(5), seed: 7 }],
        };
        let is_one = |header: &Header| Header::parse(&header.body()).as_ref() == Some(header);
        assert!(is_one(&header));
        let absurd: [fn(&mut Header); 5] = [
            |header| header.buckets = 4,
            |header| header.frame_leaves = 3,
            |header| header.dictionary.pages = u32::MAX,
            |header| header.last = Position::END,
            |header| header.last = Position(5 + u64::from(u32::MAX)),
        ];
        for (number, change) in absurd.iter().enumerate() {
            let mut header = header.clone();
            change(&mut header);
            assert!(!is_one(&header), "{number}");
        }
    }
}
