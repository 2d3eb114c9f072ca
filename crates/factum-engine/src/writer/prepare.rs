//! What the caller's own thread does before the writer sees a batch: limits, ids, encoding, terms.

use factum_store::{Append, EventId, EventType, Invalid, Limits, StreamName, Tag, Timestamp};

use crate::{
    index::{Indexed, Term, terms_of},
    log::Encoded,
    machine::Machine,
};

/// A batch that is within the limits, encoded but for what only the writer knows.
pub(crate) struct Prepared {
    pub(crate) append: Append,
    pub(crate) ids: Vec<EventId>,
    pub(crate) frame: Encoded,
    /// The terms of each event.
    pub(crate) terms: Vec<Vec<Term>>,
}

/// What a query looks at in an event of a batch.
pub(crate) struct Looked<'a> {
    pub(crate) event_type: &'a EventType,
    pub(crate) tags: &'a [Tag],
    pub(crate) stream: Option<&'a StreamName>,
}

/// Checks and encodes a batch.
pub(crate) fn prepare(
    machine: &dyn Machine,
    limits: &Limits,
    append: Append,
) -> Result<Prepared, Invalid> {
    limits.check_append(&append)?;
    let now = machine.now();
    let ids: Vec<_> = append
        .events
        .iter()
        .map(|event| event.id.unwrap_or_else(|| new_id(machine, now)))
        .collect();
    let frame = Encoded::new(&append, &ids);
    let terms = append.events.iter().zip(&ids).enumerate().map(|(slot, (event, id))| {
        let mut terms = Vec::new();
        let indexed = Indexed {
            id: *id,
            event_type: &event.event_type,
            tags: &event.tags,
            stream: event.stream.as_ref(),
            key: append.key.as_ref().filter(|_| slot == 0),
        };
        terms_of(indexed, &mut terms);
        terms
    });
    let terms = terms.collect();
    Ok(Prepared { append, ids, frame, terms })
}

/// A UUID of version 7: milliseconds, then chance.
fn new_id(machine: &dyn Machine, now: Timestamp) -> EventId {
    let millis = u128::from(now.micros / 1_000) & 0xffff_ffff_ffff;
    let chance = machine.random();
    let (a, b) = (chance >> 64 & 0xfff, chance & 0x3fff_ffff_ffff_ffff);
    EventId(uuid::Uuid::from_u128(millis << 80 | 7 << 76 | a << 64 | 2 << 62 | b))
}

impl Prepared {
    pub(crate) fn looked(&self, slot: usize) -> Looked<'_> {
        let event = &self.append.events[slot];
        let stream = event.stream.as_ref();
        Looked { event_type: &event.event_type, tags: &event.tags, stream }
    }
}
