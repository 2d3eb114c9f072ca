//! Reads: ranges, batches, directions, and every "no".

use factum_proto::{Reason, v1};

use super::{event, failed, one, refused_field};
use crate::world::World;

fn all() -> v1::ReadRequest {
    v1::ReadRequest { ledger: "bank".into(), ..v1::ReadRequest::default() }
}

async fn read(world: &World, request: v1::ReadRequest) -> Vec<v1::ReadResponse> {
    let mut batches = world.ledgers().await.read(request).await.expect("is read").into_inner();
    let mut all = Vec::new();
    while let Some(batch) = batches.message().await.expect("goes on") {
        all.push(batch);
    }
    all
}

fn positions(batches: &[v1::ReadResponse]) -> Vec<u64> {
    batches.iter().flat_map(|batch| &batch.events).map(|event| event.position).collect()
}

async fn filled(events: usize) -> World {
    let world = World::start().await;
    let mut ledgers = world.ledgers().await;
    for chunk in (0..events).collect::<Vec<_>>().chunks(1_000) {
        let events = chunk.iter().map(|n| event(if n % 2 == 0 { "even" } else { "odd" }, "t:1"));
        let request = v1::AppendRequest { events: events.collect(), ..one("a", "t:1") };
        ledgers.append(request).await.expect("is appended");
    }
    world
}

#[tokio::test]
async fn a_read_has_every_event_once_in_order() {
    let world = filled(3_000).await;
    let forward = read(&world, all()).await;
    assert_eq!(positions(&forward), (1..=3_000).collect::<Vec<_>>());
    assert_eq!(forward.last().map(|batch| batch.next), Some(None));
    assert!(forward.iter().all(|batch| batch.head.is_some_and(|head| head.position == 3_000)));
    let backward = v1::ReadRequest { direction: v1::Direction::Backward.into(), ..all() };
    assert_eq!(positions(&read(&world, backward).await), (1..=3_000).rev().collect::<Vec<_>>());
    let item = v1::QueryItem { types: vec!["odd".into()], ..v1::QueryItem::default() };
    let query = Some(v1::Query { items: vec![item] });
    let some = v1::ReadRequest { query, after: 10, up_to: Some(20), ..all() };
    assert_eq!(positions(&read(&world, some).await), [12, 14, 16, 18, 20]);
    let nothing = v1::ReadRequest { query: Some(v1::Query::default()), ..all() };
    let nothing = read(&world, nothing).await;
    assert_eq!((nothing.len(), nothing[0].events.len(), nothing[0].next), (1, 0, None));
}

#[tokio::test]
async fn a_read_with_a_limit_says_where_to_go_on() {
    let world = filled(2_500).await;
    for direction in [v1::Direction::Forward, v1::Direction::Backward] {
        let forward = direction == v1::Direction::Forward;
        let mut request =
            v1::ReadRequest { limit: Some(700), direction: direction.into(), ..all() };
        let mut seen = Vec::new();
        loop {
            let batches = read(&world, request.clone()).await;
            seen.extend(positions(&batches));
            match batches.last().and_then(|batch| batch.next) {
                Some(next) if forward => request.after = next,
                Some(next) => request.up_to = Some(next),
                None => break,
            }
        }
        let mut expected: Vec<_> = (1..=2_500).collect();
        if !forward {
            expected.reverse();
        }
        assert_eq!(seen, expected);
    }
}

/// Each batch says where to go on after it, and none is much larger than it should be.
#[tokio::test]
async fn large_events_come_in_batches_of_a_size() {
    let world = World::start().await;
    let mut ledgers = world.ledgers().await;
    for _ in 0..6 {
        let mut large = event("a", "t:1");
        large.data = vec![b'1'; 700 << 10].into();
        let request = v1::AppendRequest { events: vec![large; 2], ..one("a", "t:1") };
        ledgers.append(request).await.expect("is appended");
    }
    let batches = read(&world, all()).await;
    assert_eq!(positions(&batches), (1..=12).collect::<Vec<_>>());
    assert_eq!(batches.len(), 6);
    for batch in &batches[..5] {
        assert_eq!(batch.next, batch.events.last().map(|event| event.position));
    }
    let backward = v1::ReadRequest { direction: v1::Direction::Backward.into(), ..all() };
    for batch in &read(&world, backward).await[..5] {
        assert_eq!(batch.next, batch.events.last().map(|event| event.position - 1));
    }
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_the_name_of_its_field() {
    let world = World::start().await;
    let mut ledgers = world.ledgers().await;
    let item = v1::QueryItem { category: Some(String::new()), ..v1::QueryItem::default() };
    let items = vec![v1::QueryItem::default(), item];
    let cases = [
        (v1::ReadRequest { limit: Some(0), ..all() }, "limit"),
        (v1::ReadRequest { direction: 7, ..all() }, "direction"),
        (v1::ReadRequest { query: Some(v1::Query { items }), ..all() }, "items[1].category"),
        (
            v1::ReadRequest {
                query: Some(v1::Query { items: vec![v1::QueryItem::default(); 257] }),
                ..all()
            },
            "items",
        ),
    ];
    for (request, field) in cases {
        assert_eq!(refused_field(ledgers.read(request).await), field);
    }
    let nowhere = v1::ReadRequest { ledger: "nowhere".into(), ..all() };
    failed(ledgers.read(nowhere).await, Reason::UnknownLedger);
}

/// Without a name the ledger is `default`, which this server has not.
#[tokio::test]
async fn every_call_says_when_there_is_no_such_ledger() {
    use Reason::UnknownLedger;
    let world = World::start().await;
    let mut ledgers = world.ledgers().await;
    let append = v1::AppendRequest { ledger: String::new(), ..one("a", "t:1") };
    let said = failed(ledgers.append(append).await, UnknownLedger);
    assert!(said.message.contains("\"default\""), "{said:?}");
    failed(ledgers.head(v1::HeadRequest::default()).await, UnknownLedger);
    failed(ledgers.read(v1::ReadRequest::default()).await, UnknownLedger);
    failed(ledgers.subscribe(v1::SubscribeRequest::default()).await, UnknownLedger);
    let stream = v1::DescribeStreamRequest { stream: "s".into(), ..Default::default() };
    failed(ledgers.describe_stream(stream).await, UnknownLedger);
    let id = "018f2f6e-0000-7000-8000-000000000001".to_owned();
    let event = v1::FindEventRequest { id, ..Default::default() };
    failed(ledgers.find_event(event).await, UnknownLedger);
    let request_hash = Some(vec![0; 32].into());
    let key = Some(v1::Key { key: "k".into(), request_hash, ..Default::default() });
    let receipt = v1::FindReceiptRequest { key, ..Default::default() };
    failed(ledgers.find_receipt(receipt).await, UnknownLedger);
    failed(ledgers.position_at(v1::PositionAtRequest::default()).await, UnknownLedger);
    let listed = ledgers.list_ledgers(v1::ListLedgersRequest {}).await.expect("is asked");
    let listed = listed.into_inner().ledgers;
    assert_eq!(listed.len(), 1);
    assert_eq!((&*listed[0].name, listed[0].application.as_deref()), ("bank", Some("bank")));
    assert_eq!(
        refused_field(ledgers.describe_stream(v1::DescribeStreamRequest::default()).await),
        "stream"
    );
    assert_eq!(refused_field(ledgers.find_event(v1::FindEventRequest::default()).await), "id");
}
