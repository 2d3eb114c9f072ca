//! The frames of a sealed file: where each batch lies, and roughly when it was recorded.
//!
//! Rows have a fixed width, so a frame is found in a page without decoding the page.
//!
//! ```text
//!   leaf     | rows u16 | segment u16 | end u32 | row … |
//!   row      | place u32 | offset / 8 u32 |
//!   fences   | place u32 | time u64 |               of a leaf's first row
//! ```
//! `place` is the frame's first position counted from the file's first; `end` is the place after
//! the leaf's last. A leaf never spans segments. Times never decrease along the log, so the fences
//! narrow a time down to one leaf; the frames themselves say the rest.

use super::{
    pages::{BODY_BYTES, Body, IndexError, PageRun, Recent, Take},
    tree::Tree,
};

/// The rows of the fences: place u32, time u64.
const FENCE_BYTES: usize = 12;
const HEAD_BYTES: usize = 2 + 2 + 4;
const ROW_BYTES: usize = 8;
/// Frames of a leaf.
pub(super) const LEAF_ROWS: usize = (BODY_BYTES - HEAD_BYTES) / ROW_BYTES;
/// Frames begin at multiples of this.
const ALIGN: u64 = 8;

/// One frame of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameRow {
    /// Its first position, counted from the file's first.
    pub(super) place: u32,
    /// Where it begins in its segment.
    pub(super) offset: u64,
    /// When its events were recorded, in microseconds.
    pub(super) time: u64,
}

/// Writes the frames of one segment after another.
#[derive(Default)]
pub(super) struct FramesWriter {
    run: PageRun,
    fences: Vec<u8>,
}

impl FramesWriter {
    /// Adds a segment's frames; `end` is the place after its last event.
    pub(super) fn push_segment(&mut self, segment: u16, frames: &[FrameRow], end: u32) {
        let mut leaves = frames.chunks(LEAF_ROWS).peekable();
        while let Some(rows) = leaves.next() {
            let end = leaves.peek().map_or(end, |next| next[0].place);
            let mut body = (rows.len() as u16).to_le_bytes().to_vec();
            body.extend_from_slice(&segment.to_le_bytes());
            body.extend_from_slice(&end.to_le_bytes());
            for row in rows {
                debug_assert!(row.offset.is_multiple_of(ALIGN), "frames are aligned");
                body.extend_from_slice(&row.place.to_le_bytes());
                body.extend_from_slice(&((row.offset / ALIGN) as u32).to_le_bytes());
            }
            self.run.push(&body);
            self.fences.extend_from_slice(&rows[0].place.to_le_bytes());
            self.fences.extend_from_slice(&rows[0].time.to_le_bytes());
        }
    }

    /// The pages, and how many of them are leaves.
    pub(super) fn finish(mut self) -> (PageRun, u32) {
        let leaves = self.run.pages();
        Tree::write_fences(&mut self.run, FENCE_BYTES, self.fences);
        (self.run, leaves)
    }
}

/// The tree over the leaves.
pub(super) fn tree(first: u32, leaves: u32) -> Tree {
    Tree { first, leaves, row_bytes: FENCE_BYTES }
}

/// A leaf: its page, and what its head says.
pub(super) struct FrameLeaf {
    body: Body,
    rows: usize,
    pub(super) segment: u16,
    pub(super) end: u32,
}

impl FrameLeaf {
    fn of(body: Body) -> Option<Self> {
        let mut take = Take(&body);
        let (rows, segment, end) = (take.u16()?.into(), take.u16()?, take.u32()?);
        let fits = (1..=LEAF_ROWS).contains(&rows);
        fits.then_some(Self { body, rows, segment, end })
    }

    /// The place of the leaf's first event.
    pub(super) fn begin(&self) -> u32 {
        self.row(0).0
    }

    pub(super) fn contains(&self, place: u32) -> bool {
        (self.begin()..self.end).contains(&place)
    }

    /// The frame that a place is in: its own place, its offset, and its length where the leaf
    /// knows it.
    pub(super) fn at(&self, place: u32) -> Option<(u32, u64, Option<u32>)> {
        let (mut low, mut high) = (0, self.rows);
        while low < high {
            let middle = (low + high) / 2;
            if self.row(middle).0 <= place { low = middle + 1 } else { high = middle }
        }
        let (first, offset) = self.row(low.checked_sub(1)?);
        let next = (low < self.rows).then(|| self.row(low).1);
        let len =
            next.and_then(|next| next.checked_sub(offset)).and_then(|len| len.try_into().ok());
        Some((first, offset, len))
    }

    fn row(&self, row: usize) -> (u32, u64) {
        let at = HEAD_BYTES + row * ROW_BYTES;
        let mut take = Take(&self.body[at..at + ROW_BYTES]);
        let (place, offset) = (take.u32().unwrap_or_default(), take.u32().unwrap_or_default());
        (place, u64::from(offset) * ALIGN)
    }
}

/// The leaf that a place is in.
pub(super) fn leaf_of(
    tree: &Tree,
    recent: &mut Recent<'_>,
    place: u32,
) -> Result<FrameLeaf, IndexError> {
    let begins = |row: &[u8]| Take(row).u32().is_some_and(|first| first <= place);
    let leaf = tree.last_leaf(recent, begins)?.unwrap_or(0);
    load(tree, recent, leaf)
}

/// The leaf in which the last event at or before a time is; `None` when all came later.
pub(super) fn leaf_by(
    tree: &Tree,
    recent: &mut Recent<'_>,
    time: u64,
) -> Result<Option<FrameLeaf>, IndexError> {
    let begins = |row: &[u8]| {
        let mut take = Take(row);
        take.u32().and(take.u64()).is_some_and(|first| first <= time)
    };
    tree.last_leaf(recent, begins)?.map(|leaf| load(tree, recent, leaf)).transpose()
}

fn load(tree: &Tree, recent: &mut Recent<'_>, leaf: u32) -> Result<FrameLeaf, IndexError> {
    let page = tree.first + leaf;
    let body = recent.read(page)?;
    FrameLeaf::of(body).ok_or(IndexError::Damaged { page, problem: "frames are cut off" })
}
