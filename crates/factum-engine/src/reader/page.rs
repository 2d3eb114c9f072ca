//! One page of a read, bounded in events, in bytes and in what is looked at for it (G11, G12).

use std::ops::ControlFlow;

use factum_store::{Direction, Head, Invalid, Page, Position, Read, RecordedEvent};

use super::{
    explain::Explain,
    heeded::Sight,
    retention::Visible,
    search::{Ended, Search},
    snapshot::Snapshot,
};
use crate::{error::EngineError, log::Frame, sabotage::Sabotage};

/// The most events of a page, however many are asked for.
pub(crate) const PAGE_EVENTS_MAX: usize = 10_000;

/// The most bytes that a page keeps in memory, unless its first event alone has more.
const PAGE_BYTES_MAX: u64 = 16 << 20;

/// How many events and segments are looked at for one page.
const PAGE_LOOKS_MAX: u64 = 65_536;

/// Checks what the limits of a ledger say nothing about.
pub(crate) fn check_limit(limit: usize) -> Result<(), Invalid> {
    match limit {
        0 => Err(Invalid::new("limit", "is 0; it must be at least 1")),
        _ => Ok(()),
    }
}

/// Reads a page.
pub(crate) fn read(
    snapshot: &Snapshot,
    sight: &Sight,
    read: &Read,
    explain: Option<&mut Explain>,
) -> Result<Page, EngineError> {
    let unbounded = snapshot.switch.is(Sabotage::PageUnbounded);
    let mut collected = Collected::new(if unbounded { u64::MAX } else { PAGE_BYTES_MAX });
    let visible = Visible::of(snapshot, sight, &read.query)?;
    let search = Search {
        query: &read.query,
        visible: visible.as_ref(),
        after: read.after,
        up_to: read.up_to,
        direction: read.direction,
        limit: read.limit.min(PAGE_EVENTS_MAX),
        looks_max: PAGE_LOOKS_MAX,
    };
    let ended = search.run(snapshot, explain, &mut |frame, slot| collected.take(frame, slot));
    let ended = match (ended, collected.events.last()) {
        // What lies before damage is read; the next page begins with the damage.
        (Err(EngineError::Damaged(_)), Some(last)) => Ended::Before(match read.direction {
            Direction::Forward => last.position.next(),
            Direction::Backward => last.position.prev(),
        }),
        (ended, _) => ended?,
    };
    let next = match ended {
        Ended::Whole => None,
        Ended::Before(position) => Some(from(read, position, snapshot.head)),
    };
    Ok(Page { events: collected.events, next, head: snapshot.head })
}

/// How a read is answered, and what that costs.
pub(crate) fn explain(
    snapshot: &Snapshot,
    sight: &Sight,
    request: &Read,
) -> Result<(Page, Explain), EngineError> {
    let mut explain = Explain::default();
    let page = read(snapshot, sight, request, Some(&mut explain))?;
    let all = snapshot.segments.len() as u64;
    explain.skipped = all.saturating_sub(explain.segments.len() as u64);
    Ok((page, explain))
}

/// The same read from `position` on.
fn from(read: &Read, position: Position, head: Head) -> Read {
    let mut next = read.clone();
    match read.direction {
        // A later page of the same read may see what is appended meanwhile, as its first may.
        Direction::Forward => next.after = position.prev(),
        Direction::Backward => next.up_to = position.min(head.position),
    }
    next
}

/// Events that were taken, up to a number of bytes.
///
/// An event shares the bytes of its frame, so what counts is the frames that are kept by it.
pub(super) struct Collected {
    pub(super) events: Vec<RecordedEvent>,
    /// Which frame was counted last, and how much of it.
    counted: Option<(Position, u64)>,
    bytes: u64,
    bytes_max: u64,
}

/// What a frame takes at least: it is read in pieces of this size.
const FRAME_BYTES_MIN: u64 = 4_096;

impl Collected {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self { events: Vec::new(), counted: None, bytes: 0, bytes_max }
    }

    pub(super) fn take(
        &mut self,
        frame: &Frame,
        slot: u32,
    ) -> Result<ControlFlow<()>, EngineError> {
        let held = (frame.first(), frame.held_bytes());
        if self.counted != Some(held) {
            let bytes = self.bytes + held.1.max(FRAME_BYTES_MIN);
            if bytes > self.bytes_max && !self.events.is_empty() {
                return Ok(ControlFlow::Break(()));
            }
            (self.counted, self.bytes) = (Some(held), bytes);
        }
        self.events.push(frame.event(slot)?);
        Ok(ControlFlow::Continue(()))
    }
}
