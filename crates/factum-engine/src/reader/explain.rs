//! [`Explain`]: how a read was answered, and what that cost, as data.

use factum_store::Position;

use crate::index::ItemPlan;

/// How a read was answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explain {
    /// The segments that were looked into, in that order.
    pub segments: Vec<SegmentPlan>,
    /// How many segments lie outside the range of the read and were passed by.
    pub skipped: u64,
}

/// How a read was answered in one segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentPlan {
    /// The part of the read's range that lies in the segment.
    pub first: Position,
    /// The end of that part.
    pub last: Position,
    /// Whether every event had to be looked at, because an item of the query names no term.
    pub scan: bool,
    /// One for each item of the query; none for a scan.
    pub items: Vec<ItemPlan>,
    /// How many events were compared with the query.
    pub looked: u64,
    /// How many of them were taken.
    pub taken: u64,
    /// How many pages of the index file were read.
    pub pages: u64,
    /// How many frames of the log were read.
    pub frames: u64,
}

impl Explain {
    /// How many pages and frames were read in all.
    #[must_use]
    pub fn reads(&self) -> u64 {
        self.segments.iter().map(|segment| segment.pages + segment.frames).sum()
    }
}
