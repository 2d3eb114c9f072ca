//! What the index says of an event, in one place.

use factum_store::{EventId, EventType, IdempotencyKey, StreamName, Tag};

use super::Term;

/// The parts of an event that are indexed.
#[derive(Clone, Copy)]
pub(crate) struct Indexed<'a> {
    pub(crate) id: EventId,
    pub(crate) event_type: &'a EventType,
    pub(crate) tags: &'a [Tag],
    pub(crate) stream: Option<&'a StreamName>,
    /// The key of the batch, with its first event.
    pub(crate) key: Option<&'a IdempotencyKey>,
}

/// The terms of an event.
pub(crate) fn terms_of(event: Indexed<'_>, terms: &mut Vec<Term>) {
    terms.clear();
    terms.push(Term::id(event.id));
    terms.push(Term::event_type(event.event_type));
    terms.extend(event.tags.iter().map(Term::tag));
    if let Some(stream) = event.stream {
        terms.push(Term::stream(stream));
        terms.push(Term::category(&stream.category()));
    }
    terms.extend(event.key.map(Term::key));
}
