//! Look-ups of one thing: an event by id, a receipt by key, the last position at a time, and the events in the way of a condition.

use std::ops::ControlFlow;

use factum_store::{
    Direction, EventId, IdempotencyKey, Offence, Position, Query, Receipt, RecordedEvent,
    RequestHash, Timestamp,
};

use super::{
    search::Search,
    segment::{FrameFinder, IndexedSegment},
    snapshot::Snapshot,
};
use crate::{
    error::EngineError,
    index::{Tally, Term},
    log::{Frame, IdRoot},
};

/// The first event of this identity that was not dropped.
pub(crate) fn event(
    snapshot: &Snapshot,
    id: EventId,
) -> Result<Option<RecordedEvent>, EngineError> {
    let check = |frame: &Frame, slot: u32| match frame.peek(slot)? {
        Some(event) if event.id == id => frame.event(slot).map(Some),
        _ => Ok(None),
    };
    // An id that the ledger made says where its event is; only ids that came with their events are
    // indexed.
    let place = IdRoot::position(id);
    // An id that came with its event may have come with an earlier one too: the index knows.
    let check_made = |frame: &Frame, slot: u32| match frame.peek(slot)? {
        Some(event) if event.own_id => Ok(None),
        _ => check(frame, slot),
    };
    let made = match snapshot.within(place, place, Direction::Forward).next() {
        Some(segment) if place <= snapshot.head.position => {
            segment.ask(snapshot.head.position, &Tally::default(), |view| {
                let mut frames = FrameFinder::new(&segment.log, view);
                let (frame, slot) = frames.holding(place)?;
                check_made(frame, slot)
            })
        }
        _ => Ok(None),
    };
    match made {
        // Any id seems to say a place. If its event is not elsewhere, whole, it may be here.
        Err(error @ EngineError::Damaged(_)) => {
            let elsewhere = only_carrying(snapshot, Term::id(id), Direction::Forward, check)?;
            elsewhere.map_or(Err(error), |event| Ok(Some(event)))
        }
        Ok(None) => only_carrying(snapshot, Term::id(id), Direction::Forward, check),
        found => found,
    }
}

/// The receipt that was recorded under the key, and the hash of the request that it answered.
pub(crate) fn receipt(
    snapshot: &Snapshot,
    key: &IdempotencyKey,
) -> Result<Option<(Receipt, RequestHash)>, EngineError> {
    let parts =
        |key: &IdempotencyKey| (key.principal.clone(), key.operation.clone(), key.key.clone());
    // A key is recorded once, so either direction finds it; retries are about the recent past.
    only_carrying(snapshot, Term::key(key), Direction::Backward, |frame, _| {
        let Some(kept) = frame.key()?.filter(|kept| parts(kept) == parts(key)) else {
            return Ok(None);
        };
        let receipt = Receipt { replayed: true, ..frame.receipt()? };
        Ok(Some((receipt, kept.request)))
    })
}

/// The first `limit` events that a query matches after a position: what is in the way of a
/// condition. The snapshot's head may be one that is not durable yet.
pub(crate) fn first_matches(
    snapshot: &Snapshot,
    query: &Query,
    after: Position,
    limit: usize,
) -> Result<Vec<Offence>, EngineError> {
    let mut found = Vec::new();
    search(query, after, Direction::Forward).run(snapshot, None, &mut |frame, slot| {
        let position = Position(frame.first().0 + u64::from(slot));
        // What was dropped is not found.
        if frame.peek(slot)?.is_some() {
            found.push(Offence { position, event_type: frame.event(slot)?.event_type });
        }
        Ok(if found.len() < limit { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(found)
}

/// The last position recorded at or before a time; [`Position::START`] when there is none.
pub(crate) fn position_at(snapshot: &Snapshot, time: Timestamp) -> Result<Position, EngineError> {
    let upto = snapshot.head.position;
    // Times never decrease, so the last segment that begins in time has the answer.
    let count = snapshot.segments.partition_point(|segment| segment.begins_by(time, upto));
    let Some(last) = count.checked_sub(1).and_then(|last| snapshot.segments.get(last)) else {
        return Ok(Position::START);
    };
    last.ask(upto, &Tally::default(), |view| {
        let Some((mut low, mut high)) = view.around(time)? else { return Ok(Position::START) };
        let mut frames = FrameFinder::new(&last.log, view);
        while low < high {
            let (frame, _) = frames.holding(Position(low.0 + (high.0 - low.0).div_ceil(2)))?;
            match frame.recorded_at() <= time {
                true => low = frame.last(),
                false => high = frame.first().prev(),
            }
        }
        Ok(low)
    })
}

/// A search without a bound on the work, for what can't be answered in part.
fn search(query: &Query, after: Position, direction: Direction) -> Search<'_> {
    let (up_to, limit, looks_max) = (Position::END, usize::MAX, u64::MAX);
    Search { query, visible: None, after, up_to, direction, limit, looks_max }
}

/// The first event, in a direction, that carries a term and that `check` says is the one. Damage
/// before it is an error: one behind it may not be the first.
pub(super) fn first_carrying<T>(
    snapshot: &Snapshot,
    term: Term,
    direction: Direction,
    mut check: impl FnMut(&Frame, u32) -> Result<Option<T>, EngineError>,
) -> Result<Option<T>, EngineError> {
    let head = snapshot.head.position;
    for segment in snapshot.within(Position(1), head, direction) {
        if let Some(found) = carrying_in(segment, term, head, direction, &mut check)? {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The only event that carries a term and that `check` says is the one.
fn only_carrying<T>(
    snapshot: &Snapshot,
    term: Term,
    direction: Direction,
    mut check: impl FnMut(&Frame, u32) -> Result<Option<T>, EngineError>,
) -> Result<Option<T>, EngineError> {
    let head = snapshot.head.position;
    let mut damage = None;
    for segment in snapshot.within(Position(1), head, direction) {
        match carrying_in(segment, term, head, direction, &mut check) {
            // It may be elsewhere, whole. If it is not, nobody can say that it is nowhere.
            Err(error @ EngineError::Damaged(_)) => drop(damage.get_or_insert(error)),
            Ok(None) => {}
            found => return found,
        }
    }
    damage.map_or(Ok(None), Err)
}

fn carrying_in<T>(
    segment: &IndexedSegment,
    term: Term,
    head: Position,
    direction: Direction,
    check: &mut impl FnMut(&Frame, u32) -> Result<Option<T>, EngineError>,
) -> Result<Option<T>, EngineError> {
    segment.ask(head, &Tally::default(), |view| {
        let (_, mut cursor) = view.postings(term)?;
        // A key and a receipt are of a whole batch.
        let mut frames = FrameFinder::of_whole_frames(&segment.log, view);
        let mut target = match direction {
            Direction::Forward => view.first(),
            Direction::Backward => view.last().min(head),
        };
        // A segment that was closed meanwhile has events after the head.
        while let Some(position) = cursor.seek(target, direction)?.filter(|found| *found <= head) {
            let (frame, slot) = frames.holding(position)?;
            if let Some(found) = check(frame, slot)? {
                return Ok(Some(found));
            }
            target = match direction {
                Direction::Forward => position.next(),
                Direction::Backward => position.prev(),
            };
        }
        Ok(None)
    })
}
