//! The decoders of `factum.v1` as functions of bytes, for fuzzing. What is accepted is a valid word of
//! `factum-store`, and comes back the same over the wire.

use factum_proto::{Bounded, Failure, Keyed, v1};
use factum_store::{Condition, NewEvent, Query};
use prost::Message;

use crate::fuzzing::Target;

pub(crate) const TARGETS: &[Target] = &[
    ("grpc_append", append),
    ("grpc_append_stream", append_stream),
    ("grpc_read", read),
    ("grpc_query", query),
];

/// The message, if it is within its bounds; then all that is in it is.
fn decoded<M: Bounded>(bytes: &[u8], parts: impl Fn(&M) -> Vec<(usize, usize)>) -> Option<M> {
    let message = factum_proto::decode::<M>(bytes).ok()?;
    assert!(parts(&message).iter().all(|(has, most)| has <= most), "a list is beyond its bounds");
    Some(message)
}

fn batch(events: &[v1::NewEvent], conditions: &[v1::Condition]) -> Vec<(usize, usize)> {
    let tags = events.iter().map(|event| (event.tags.len(), 64));
    tags.chain([(events.len(), 4_096), (conditions.len(), 256)]).collect()
}

fn append(bytes: &[u8]) {
    let parts = |request: &v1::AppendRequest| batch(&request.events, &request.conditions);
    let Some(request) = decoded::<v1::AppendRequest>(bytes, parts) else { return };
    check_append(request.events, request.conditions, request.key);
}

fn append_stream(bytes: &[u8]) {
    let parts = |request: &v1::AppendStreamRequest| batch(&request.events, &request.conditions);
    let Some(request) = decoded::<v1::AppendStreamRequest>(bytes, parts) else { return };
    check_append(request.events, request.conditions, request.key);
}

fn check_append(events: Vec<v1::NewEvent>, conditions: Vec<v1::Condition>, key: Option<v1::Key>) {
    let (append, key) = match factum_proto::append(events, conditions, key) {
        Ok(accepted) => accepted,
        Err(invalid) => {
            let status = tonic::Status::from(Failure::from(invalid.clone()));
            assert_eq!(Failure::of(&status).append_error(&[]), invalid.into());
            return;
        }
    };
    for event in &append.events {
        let wire = v1::NewEvent::decode(&v1::NewEvent::from(event.clone()).encode_to_vec()[..]);
        assert_eq!(wire.map(NewEvent::try_from), Ok(Ok(event.clone())));
    }
    for condition in &append.conditions {
        let wire = v1::Condition::from(condition.clone()).encode_to_vec();
        let wire = v1::Condition::decode(&wire[..]);
        assert_eq!(wire.map(Condition::try_from), Ok(Ok(condition.clone())));
    }
    if let Some(Keyed { principal, operation, key, request: Some(request) }) = key {
        let keyed = factum_store::IdempotencyKey { principal, operation, key, request };
        let wire = Keyed::try_from(v1::Key::from(keyed.clone()));
        assert_eq!(wire.map(|wire| (wire.key, wire.request)), Ok((keyed.key, Some(request))));
    }
}

fn read(bytes: &[u8]) {
    let Some(request) = decoded::<v1::ReadRequest>(bytes, |_| Vec::new()) else { return };
    let Ok(read) = factum_proto::read(request) else { return };
    let again = factum_proto::read(v1::ReadRequest::of("l", &read));
    assert_eq!(again, Ok(read));
}

fn query(bytes: &[u8]) {
    let Ok(query) = v1::Query::decode(bytes) else { return };
    let Ok(query) = Query::try_from(query) else { return };
    let again = v1::Query::decode(&v1::Query::from(query.clone()).encode_to_vec()[..]);
    assert_eq!(again.map(Query::try_from), Ok(Ok(query)));
}

/// Inputs of a target that are whole, to begin with.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let item = v1::QueryItem {
        types: vec!["a".into(), "b".into()],
        tags: vec!["k:1".into()],
        stream: Some("s-1".into()),
        category: Some("s".into()),
        system: true,
    };
    let query = v1::Query { items: vec![item, v1::QueryItem::default()] };
    let (events, conditions, key) = (vec![event()], conditions(&query), Some(key()));
    let ledger = String::from("l");
    match target {
        "grpc_append" => {
            vec![v1::AppendRequest { ledger, events, conditions, key }.encode_to_vec()]
        }
        "grpc_append_stream" => {
            let request = v1::AppendStreamRequest { ledger, id: 7, events, conditions, key };
            vec![request.encode_to_vec()]
        }
        "grpc_read" => {
            let (query, up_to, limit) = (Some(query), Some(9), Some(10));
            let read = v1::ReadRequest { ledger, query, after: 3, up_to, direction: 1, limit };
            vec![read.encode_to_vec()]
        }
        "grpc_query" => vec![query.encode_to_vec()],
        _ => Vec::new(),
    }
}

fn event() -> v1::NewEvent {
    let id = "018f2f6e-0000-7000-8000-000000000001";
    v1::NewEvent {
        id: Some(id.into()),
        stream: Some("s-1".into()),
        r#type: "a".into(),
        tags: vec!["k:1".into(), "k:2".into()],
        data: "{}".into(),
        content_type: Some("x/y".into()),
        metadata: "{}".into(),
        envelope: Some(v1::Envelope {
            schema: Some(v1::Schema { name: "a".into(), version: 2 }),
            actor: Some("b".into()),
            correlation_id: Some("c".into()),
            causation_ids: vec![id.into()],
            command_id: Some("d".into()),
            trace: Some("00-1-2-01".into()),
        }),
    }
}

fn conditions(query: &v1::Query) -> Vec<v1::Condition> {
    use v1::condition::Condition as Wire;
    let revision = v1::RevisionCondition { stream: "s-1".into(), expected: 4, revision: 3 };
    let no_match = v1::NoMatchCondition { query: Some(query.clone()), after: 7 };
    [Wire::Revision(revision), Wire::NoMatch(no_match)]
        .map(|condition| v1::Condition { condition: Some(condition) })
        .into()
}

fn key() -> v1::Key {
    let request_hash = Some(vec![7; 32].into());
    let (principal, operation) = (String::from("p"), Some(String::from("o")));
    v1::Key { principal, operation, key: "k".into(), request_hash }
}
