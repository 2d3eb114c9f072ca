//! What of a stream is kept, as readers look it up: a stream's end and metadata, and [`Visible`],
//! which events an item of a query that names a stream may show.
//!
//! Protects the promise that hidden is hidden at once: what is looked up is of the same snapshot
//! as what is read. It is looked up once for each such item, never for each event.

use factum_store::{
    Direction, Query, QueryItem, RecordedEvent, StreamInfo, StreamMetadata, StreamName, Window,
};

use super::{heeded::Sight, lookup::first_carrying, snapshot::Snapshot};
use crate::{
    error::EngineError,
    index::Term,
    log::{EventRef, Frame},
    sabotage::Sabotage,
    writer::Tip,
};

/// A stream's last event.
pub(crate) fn tip(snapshot: &Snapshot, stream: &StreamName) -> Result<Option<Tip>, EngineError> {
    last_of(snapshot, stream, |frame, slot| {
        // Of the last event of a stream this much is always left.
        if let Some(dropped) = frame.dropped(slot)? {
            return Ok(dropped.end.map(Tip::dropped));
        }
        let RecordedEvent { stream, event_type, tags, .. } = frame.event(slot)?;
        Ok(stream.map(|place| Tip::of(place.revision, &event_type, &tags)))
    })
}

/// A stream's end, and what is kept of it.
pub(crate) fn info(snapshot: &Snapshot, stream: &StreamName) -> Result<StreamInfo, EngineError> {
    let mut info = StreamInfo::never_existed(stream.clone());
    if let Some(tip) = tip(snapshot, stream)? {
        (info.last, info.tombstoned) = (Some(tip.revision), tip.is_end());
    }
    if let Ok(metadata) = stream.metadata_stream()
        && let Some(event) = last_event(snapshot, &metadata)?
    {
        info.metadata_revision = event.stream.as_ref().map(|place| place.revision);
        // A ledger lets in only what can be read.
        info.metadata = StreamMetadata::of(&event).unwrap_or_default();
    }
    Ok(info)
}

fn last_event(
    snapshot: &Snapshot,
    stream: &StreamName,
) -> Result<Option<RecordedEvent>, EngineError> {
    // The last metadata of a stream is never dropped.
    last_of(snapshot, stream, |frame, slot| frame.event(slot).map(Some))
}

fn last_of<T>(
    snapshot: &Snapshot,
    stream: &StreamName,
    take: impl Fn(&Frame, u32) -> Result<Option<T>, EngineError>,
) -> Result<Option<T>, EngineError> {
    first_carrying(snapshot, Term::stream(stream), Direction::Backward, |frame, slot| {
        let same = match frame.peek(slot)? {
            Some(event) => event.stream.is_some_and(|(name, _)| name == stream.as_str()),
            None => {
                let end = frame.dropped(slot)?.and_then(|dropped| dropped.end);
                end.is_some_and(|end| end.name == *stream)
            }
        };
        if same { take(frame, slot) } else { Ok(None) }
    })
}

/// What the items of a query that name a stream may show.
pub(crate) struct Visible {
    /// For each item, in order; `None` for one that names no stream, or whose stream is whole.
    windows: Vec<Option<Window>>,
    switch: crate::sabotage::Switch,
}

impl Visible {
    /// Looks up what is visible now of the streams that a query names; `None` when that is all.
    pub(crate) fn of(
        snapshot: &Snapshot,
        sight: &Sight,
        query: &Query,
    ) -> Result<Option<Self>, EngineError> {
        if query.items.iter().all(|item| item.stream.is_none()) {
            return Ok(None);
        }
        // No event is younger than the clock, even when the clock went back.
        let now = sight.machine.now().max(snapshot.head.recorded_at);
        let window = |item: &QueryItem| match &item.stream {
            None => Ok(None),
            Some(stream) if !sight.heeded.lock().perhaps(snapshot, stream)? => Ok(None),
            Some(stream) => {
                let window = info(snapshot, stream)?.window(now);
                Ok(Some(window).filter(|window| !window.is_whole()))
            }
        };
        let windows: Vec<_> = query.items.iter().map(window).collect::<Result<_, EngineError>>()?;
        let switch = snapshot.switch;
        Ok(windows.iter().any(Option::is_some).then_some(Self { windows, switch }))
    }

    /// Whether the query asks for one stream and nothing else: then what is hidden of it lies before
    /// what is visible of it.
    pub(crate) fn of_one_stream(&self) -> bool {
        self.windows.len() == 1
    }

    /// Whether an event that the query matches is shown: by an item that names no stream, or one
    /// whose stream it is visible in.
    pub(crate) fn shows(&self, query: &Query, event: &EventRef<'_>) -> bool {
        let revision = event.stream.map(|(_, revision)| revision);
        query.items.iter().zip(&self.windows).any(|(item, window)| {
            let visible = match (window, revision) {
                (Some(window), Some(mut revision)) => {
                    if self.switch.is(Sabotage::HiddenShown) {
                        revision = revision.next();
                    }
                    window.shows(revision, event.recorded_at)
                }
                _ => true,
            };
            visible && item.matches_named(event)
        })
    }
}
