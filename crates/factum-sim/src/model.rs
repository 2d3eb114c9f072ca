//! What an append condition means, over a plain list of events: the oracle's reading of DESIGN §4,
//! with nothing of the engine in it (G4).

use factum_store::{Condition, Conflict, Offence, RecordedEvent, Revision, StreamState};

/// What a condition that does not hold is answered with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) index: usize,
    pub(crate) revision: Option<Revision>,
    pub(crate) offending: Vec<Offence>,
}

/// The first of the conditions that does not hold after these events.
pub(crate) fn broken(log: &[RecordedEvent], conditions: &[Condition]) -> Option<Broken> {
    conditions.iter().enumerate().find_map(|(index, condition)| {
        let (revision, offending) = breach(log, condition)?;
        Some(Broken { index, revision, offending })
    })
}

fn breach(
    log: &[RecordedEvent],
    condition: &Condition,
) -> Option<(Option<Revision>, Vec<Offence>)> {
    match condition {
        Condition::Revision { stream, expected } => {
            let mut places = log.iter().rev().filter_map(|event| event.stream.as_ref());
            let actual = places.find(|place| place.name == *stream).map(|place| place.revision);
            let state = match actual {
                Some(_) => StreamState::Live,
                None => StreamState::NeverExisted,
            };
            (!expected.holds(actual, state)).then_some((actual, Vec::new()))
        }
        Condition::NoMatch { query, after } => {
            let later = log.iter().skip(after.0 as usize).filter(|event| query.matches(event));
            let offence = |event: &RecordedEvent| Offence {
                position: event.position,
                event_type: event.event_type.clone(),
            };
            let offending: Vec<_> = later.take(Conflict::OFFENDING_MAX).map(offence).collect();
            (!offending.is_empty()).then_some((None, offending))
        }
    }
}
