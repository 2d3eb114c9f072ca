//! Random requests over few names, so that everything meets everything.

use factum_store::{
    Append, Condition, EventId, EventType, ExpectedRevision, IdempotencyKey, NewEvent, Position,
    Query, QueryItem, Read, RequestHash, Revision, StreamName, Tag,
};
use fastrand::Rng;

fn name<T: std::str::FromStr>(text: &str) -> T {
    match text.parse() {
        Ok(name) => name,
        Err(_) => unreachable!("{text} is a name"),
    }
}

pub(crate) fn event_type(rng: &mut Rng) -> EventType {
    name(["a", "b", "c", "$command"][rng.usize(..4)])
}

pub(crate) fn tag(rng: &mut Rng) -> Tag {
    name(["k:1", "k:2", "k:3", "k:4", "hot:1"][rng.usize(..5)])
}

pub(crate) fn stream(rng: &mut Rng) -> StreamName {
    name(["s-1", "s-2", "t-1", "t"][rng.usize(..4)])
}

/// The events of a request; their data says which request it is, and which of its events.
pub(crate) fn events(rng: &mut Rng, request: usize) -> Vec<NewEvent> {
    let count = if rng.u8(..10) == 0 { rng.usize(5..12) } else { rng.usize(1..4) };
    (0..count).map(|slot| event(rng, request, slot)).collect()
}

fn event(rng: &mut Rng, request: usize, slot: usize) -> NewEvent {
    let fill = if rng.u8(..12) == 0 { rng.usize(600..1_800) } else { rng.usize(0..120) };
    // Zeros and a repeated letter: what a checksum that is too simple would not notice.
    let fill = if rng.bool() { "\0" } else { "x" }.repeat(fill);
    let tags: Vec<_> = (0..rng.usize(0..3)).map(|_| tag(rng)).collect();
    let event = NewEvent::new(event_type(rng), format!("{request}.{slot}:{fill}")).tagged(tags);
    let id = rng.bool().then(|| EventId(uuid::Uuid::from_u128(rng.u128(..))));
    let stream = rng.bool().then(|| stream(rng));
    NewEvent { id, stream, ..event }
}

/// Conditions of a client that has seen the ledger up to a head. Streams are expected where they
/// are in the log that the client may know, or somewhere beside it.
pub(crate) fn conditions(
    rng: &mut Rng,
    seen: Position,
    revision: impl Fn(&StreamName) -> Option<Revision>,
) -> Vec<Condition> {
    match rng.u8(..10) {
        0..=3 => Vec::new(),
        4..=6 => vec![no_match(rng, seen)],
        7..=8 => vec![expected(rng, revision)],
        _ => vec![no_match(rng, seen), expected(rng, revision)],
    }
}

fn no_match(rng: &mut Rng, seen: Position) -> Condition {
    // Nearly always what was seen last; now and then long ago, which asks the index.
    let after = match rng.u8(..8) {
        0 => Position(rng.u64(..=seen.0)),
        1 => Position(seen.0.saturating_sub(3)),
        _ => seen,
    };
    Condition::NoMatch { query: query(rng), after }
}

fn expected(rng: &mut Rng, revision: impl Fn(&StreamName) -> Option<Revision>) -> Condition {
    let stream = stream(rng);
    let expected = match (rng.u8(..6), revision(&stream)) {
        (0, _) => ExpectedRevision::Any,
        (1, _) => ExpectedRevision::Exists,
        (2, Some(now)) => ExpectedRevision::Exactly(Revision(now.0.saturating_sub(1))),
        (_, Some(now)) => ExpectedRevision::Exactly(now),
        (_, None) => ExpectedRevision::None,
    };
    Condition::Revision { stream, expected }
}

/// A key out of few, and the hash of the request.
pub(crate) fn key(rng: &mut Rng, request: usize) -> IdempotencyKey {
    let mut hash = [7; 32];
    hash[..8].copy_from_slice(&request.to_le_bytes());
    IdempotencyKey {
        principal: ["ann", "bob"][rng.usize(..2)].into(),
        operation: "append".into(),
        key: format!("key-{}", rng.u8(..24)).into(),
        request: RequestHash(hash),
    }
}

/// A request that nobody made before.
pub(crate) fn append(rng: &mut Rng, request: usize, conditions: Vec<Condition>) -> Append {
    let key = (rng.u8(..3) == 0).then(|| key(rng, request));
    Append { events: events(rng, request), conditions, key }
}

pub(crate) fn query(rng: &mut Rng) -> Query {
    match rng.u8(..8) {
        0 => Query::all(),
        1 => Query::everything(),
        _ => Query { items: (0..rng.usize(1..3)).map(|_| item(rng)).collect() },
    }
}

fn item(rng: &mut Rng) -> QueryItem {
    QueryItem {
        types: (0..rng.usize(..3)).map(|_| event_type(rng)).collect(),
        tags: (0..rng.usize(..3)).map(|_| tag(rng)).collect(),
        stream: (rng.u8(..5) == 0).then(|| stream(rng)),
        category: (rng.u8(..8) == 0).then(|| stream(rng).category()),
        system: rng.bool(),
    }
}

/// A read in either direction.
pub(crate) fn read(rng: &mut Rng, head: u64) -> Read {
    let limit = if rng.u8(..4) == 0 { 10_000 } else { rng.usize(1..9) };
    let mut read = Read::new(query(rng)).limit(limit);
    if rng.bool() {
        read = read.after(Position(rng.u64(..=head + 2)));
    }
    if rng.u8(..3) == 0 {
        read = read.up_to(Position(rng.u64(..=head + 2)));
    }
    if rng.bool() { read.backward() } else { read }
}
