//! Appends: what they answer, and every "no".

use factum_proto::{
    Reason,
    v1::{self, error::More},
};

use super::{event, failed, none_has, one, refused_field};
use crate::world::World;

#[tokio::test]
async fn a_batch_has_a_receipt() {
    let world = World::start().await;
    let mut ledgers = world.ledgers().await;
    let mut request = one("a", "t:1");
    request.events.push(event("b", "t:1"));
    let answer = ledgers.append(request).await.expect("is appended").into_inner();
    let receipt = answer.receipt.expect("a receipt");
    assert_eq!((receipt.first, receipt.last, receipt.ids.len()), (1, 2, 2));
    assert!(!receipt.replayed && receipt.recorded_at_micros > 0);
    let found = v1::FindEventRequest { ledger: "bank".into(), id: receipt.ids[1].clone() };
    let found = ledgers.find_event(found).await.expect("is asked").into_inner();
    let event = found.event.expect("is there");
    assert_eq!((event.position, event.r#type.as_str()), (2, "b"));
    let at = v1::PositionAtRequest { ledger: "bank".into(), micros: receipt.recorded_at_micros };
    assert_eq!(ledgers.position_at(at).await.expect("is asked").into_inner().position, 2);
}

#[tokio::test]
async fn a_conflict_says_enough_to_decide_again() {
    let world = World::start().await;
    let mut ledgers = world.ledgers().await;
    let twenty = v1::AppendRequest { events: vec![event("a", "t:1"); 20], ..one("a", "t:1") };
    ledgers.append(twenty).await.expect("is appended");
    let mut guarded = one("b", "t:2");
    guarded.conditions = vec![none_has("t:3"), none_has("t:1")];
    let failure = failed(ledgers.append(guarded).await, Reason::Conflict);
    let Some(More::Conflict(conflict)) = failure.more else { panic!("{failure:?}") };
    assert_eq!((conflict.index, conflict.head, conflict.offending.len()), (1, 20, 16));
    assert_eq!((conflict.offending[15].position, &*conflict.offending[15].r#type), (16, "a"));
    assert_eq!(conflict.state(), v1::StreamState::Unspecified);

    let mut expecting = one("b", "t:2");
    let revision = v1::RevisionCondition {
        stream: "s".into(),
        expected: v1::Expected::Exactly.into(),
        revision: 3,
    };
    let condition = v1::condition::Condition::Revision(revision);
    expecting.conditions = vec![v1::Condition { condition: Some(condition) }];
    let failure = failed(ledgers.append(expecting).await, Reason::Conflict);
    let Some(More::Conflict(conflict)) = failure.more else { panic!("{failure:?}") };
    assert_eq!((conflict.revision, conflict.state()), (None, v1::StreamState::NeverExisted));
}

/// A type and a message of three bytes a character: the status is still a head that clients take.
#[tokio::test]
async fn the_largest_conflict_fits_into_a_head() {
    let world = World::start().await;
    let mut ledgers = world.ledgers().await;
    let long = "日".repeat(85);
    let many = v1::AppendRequest { events: vec![event(&long, "t:1"); 16], ..one("a", "t:1") };
    ledgers.append(many).await.expect("is appended");
    let guarded = v1::AppendRequest { conditions: vec![none_has("t:1")], ..one("b", "t:2") };
    let failure = failed(ledgers.append(guarded).await, Reason::Conflict);
    let Some(More::Conflict(conflict)) = failure.more else { panic!("{failure:?}") };
    assert!(conflict.offending.iter().all(|one| one.r#type == long));
    assert_eq!(conflict.offending.len(), 16);
}

#[tokio::test]
async fn g5_a_key_has_one_outcome() {
    let world = World::start().await;
    let mut ledgers = world.ledgers().await;
    let keyed = |tag: &str, request_hash: Option<Vec<u8>>| {
        let request_hash = request_hash.map(Into::into);
        let key = v1::Key { key: "k-1".into(), request_hash, ..v1::Key::default() };
        v1::AppendRequest { key: Some(key), ..one("a", tag) }
    };
    let first = ledgers.append(keyed("t:1", None)).await.expect("is appended").into_inner();
    let again = ledgers.append(keyed("t:1", None)).await.expect("is answered").into_inner();
    let (first, again) = (first.receipt.expect("a receipt"), again.receipt.expect("a receipt"));
    assert_eq!((first.replayed, again.replayed, &again.ids), (false, true, &first.ids));
    let failure = failed(ledgers.append(keyed("t:2", None)).await, Reason::KeyReused);
    let said = v1::KeyReused { key: "k-1".into(), position: 1 };
    assert_eq!(failure.more, Some(More::KeyReused(said)));
    // The hash is compared, whoever made it; and keys of other operations are other keys.
    failed(ledgers.append(keyed("t:1", Some(vec![1; 32]))).await, Reason::KeyReused);
    let mut other = keyed("t:1", None);
    other.key.as_mut().expect("a key").operation = Some("order".into());
    let other = ledgers.append(other).await.expect("is appended").into_inner();
    assert_eq!(other.receipt.expect("a receipt").first, 2);
    // Over HTTP, the same key of the same principal is the same key.
    let body = r#"{"events":[{"type":"a","data":{},"tags":["t:1"]}]}"#;
    let request = crate::client::Request::new("POST", "/v1/ledgers/bank/events");
    let request = request.header("Idempotency-Key", "k-1").json(body);
    assert_eq!(request.send(world.address).await.ok()["replayed"], true);
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_the_name_of_its_field() {
    let world = World::start().await;
    let mut ledgers = world.ledgers().await;
    let with = |change: fn(&mut v1::AppendRequest)| {
        let mut request = one("a", "t:1");
        change(&mut request);
        request
    };
    let unspecified = v1::condition::Condition::Revision(v1::RevisionCondition {
        stream: "s".into(),
        ..v1::RevisionCondition::default()
    });
    let no_query = v1::condition::Condition::NoMatch(v1::NoMatchCondition::default());
    let condition = |condition| {
        let mut request = one("a", "t:1");
        request.conditions = vec![none_has("t:9"), v1::Condition { condition }];
        request
    };
    let mut bad_tag = one("a", "t:1");
    bad_tag.conditions = vec![none_has("t:\n")];
    let mut bad_hash = one("a", "t:1");
    bad_hash.key = Some(v1::Key {
        key: "k".into(),
        request_hash: Some(vec![1; 31].into()),
        ..v1::Key::default()
    });
    let cases = [
        (with(|r| r.events.clear()), "events"),
        (with(|r| r.events[0].r#type.clear()), "events[0].type"),
        (with(|r| r.events[0].tags.push("x\u{7}".into())), "events[0].tags[1]"),
        (with(|r| r.events[0].tags.push("a".into())), "events[0].tags"),
        (with(|r| r.events[0].id = Some("1".into())), "events[0].id"),
        (with(|r| r.events[0].stream = Some(String::new())), "events[0].stream"),
        (with(|r| r.events[0].data = vec![b'1'; (8 << 20) + 1].into()), "events[0].data"),
        (
            with(|r| {
                let causation_ids = vec!["?".into()];
                r.events[0].envelope =
                    Some(v1::Envelope { causation_ids, ..v1::Envelope::default() });
            }),
            "events[0].causation_ids[0]",
        ),
        (with(|r| r.key = Some(v1::Key::default())), "key.key"),
        (condition(None), "conditions[1].condition"),
        (condition(Some(unspecified)), "conditions[1].expected"),
        (condition(Some(no_query)), "conditions[1].query"),
        (bad_tag, "conditions[0].query.items[0].tags[0]"),
        (bad_hash, "key.request_hash"),
    ];
    for (request, field) in cases {
        assert_eq!(refused_field(ledgers.append(request).await), field);
    }
    let head = v1::HeadRequest { ledger: "bank".into() };
    let head = ledgers.head(head).await.expect("is asked").into_inner().head;
    assert_eq!(head, Some(v1::Head::default()), "nothing was written");
    let keyless = v1::FindReceiptRequest { ledger: "bank".into(), key: None };
    assert_eq!(refused_field(ledgers.find_receipt(keyless).await), "key");
    let key = Some(v1::Key { key: "k".into(), ..v1::Key::default() });
    let hashless = v1::FindReceiptRequest { ledger: "bank".into(), key };
    assert_eq!(refused_field(ledgers.find_receipt(hashless).await), "key.request_hash");
}

#[tokio::test]
async fn a_stream_that_was_ended_takes_nothing() {
    let world = World::start().await;
    let mut ledgers = world.ledgers().await;
    let mut end = one("$tombstone", "t:1");
    end.events[0].tags.clear();
    end.events[0].stream = Some("s-1".into());
    ledgers.append(end).await.expect("is ended");
    let mut late = one("a", "t:1");
    late.events[0].stream = Some("s-1".into());
    let failure = failed(ledgers.append(late).await, Reason::StreamEnded);
    let said = v1::StreamEnded { stream: "s-1".into(), revision: 0 };
    assert_eq!(failure.more, Some(More::StreamEnded(said)));
    let describe = v1::DescribeStreamRequest { ledger: "bank".into(), stream: "s-1".into() };
    let said = ledgers.describe_stream(describe).await.expect("is asked").into_inner();
    assert_eq!((said.state(), said.last_revision), (v1::StreamState::Tombstoned, Some(0)));
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused() {
    let world = World::with(|config| config.message_bytes_max = 64 << 10).await;
    let mut ledgers = world.ledgers().await;
    let mut large = one("a", "t:1");
    large.events[0].data = vec![b'1'; 64 << 10].into();
    let status = ledgers.append(large).await.expect_err("is too large");
    assert_eq!(status.code(), tonic::Code::OutOfRange, "{status:?}");
    assert!(status.message().contains("65536"), "{status:?}");
    ledgers.append(one("a", "t:1")).await.expect("the connection goes on");
}
