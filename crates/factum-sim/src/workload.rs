//! Random requests over few names, so that everything meets everything.

use factum_store::{
    Append, Condition, EventId, EventType, ExpectedRevision, IdempotencyKey, NewEvent, Position,
    Query, QueryItem, Read, RequestHash, Retention, Revision, StreamMetadata, StreamName, Tag,
};
use fastrand::Rng;

fn name<T: std::str::FromStr>(text: &str) -> T {
    match text.parse() {
        Ok(name) => name,
        Err(_) => unreachable!("{text} is a name"),
    }
}

/// Where a stream ends, as far as a client may know.
pub(crate) type Ends<'a> = &'a dyn Fn(&StreamName) -> Option<Revision>;

fn event_type(rng: &mut Rng) -> EventType {
    name(["a", "b", "c", "$command"][rng.usize(..4)])
}

fn tag(rng: &mut Rng) -> Tag {
    name(["k:1", "k:2", "k:3", "k:4", "hot:1"][rng.usize(..5)])
}

fn stream(rng: &mut Rng) -> StreamName {
    match rng.u8(..8) {
        0 => ending(rng),
        _ => name(["s-1", "s-2", "t-1", "t"][rng.usize(..4)]),
    }
}

/// One of the streams that are ended for ever now and then.
fn ending(rng: &mut Rng) -> StreamName {
    name(["u-1", "u-2", "u-3", "s-2"][rng.usize(..4)])
}

/// A stream, or what says what is kept of it.
pub(crate) fn any_stream(rng: &mut Rng) -> StreamName {
    let stream = stream(rng);
    match stream.metadata_stream() {
        Ok(metadata) if rng.u8(..8) == 0 => metadata,
        _ => stream,
    }
}

/// The events of a request; their data says which request it is, and which of its events.
fn events(rng: &mut Rng, request: usize, ends: Ends<'_>) -> Vec<NewEvent> {
    let count = if rng.u8(..10) == 0 { rng.usize(5..12) } else { rng.usize(1..4) };
    if rng.u8(..80) == 0 {
        return large(rng, request);
    }
    let mut events: Vec<NewEvent> = Vec::new();
    for slot in 0..count {
        let event = match rng.u8(..64) {
            0 => tombstone(rng, request, slot),
            1..=9 => metadata(rng, request, slot, ends),
            _ => event(rng, request, slot),
        };
        let ended = |earlier: &NewEvent| {
            earlier.event_type.is_tombstone() && earlier.stream == event.stream
        };
        if !events.iter().any(ended) {
            events.push(event);
        }
    }
    events
}

/// A batch so large that one event of it is read without the others.
fn large(rng: &mut Rng, request: usize) -> Vec<NewEvent> {
    let of = |slot| {
        let mut event = event(rng, request, slot);
        event.data = format!("{request}.{slot}:{}", "x".repeat(rng.usize(2_000..4_000))).into();
        event
    };
    (0..8).map(of).collect()
}

/// An event that nothing stands against.
pub(crate) fn plain(request: usize) -> NewEvent {
    NewEvent::new(name::<EventType>("a"), format!("{request}.0:"))
}

fn event(rng: &mut Rng, request: usize, slot: usize) -> NewEvent {
    let fill = if rng.u8(..12) == 0 { rng.usize(600..1_800) } else { rng.usize(0..120) };
    // Zeros and a repeated letter: what a checksum that is too simple would not notice.
    let fill = if rng.bool() { "\0" } else { "x" }.repeat(fill);
    let tags: Vec<_> = (0..rng.usize(0..3)).map(|_| tag(rng)).collect();
    let event = NewEvent::new(event_type(rng), format!("{request}.{slot}:{fill}")).tagged(tags);
    let stream = rng.bool().then(|| stream(rng));
    NewEvent { id: id(rng), stream, ..event }
}

fn id(rng: &mut Rng) -> Option<EventId> {
    rng.bool().then(|| EventId(uuid::Uuid::from_u128(rng.u128(..))))
}

/// The end of a stream, for ever.
fn tombstone(rng: &mut Rng, request: usize, slot: usize) -> NewEvent {
    let event = NewEvent::new(name::<EventType>(EventType::TOMBSTONE), format!("{request}.{slot}"));
    NewEvent { id: id(rng), ..event.in_stream(ending(rng)) }
}

/// What is kept of a stream from now on.
fn metadata(rng: &mut Rng, request: usize, slot: usize, ends: Ends<'_>) -> NewEvent {
    let stream = stream(rng);
    let next = ends(&stream).map_or(0, |last| last.0 + 1);
    let data = format!("{request}.{slot}").into();
    let metadata = StreamMetadata { retention: retention(rng, next), data };
    match metadata.event(&stream) {
        Ok(event) => NewEvent { id: id(rng), ..event },
        Err(invalid) => unreachable!("{stream} can have metadata: {invalid}"),
    }
}

/// Any of the rules, also none; `next` is the revision that the stream's next event gets.
fn retention(rng: &mut Rng, next: u64) -> Retention {
    let none = Retention::default();
    let truncate_before = Some(Revision(rng.u64(..=next + 1)));
    let max_count = Some(rng.u64(1..5));
    match rng.u8(..9) {
        0..=1 => Retention { truncate_before, ..none },
        2..=3 => Retention { max_count, ..none },
        4 => Retention { max_age_seconds: Some([1, 30, 300, 2_000][rng.usize(..4)]), ..none },
        5..=6 => Retention { truncate_before: Some(Revision(next)), deleted: true, ..none },
        7 => Retention { truncate_before, max_count, ..none },
        _ => none,
    }
}

/// Conditions of a client that has seen the ledger up to a head. Streams are expected where they
/// are in the log that the client may know, or somewhere beside it.
pub(crate) fn conditions(rng: &mut Rng, seen: Position, ends: Ends<'_>) -> Vec<Condition> {
    match rng.u8(..10) {
        0..=3 => Vec::new(),
        4..=6 => vec![no_match(rng, seen)],
        7..=8 => vec![expected(rng, ends)],
        _ => vec![no_match(rng, seen), expected(rng, ends)],
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

fn expected(rng: &mut Rng, ends: Ends<'_>) -> Condition {
    let stream = any_stream(rng);
    let expected = match (rng.u8(..6), ends(&stream)) {
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
pub(crate) fn append(
    rng: &mut Rng,
    request: usize,
    conditions: Vec<Condition>,
    ends: Ends<'_>,
) -> Append {
    let key = (rng.u8(..3) == 0).then(|| key(rng, request));
    Append { events: events(rng, request, ends), conditions, key }
}

pub(crate) fn query(rng: &mut Rng) -> Query {
    match rng.u8(..10) {
        0 => Query::all(),
        1 => Query::everything(),
        2 => QueryItem { system: rng.bool(), ..QueryItem::stream(any_stream(rng)) }.into(),
        _ => Query { items: (0..rng.usize(1..3)).map(|_| item(rng)).collect() },
    }
}

fn item(rng: &mut Rng) -> QueryItem {
    QueryItem {
        types: (0..rng.usize(..3)).map(|_| asked_type(rng)).collect(),
        tags: (0..rng.usize(..3)).map(|_| tag(rng)).collect(),
        stream: (rng.u8(..4) == 0).then(|| any_stream(rng)),
        category: (rng.u8(..8) == 0).then(|| stream(rng).category()),
        system: rng.bool(),
    }
}

fn asked_type(rng: &mut Rng) -> EventType {
    match rng.u8(..12) {
        0 => name(EventType::METADATA),
        1 => name(EventType::TOMBSTONE),
        _ => event_type(rng),
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
