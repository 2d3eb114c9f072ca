//! [`Filter`]: whether a sealed index may have a term, from memory.
//!
//! A ledger has many segments and a term is in few of them. A filter says of nearly all others that
//! they don't have it, without reading a page of theirs. It is a split block Bloom filter (Putze,
//! Sanders, Singler: "Cache-, Hash- and Space-Efficient Bloom Filters"; the variant and its constants
//! are those of Apache Parquet's specification): one look touches 32 bytes. It never says "no" of a
//! term that is there, and of a hundred that are not it says "perhaps" of about one.
//!
//! ```text
//!   page   | 127 blocks of eight u32, little-endian |
//!   block of a term = (term >> 32) * blocks >> 32
//!   bit of word i = (the term's lower half * SALTS[i], wrapping) >> 27
//! ```
//! Protects G12: filters are kept up to a number of bytes; a segment that comes later has none, and
//! its dictionary is asked.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::{
    pages::{PageRun, Take},
    term::Term,
};

type Block = [u32; 8];

const BLOCK_BYTES: usize = 32;
const BITS_A_TERM: usize = 10;
/// As many as fit in a page's body.
const PAGE_BLOCKS: usize = 127;

const SALTS: Block = [
    0x47b6_137b,
    0x4497_4d91,
    0x8824_ad5b,
    0xa2b7_289d,
    0x7054_95c7,
    0x2df1_424b,
    0x9efc_4947,
    0x5c6b_fb31,
];

fn block_of(term: Term, blocks: usize) -> usize {
    ((u128::from(term.0 >> 32) * blocks as u128) >> 32) as usize
}

fn mask(term: Term) -> Block {
    SALTS.map(|salt| 1 << ((term.0 as u32).wrapping_mul(salt) >> 27))
}

/// The pages of the filter of some terms, and how many blocks are in them.
pub(super) fn pages_of(terms: &[Term]) -> (PageRun, u32) {
    let mut blocks = vec![Block::default(); (terms.len() * BITS_A_TERM).div_ceil(256).max(1)];
    for term in terms {
        let at = block_of(*term, blocks.len());
        blocks[at].iter_mut().zip(mask(*term)).for_each(|(word, bit)| *word |= bit);
    }
    let mut run = PageRun::for_pages(pages_for(blocks.len() as u32));
    for page in blocks.chunks(PAGE_BLOCKS) {
        let words = page.iter().flatten().flat_map(|word| word.to_le_bytes());
        run.push(&words.collect::<Vec<_>>());
    }
    (run, blocks.len() as u32)
}

/// How many pages so many blocks take.
pub(super) fn pages_for(blocks: u32) -> u32 {
    blocks.div_ceil(PAGE_BLOCKS as u32)
}

/// A filter in memory.
pub(super) struct Filter {
    blocks: Box<[Block]>,
    _room: Room,
}

impl Filter {
    /// The filter of so many blocks in these pages' bodies; `None` when they are too short.
    pub(super) fn of<'a>(
        bodies: impl Iterator<Item = &'a [u8]>,
        blocks: u32,
        room: Room,
    ) -> Option<Self> {
        let mut left = blocks as usize;
        let mut taken = Vec::with_capacity(left);
        for body in bodies {
            let mut take = Take(body);
            for _ in 0..left.min(PAGE_BLOCKS) {
                let mut block = Block::default();
                for word in &mut block {
                    *word = take.u32()?;
                }
                taken.push(block);
            }
            left = left.saturating_sub(PAGE_BLOCKS);
        }
        let all = taken.len() == blocks as usize && blocks > 0;
        all.then(|| Self { blocks: taken.into(), _room: room })
    }

    /// Whether the index may have the term; `false` is certain.
    pub(super) fn may_have(&self, term: Term) -> bool {
        let block = &self.blocks[block_of(term, self.blocks.len())];
        block.iter().zip(mask(term)).all(|(word, bit)| word & bit != 0)
    }
}

/// The bytes that filters may still take, of all indexes together.
#[derive(Clone, Debug)]
pub(super) struct FilterRoom(Arc<AtomicU64>);

/// Bytes that a filter takes, given back with it.
pub(super) struct Room {
    of: FilterRoom,
    bytes: u64,
}

impl FilterRoom {
    pub(super) fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    /// Room for so many blocks, unless there is too little left.
    pub(super) fn take(&self, blocks: u32) -> Option<Room> {
        let bytes = u64::from(blocks) * BLOCK_BYTES as u64;
        let less = |left: u64| left.checked_sub(bytes);
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.is_ok().then(|| Room { of: self.clone(), bytes })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.of.0.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn term(number: u64) -> Term {
        Term::tag(&format!("t:{number}").parse().unwrap())
    }

    fn filter(count: u64) -> Filter {
        let terms: Vec<_> = (0..count).map(term).collect();
        let (run, blocks) = pages_of(&terms);
        assert_eq!(run.pages(), pages_for(blocks));
        let file = run.seal();
        let bodies = file.chunks(super::super::pages::PAGE_BYTES);
        Filter::of(bodies, blocks, FilterRoom::new(u64::MAX).take(blocks).unwrap()).unwrap()
    }

    #[test]
    fn what_is_there_is_never_denied_and_little_else_is_believed() {
        for count in [0, 1, 1_000, 50_000] {
            let filter = filter(count);
            assert!((0..count).all(|number| filter.may_have(term(number))), "of {count}");
            let believed = (count..count + 10_000).filter(|n| filter.may_have(term(*n))).count();
            assert!(believed < 300, "{believed} of 10,000, with {count}");
        }
    }

    #[test]
    fn g12_filters_take_no_more_room_than_there_is() {
        let room = FilterRoom::new(100);
        let taken = room.take(3).unwrap();
        assert!(room.take(1).is_none());
        drop(taken);
        assert!(room.take(3).is_some());
    }

    #[test]
    fn g10_pages_that_are_cut_off_are_no_filter() {
        let (run, blocks) = pages_of(&(0..50_000).map(term).collect::<Vec<_>>());
        let file = run.seal();
        let bodies = || file.chunks(super::super::pages::PAGE_BYTES);
        let room = || FilterRoom::new(u64::MAX).take(blocks).unwrap();
        assert!(Filter::of(bodies().skip(1), blocks, room()).is_none());
        assert!(Filter::of(bodies().map(|body| &body[..99]), blocks, room()).is_none());
    }
}
