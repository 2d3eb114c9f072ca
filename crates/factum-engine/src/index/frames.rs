//! The frames of a sealed file: where each batch lies and when it was recorded.
//!
//! One row a frame answers both "where is position p" and "which is the last position recorded at
//! or before t", because positions and times both never decrease along the log.
//!
//! ```text
//!   leaf     | rows u16 | segment u16 | end u32 | place u32 | offset u64 | time u64 | rest … |
//!   rest     for each further row: place, offset and time varint, as differences from the row before
//!   fences   place u32, time u64 of a leaf's first row
//! ```
//! `place` is the frame's first position counted from the file's first; `end` is the place after
//! the leaf's last. A leaf never spans segments, so `offset` grows within it.

use super::{
    pages::{BODY_BYTES, IndexError, PageRun, Recent, Take, put_varint},
    tree::Tree,
};

/// The rows of the fences: place u32, time u64.
const ROW_BYTES: usize = 12;

/// The most bytes that one frame adds to a leaf.
const FRAME_BYTES_MAX: usize = 5 + 10 + 10;

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
        let mut rest = frames;
        while let Some(first) = rest.first() {
            let (mut deltas, mut before, mut count) = (Vec::new(), *first, 1_usize);
            for row in &rest[1..] {
                if HEAD_BYTES + deltas.len() + FRAME_BYTES_MAX > BODY_BYTES {
                    break;
                }
                put_varint(&mut deltas, u64::from(row.place - before.place));
                put_varint(&mut deltas, row.offset - before.offset);
                put_varint(&mut deltas, row.time - before.time);
                (before, count) = (*row, count + 1);
            }
            rest = &rest[count..];
            let end = rest.first().map_or(end, |next| next.place);
            let mut body = (count as u16).to_le_bytes().to_vec();
            body.extend_from_slice(&segment.to_le_bytes());
            body.extend_from_slice(&end.to_le_bytes());
            body.extend_from_slice(&first.place.to_le_bytes());
            body.extend_from_slice(&first.offset.to_le_bytes());
            body.extend_from_slice(&first.time.to_le_bytes());
            body.extend_from_slice(&deltas);
            self.run.push(&body);
            self.fences.extend_from_slice(&first.place.to_le_bytes());
            self.fences.extend_from_slice(&first.time.to_le_bytes());
        }
    }

    /// The pages, and how many of them are leaves.
    pub(super) fn finish(mut self) -> (PageRun, u32) {
        let leaves = self.run.pages();
        Tree::write_fences(&mut self.run, ROW_BYTES, self.fences);
        (self.run, leaves)
    }
}

const HEAD_BYTES: usize = 2 + 2 + 4 + 4 + 8 + 8;

/// The tree over the leaves.
pub(super) fn tree(first: u32, leaves: u32) -> Tree {
    Tree { first, leaves, row_bytes: ROW_BYTES }
}

/// A decoded leaf.
#[derive(Default)]
pub(super) struct FrameLeaf {
    pub(super) segment: u16,
    end: u32,
    rows: Vec<FrameRow>,
}

impl FrameLeaf {
    fn parse(body: &[u8]) -> Option<Self> {
        let mut take = Take(body);
        let (count, segment, end) = (take.u16()?, take.u16()?, take.u32()?);
        let mut row = FrameRow { place: take.u32()?, offset: take.u64()?, time: take.u64()? };
        let mut rows = vec![row];
        for _ in 1..count {
            row.place = row.place.checked_add(take.varint32()?)?;
            row.offset = row.offset.checked_add(take.varint()?)?;
            row.time = row.time.checked_add(take.varint()?)?;
            rows.push(row);
        }
        Some(Self { segment, end, rows })
    }

    pub(super) fn contains(&self, place: u32) -> bool {
        self.rows.first().is_some_and(|row| row.place <= place) && place < self.end
    }

    /// The frame that a place is in.
    pub(super) fn at(&self, place: u32) -> Option<FrameRow> {
        let upto = self.rows.partition_point(|row| row.place <= place);
        upto.checked_sub(1).map(|last| self.rows[last])
    }

    /// How many of the file's places were recorded at or before a time, of which the leaf's first
    /// frame is one.
    fn places_by(&self, time: u64) -> u32 {
        let upto = self.rows.partition_point(|row| row.time <= time);
        self.rows.get(upto).map_or(self.end, |row| row.place)
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

/// How many of the file's places were recorded at or before a time.
pub(super) fn places_by(
    tree: &Tree,
    recent: &mut Recent<'_>,
    time: u64,
) -> Result<u32, IndexError> {
    let begins = |row: &[u8]| {
        let mut take = Take(row);
        take.u32().and(take.u64()).is_some_and(|first| first <= time)
    };
    match tree.last_leaf(recent, begins)? {
        Some(leaf) => Ok(load(tree, recent, leaf)?.places_by(time)),
        None => Ok(0),
    }
}

fn load(tree: &Tree, recent: &mut Recent<'_>, leaf: u32) -> Result<FrameLeaf, IndexError> {
    let page = tree.first + leaf;
    let body = recent.read(page)?;
    FrameLeaf::parse(&body).ok_or(IndexError::Damaged { page, problem: "frames are cut off" })
}
