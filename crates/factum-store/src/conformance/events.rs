//! What the cases append and read.

use futures_lite::future::block_on;

use crate::{
    Append, AppendError, EventType, IdempotencyKey, Ledger, NewEvent, Position, Query, QueryItem,
    Read, Receipt, RecordedEvent, RequestHash, StreamName, Tag,
};

pub(super) fn event_type(name: &str) -> EventType {
    EventType::new(name.to_owned()).expect("a valid type")
}

pub(super) fn tag(name: &str) -> Tag {
    Tag::new(name.to_owned()).expect("a valid tag")
}

pub(super) fn stream(name: &str) -> StreamName {
    StreamName::new(name.to_owned()).expect("a valid stream")
}

/// An event of a type with tags.
pub(super) fn event(name: &str, tags: &[&str]) -> NewEvent {
    NewEvent::new(event_type(name), format!("{{\"of\":\"{name}\"}}"))
        .tagged(tags.iter().map(|t| tag(t)))
}

pub(super) fn tagged(name: &str) -> Query {
    QueryItem::tags([tag(name)]).into()
}

pub(super) fn key(principal: &str, operation: &str, key: &str, request: u8) -> IdempotencyKey {
    IdempotencyKey {
        principal: principal.into(),
        operation: operation.into(),
        key: key.into(),
        request: RequestHash([request; 32]),
    }
}

pub(super) fn append(ledger: &dyn Ledger, append: Append) -> Result<Receipt, AppendError> {
    block_on(ledger.append(append))
}

pub(super) fn put(ledger: &dyn Ledger, events: impl IntoIterator<Item = NewEvent>) -> Receipt {
    append(ledger, Append::new(events)).expect("an append without conditions is accepted")
}

pub(super) fn head(ledger: &dyn Ledger) -> Position {
    block_on(ledger.head()).expect("the head can be read").position
}

/// All that a read finds, page after page.
pub(super) fn all(ledger: &dyn Ledger, read: Read) -> Vec<RecordedEvent> {
    let (mut events, mut next) = (Vec::new(), Some(read));
    while let Some(read) = next {
        let page = block_on(ledger.read(read)).expect("the ledger can be read");
        events.extend(page.events);
        next = page.next;
    }
    events
}

pub(super) fn positions(events: &[RecordedEvent]) -> Vec<u64> {
    events.iter().map(|event| event.position.0).collect()
}
