//! [`Witness`]: reads the whole ledger as it grows, remembers it outside of the machine, and replays
//! it through the model. What it has seen must be there for ever, byte for byte (G1 to G5).

use std::collections::HashMap;

use factum_store::{
    Append, IdempotencyKey, NewEvent, Position, RecordedEvent, Revision, StreamName, Timestamp,
};

use crate::{
    fates::{Fate, Fates},
    history::History,
    model,
};

/// The ledger as it was seen.
#[derive(Default)]
pub(crate) struct Witness {
    pub(crate) log: Vec<RecordedEvent>,
    /// What became of each of them.
    pub(crate) fates: Fates,
    /// The greatest head that anybody was shown.
    pub(crate) shown: u64,
    streams: HashMap<StreamName, Revision>,
    keys: HashMap<[String; 3], usize>,
}

/// Which request an event is of, and which of its events.
pub(crate) fn origin(event: &RecordedEvent) -> Option<(usize, usize)> {
    let text = std::str::from_utf8(&event.data).ok()?;
    let (request, slot) = text.split(':').next()?.split_once('.')?;
    Some((request.parse().ok()?, slot.parse().ok()?))
}

pub(crate) fn parts(key: &IdempotencyKey) -> [String; 3] {
    [&key.principal, &key.operation, &key.key].map(|text| text.to_string())
}

impl Witness {
    /// Of events that are known already.
    pub(crate) fn of(log: Vec<RecordedEvent>) -> Self {
        Self { log, ..Self::default() }
    }

    pub(crate) fn head(&self) -> u64 {
        self.log.len() as u64
    }

    pub(crate) fn revision(&self, stream: &StreamName) -> Option<Revision> {
        self.streams.get(stream).copied()
    }

    /// The request that has a key.
    pub(crate) fn holder(&self, key: &IdempotencyKey) -> Option<usize> {
        self.keys.get(&parts(key)).copied()
    }

    /// The events after those that are known, up to a head that was shown.
    pub(crate) fn extend(
        &mut self,
        events: Vec<RecordedEvent>,
        history: &mut History,
    ) -> Result<(), String> {
        let mut rest = events.as_slice();
        while let Some(first) = rest.first() {
            let (request, _) = origin(first).ok_or_else(|| phantom(first))?;
            let asked = history.requests.get(request).ok_or_else(|| phantom(first))?;
            if !history.may_exist(request) {
                let at = first.position;
                return Err(format!(
                    "request {request} was refused, or lost in a crash, and stands at {at}"
                ));
            }
            if let Some(placed) = asked.placed {
                let at = first.position;
                return Err(format!("request {request} stands at {placed} and again at {at}"));
            }
            let count = asked.append.events.len();
            let batch = rest.get(..count).ok_or_else(|| {
                format!("half of request {request} is shown: {} of {count} events", rest.len())
            })?;
            let append = asked.append.clone();
            self.batch(batch, request, &append)?;
            history.requests[request].placed = Some(first.position.0);
            rest = &rest[count..];
        }
        Ok(())
    }

    /// A whole batch: as it was sent, and allowed where it stands.
    fn batch(
        &mut self,
        batch: &[RecordedEvent],
        request: usize,
        append: &Append,
    ) -> Result<(), String> {
        let at = self.head() + 1;
        if let Some((stream, _)) = model::ended(&self.log, &append.events) {
            return Err(format!("request {request} stands at {at} in {stream}, which is ended"));
        }
        // What may be gone was perhaps not in the way.
        let there = |event: &RecordedEvent| self.fates.of(event.position) == Fate::Kept;
        if let Some(broken) = model::broken(&self.log, &append.conditions, there) {
            return Err(format!(
                "request {request} stands at {at} against its condition {broken:?}"
            ));
        }
        if let Some(key) = &append.key
            && let Some(other) = self.keys.insert(parts(key), request)
        {
            return Err(format!("request {request} stands at {at} under the key of {other}"));
        }
        for (slot, (event, sent)) in batch.iter().zip(&append.events).enumerate() {
            self.event(event, sent)
                .map_err(|what| format!("event {slot} of request {request}: {what}"))?;
            self.log.push(event.clone());
        }
        let times = batch.iter().map(|event| event.recorded_at);
        if times.clone().min() != times.max() {
            return Err(format!("the events of request {request} have different times"));
        }
        Ok(())
    }

    fn event(&mut self, event: &RecordedEvent, sent: &NewEvent) -> Result<(), String> {
        let next = Position(self.head() + 1);
        if event.position != next {
            return Err(format!("is at {}, where {next} was expected", event.position));
        }
        let before = self.log.last().map_or(Timestamp::default(), |last| last.recorded_at);
        if event.recorded_at < before {
            return Err(format!("was recorded at {:?}, before {before:?}", event.recorded_at));
        }
        let revision = sent.stream.as_ref().map(|name| {
            let next = self.streams.get(name).map_or(Revision(0), |last| last.next());
            self.streams.insert(name.clone(), next);
            (name.clone(), next)
        });
        let found = event.stream.clone().map(|place| (place.name, place.revision));
        if found != revision {
            return Err(format!("is at {found:?}, where {revision:?} was expected"));
        }
        let same = event.event_type == sent.event_type
            && event.tags == sent.tags
            && event.data == sent.data
            && event.metadata == sent.metadata
            && event.content_type == sent.content_type
            && event.envelope == sent.envelope
            && sent.id.is_none_or(|id| id == event.id);
        if same { Ok(()) } else { Err(format!("is not what was sent: {event:?}")) }
    }
}

fn phantom(event: &RecordedEvent) -> String {
    format!("nobody sent the event at {}: {event:?}", event.position)
}
