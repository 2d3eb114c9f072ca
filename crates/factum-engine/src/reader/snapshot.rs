//! [`Snapshot`]: the ledger as one reader sees it: up to one head, and no event after it (G3).

use std::sync::Arc;

use factum_store::{Direction, Head, Position};

use super::segment::IndexedSegment;
use crate::sabotage::Switch;

/// The ledger up to a head. Cheap to take: it shares the segments.
#[derive(Clone)]
pub(crate) struct Snapshot {
    /// What may be seen.
    pub(crate) head: Head,
    /// All segments in order of position; the last may have events after the head.
    pub(crate) segments: Arc<Vec<Arc<IndexedSegment>>>,
    pub(crate) switch: Switch,
}

impl Snapshot {
    /// The segments that have positions in `low..=high`, in a direction.
    pub(crate) fn within(
        &self,
        low: Position,
        high: Position,
        direction: Direction,
    ) -> impl Iterator<Item = &Arc<IndexedSegment>> {
        let start = self.segments.partition_point(|segment| segment.last() < low);
        let end = self.segments.partition_point(|segment| segment.first() <= high).max(start);
        let (mut forward, mut backward) = (None, None);
        match direction {
            Direction::Forward => forward = Some(self.segments[start..end].iter()),
            Direction::Backward => backward = Some(self.segments[start..end].iter().rev()),
        }
        forward.into_iter().flatten().chain(backward.into_iter().flatten())
    }
}
