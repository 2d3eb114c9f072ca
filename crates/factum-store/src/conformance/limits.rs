//! Limits: what is one over is refused with its field's name before anything is written, and what
//! is just within is accepted.

use bytes::Bytes;
use bytestring::ByteString;

use super::{FreshLedger, events::*};
use crate::{
    Append, AppendError, Condition, Envelope, EventId, IdempotencyKey, Ledger, Limits, NewEvent,
    Position, Query, QueryItem, Read, Schema, Tag,
};

pub(super) fn cases(fresh: FreshLedger<'_>) {
    what_is_one_over_changes_nothing(&*fresh());
    what_is_just_within_is_accepted(&*fresh());
}

fn text(bytes: usize) -> ByteString {
    "x".repeat(bytes).into()
}

fn tags(count: usize) -> Vec<Tag> {
    (0..count).map(|n| tag(&format!("t:{n:04}"))).collect()
}

fn absent(query: impl Into<Query>) -> Condition {
    Condition::NoMatch { query: query.into(), after: Position::START }
}

/// An append whose only event has something else in its envelope.
fn enveloped(change: impl FnOnce(&mut Envelope)) -> Append {
    let mut changed = event("x", &[]);
    change(&mut changed.envelope);
    Append::new([changed])
}

fn keyed(change: impl FnOnce(&mut IdempotencyKey)) -> Append {
    let mut changed = key("p", "o", "k", 1);
    change(&mut changed);
    Append::new([event("x", &[])]).keyed(changed)
}

/// Events that are one over a limit, each with the field that is to be named.
fn events_too_large(max: &Limits) -> Vec<(&'static str, Append)> {
    let second = |event_: NewEvent| Append::new([event("x", &[]), event_]);
    let bytes = |count| Bytes::from(vec![b'x'; count]);
    let x = || event("x", &[]);
    let third = max.batch_bytes_max / 3 + 1;
    let causes = vec![EventId(uuid::Uuid::nil()); max.causes_max + 1];
    let long = || Some(text(max.text_bytes_max + 1));
    let schema = long().map(|name| Schema { name, version: 1 });
    let twice =
        [1_u128, 2, 1].map(|n| NewEvent { id: Some(EventId(uuid::Uuid::from_u128(n))), ..x() });
    vec![
        ("events", Append::new((0..3).map(|_| NewEvent { data: bytes(third), ..x() }))),
        (
            "events[1].metadata",
            second(NewEvent { metadata: bytes(max.metadata_bytes_max + 1), ..x() }),
        ),
        ("events[1].tags", second(NewEvent { tags: tags(max.tags_max + 1), ..x() })),
        ("events[1].tags", second(NewEvent { tags: vec![tag("a"), tag("a")], ..x() })),
        ("events[2].id", Append::new(twice)),
        ("events[0].causation_ids", enveloped(|envelope| envelope.causation_ids = causes)),
        ("events[0].actor", enveloped(|envelope| envelope.actor = long())),
        ("events[0].correlation_id", enveloped(|envelope| envelope.correlation_id = long())),
        ("events[0].command_id", enveloped(|envelope| envelope.command_id = long())),
        ("events[0].trace", enveloped(|envelope| envelope.trace = long())),
        ("events[0].schema", enveloped(|envelope| envelope.schema = schema)),
    ]
}

/// Conditions and keys that are one over a limit.
fn requests_too_large(max: &Limits) -> Vec<(&'static str, Append)> {
    let when = |query: Query| Append::new([event("x", &[])]).when(absent(query));
    let items = vec![QueryItem::default(); max.query_items_max + 1];
    let types = (0..=max.query_terms_max).map(|n| event_type(&format!("t{n}")));
    let mut conditions = Append::new([event("x", &[])]);
    conditions.conditions = vec![absent(Query::none()); max.conditions_max + 1];
    let long = || text(max.text_bytes_max + 1);
    vec![
        ("conditions", conditions),
        ("conditions[0].query.items", when(Query { items })),
        ("conditions[0].query.items[0].types", when(QueryItem::types(types).into())),
        (
            "conditions[0].query.items[0].tags",
            when(QueryItem::tags(tags(max.query_terms_max + 1)).into()),
        ),
        ("key.principal", keyed(|key| key.principal = long())),
        ("key.operation", keyed(|key| key.operation = long())),
        ("key.key", keyed(|key| key.key = long())),
        ("key.key", keyed(|key| key.key = ByteString::new())),
    ]
}

fn what_is_one_over_changes_nothing(ledger: &dyn Ledger) {
    let max = Limits::default();
    put(ledger, [event("before", &[])]);
    for (field, request) in events_too_large(&max).into_iter().chain(requests_too_large(&max)) {
        match append(ledger, request) {
            Err(AppendError::Invalid(invalid)) => assert_eq!(invalid.field, field, "{invalid}"),
            other => panic!("{field} was to be refused: {other:?}"),
        }
        assert_eq!(head(ledger), Position(1), "{field}: nothing was written");
    }
    assert_eq!(put(ledger, [event("after", &[])]).first, Position(2));
}

fn what_is_just_within_is_accepted(ledger: &dyn Ledger) {
    let max = Limits::default();
    let long = || Some(text(max.text_bytes_max));
    let full = NewEvent {
        data: Bytes::from(vec![b'x'; max.data_bytes_max]),
        metadata: Bytes::from(vec![b'x'; max.metadata_bytes_max]),
        tags: tags(max.tags_max),
        envelope: Envelope {
            schema: long().map(|name| Schema { name, version: 0 }),
            actor: long(),
            correlation_id: long(),
            causation_ids: vec![EventId(uuid::Uuid::max()); max.causes_max],
            command_id: long(),
            trace: long(),
        },
        ..event(&"t".repeat(256), &[])
    };
    let mut request = keyed(|key| {
        (key.principal, key.operation) = (text(max.text_bytes_max), text(max.text_bytes_max));
        key.key = text(max.text_bytes_max);
    });
    request.events = vec![full.clone()];
    let items = (0..max.query_items_max).map(|n| QueryItem::tags([tag(&format!("q:{n}"))]));
    request.conditions = vec![absent(Query { items: items.collect() }); max.conditions_max];
    append(ledger, request).expect("each part is just within its limit");
    put(ledger, (0..max.batch_events_max).map(|_| event("x", &[])));
    let half = || NewEvent { data: full.data.clone(), ..event("x", &[]) };
    put(ledger, [half(), half()]);
    let events = all(ledger, Read::new(Query::all()));
    assert_eq!(events.len(), 1 + max.batch_events_max + 2);
    assert_eq!((&events[0].data, &events[0].metadata), (&full.data, &full.metadata));
    assert_eq!((&events[0].tags, &events[0].envelope), (&full.tags, &full.envelope));
}
