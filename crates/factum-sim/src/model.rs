//! What is said of a stream, and what an append condition means, over a plain list of events: the
//! oracle's reading of DESIGN §4, with nothing of the engine in it (G4).

use factum_store::{
    Condition, Conflict, NewEvent, Offence, RecordedEvent, Revision, StreamInfo, StreamMetadata,
    StreamName, StreamState,
};

/// What a condition that does not hold is answered with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) index: usize,
    pub(crate) revision: Option<Revision>,
    pub(crate) state: Option<StreamState>,
    pub(crate) offending: Vec<Offence>,
}

/// A stream's end and what is kept of it, after these events.
pub(crate) fn info(log: &[RecordedEvent], stream: &StreamName) -> StreamInfo {
    let last_of = |name: &StreamName| {
        let is_in =
            |event: &&RecordedEvent| event.stream.as_ref().is_some_and(|place| place.name == *name);
        log.iter().rev().find(is_in)
    };
    let revision = |event: &RecordedEvent| event.stream.as_ref().map(|place| place.revision);
    let last = last_of(stream);
    let said = stream.metadata_stream().ok().and_then(|name| last_of(&name));
    StreamInfo {
        stream: stream.clone(),
        last: last.and_then(revision),
        tombstoned: last.is_some_and(|event| event.event_type.is_tombstone()),
        metadata: said.and_then(|event| StreamMetadata::of(event).ok()).unwrap_or_default(),
        metadata_revision: said.and_then(revision),
    }
}

/// The first of the streams that these events are for which is ended for ever, and where.
pub(crate) fn ended(
    log: &[RecordedEvent],
    events: &[NewEvent],
) -> Option<(StreamName, Option<Revision>)> {
    let streams = events.iter().filter_map(|event| event.stream.as_ref());
    let mut infos = streams.map(|stream| info(log, stream));
    infos.find(|info| info.tombstoned).map(|info| (info.stream, info.last))
}

/// The first of the conditions that does not hold after these events. What a compaction has dropped
/// is not `there`, and matches nothing; streams go on as if it were.
pub(crate) fn broken(
    log: &[RecordedEvent],
    conditions: &[Condition],
    there: impl Fn(&RecordedEvent) -> bool,
) -> Option<Broken> {
    let mut numbered = conditions.iter().enumerate();
    numbered.find_map(|(index, condition)| breach(log, index, condition, &there))
}

fn breach(
    log: &[RecordedEvent],
    index: usize,
    condition: &Condition,
    there: &impl Fn(&RecordedEvent) -> bool,
) -> Option<Broken> {
    match condition {
        Condition::Revision { stream, expected } => {
            let info = info(log, stream);
            let (revision, state, offending) = (info.last, Some(info.state()), Vec::new());
            let broken = Broken { index, revision, state, offending };
            (!expected.holds(info.last, info.state())).then_some(broken)
        }
        Condition::NoMatch { query, after } => {
            let later = log.iter().skip(after.0 as usize).filter(|event| query.matches(event));
            let offence = |event: &RecordedEvent| Offence {
                position: event.position,
                event_type: event.event_type.clone(),
            };
            let found = later.filter(|event| there(event)).take(Conflict::OFFENDING_MAX);
            let offending: Vec<_> = found.map(offence).collect();
            let broken = Broken { index, revision: None, state: None, offending };
            (!broken.offending.is_empty()).then_some(broken)
        }
    }
}
