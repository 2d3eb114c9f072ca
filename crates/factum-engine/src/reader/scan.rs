//! The scan: every event of a query to one visitor, as it lies in the log. No page is built, no
//! event is copied and nothing is allocated for one, so the checksum is most of what it costs.

use std::ops::ControlFlow;

use factum_store::{Direction, Position, Query};

use super::{
    heeded::Sight,
    retention::Visible,
    search::{Ended, Search},
    segment::IndexedSegment,
    snapshot::Snapshot,
};
use crate::{
    error::EngineError,
    index::Asked,
    log::{EventRef, FrameRef},
};

/// Looks at an event; when it breaks, the scan ends before that event.
pub(crate) type Visit<'f> = &'f mut dyn FnMut(EventRef<'_>) -> ControlFlow<()>;

/// Shows the events after a position to `visit`, in order. Says up to where everything was looked
/// at.
pub(crate) fn scan(
    snapshot: &Snapshot,
    sight: &Sight,
    query: &Query,
    after: Position,
    visit: Visit<'_>,
) -> Result<Position, EngineError> {
    // What is visible of a stream is looked up by who searches.
    let names_stream = query.items.iter().any(|item| item.stream.is_some());
    if names_stream || Asked::of(query).is_some() || query.items.is_empty() {
        return search(snapshot, sight, query, after, visit);
    }
    let head = snapshot.head.position;
    for segment in snapshot.within(after.next(), head, Direction::Forward) {
        if let Some(before) = walk(segment, query, after, head, visit)? {
            return Ok(before.prev());
        }
    }
    Ok(head.max(after))
}

/// Looks at each event of a segment; says before which one the visitor ended it.
fn walk(
    segment: &IndexedSegment,
    query: &Query,
    after: Position,
    head: Position,
    visit: Visit<'_>,
) -> Result<Option<Position>, EngineError> {
    let log = &segment.log;
    let mut frames = log.frames(segment.offset_of(after.next().max(segment.first()))?, u64::MAX);
    let last = segment.last().min(head);
    let mut next = Position::START;
    while next <= last {
        let offset = frames.offset();
        let Some(frame) = frames.next_ref()? else {
            return Err(log.damage(offset, "there is no frame"));
        };
        let ended = look(frame, query, after, visit).map_err(|what| log.damage(offset, what))?;
        if ended.is_some() {
            return Ok(ended);
        }
        next = frame.next();
    }
    Ok(None)
}

fn look(
    frame: FrameRef<'_>,
    query: &Query,
    after: Position,
    visit: Visit<'_>,
) -> Result<Option<Position>, &'static str> {
    for slot in 0..frame.header.count {
        let Some(event) = frame.event(slot)? else { continue };
        if event.position > after && query.matches_named(&event) && visit(event).is_break() {
            return Ok(Some(event.position));
        }
    }
    Ok(None)
}

/// What an index narrows down is found by it.
fn search(
    snapshot: &Snapshot,
    sight: &Sight,
    query: &Query,
    after: Position,
    visit: Visit<'_>,
) -> Result<Position, EngineError> {
    let visible = Visible::of(snapshot, sight, query)?;
    let (visible, up_to, limit, looks_max) =
        (visible.as_ref(), Position::END, usize::MAX, u64::MAX);
    let direction = Direction::Forward;
    let search = Search { query, visible, after, up_to, direction, limit, looks_max };
    let ended = search.run(snapshot, None, &mut |frame, slot| {
        Ok(frame.peek(slot)?.map_or(ControlFlow::Continue(()), &mut *visit))
    })?;
    Ok(match ended {
        Ended::Whole => snapshot.head.position.max(after),
        Ended::Before(position) => position.prev(),
    })
}
