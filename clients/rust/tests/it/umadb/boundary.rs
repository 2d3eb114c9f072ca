//! Append conditions: what stands in the way, what does not, and retries.

use umadb_client::AsyncUmaDbClient;
use umadb_dcb::{DcbAppendCondition, DcbError, DcbEvent, DcbEventStoreAsync, DcbQuery, DcbResult};
use uuid::Uuid;

use super::{Read, event, fill, item, tagged};
use crate::world::World;

fn unless(query: DcbQuery, after: Option<u64>) -> Option<DcbAppendCondition> {
    Some(DcbAppendCondition::new(query).after(after))
}

fn assert_conflict(appended: DcbResult<u64>) {
    assert!(matches!(appended, Err(DcbError::IntegrityError(_))), "{appended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_may_match_after_the_position() {
    let world = World::start();
    let client = world.client().await;
    fill(&client, 5).await;
    let append =
        |query, after| client.append(vec![event("n", &["new"])], unless(query, after), None);
    for (query, after) in [
        (tagged(&["number:3"]), None),
        (tagged(&["number:3"]), Some(0)),
        (tagged(&["number:3"]), Some(2)),
        (DcbQuery::new().item(item(&["counted"], &[])), Some(4)),
        (DcbQuery::new().item(item(&["x"], &[])).item(item(&["counted"], &["odd:1"])), Some(4)),
        // Without items everything matches.
        (DcbQuery::new(), Some(4)),
        (DcbQuery::new(), None),
    ] {
        assert_conflict(append(query, after).await);
    }
    assert_eq!(client.head().await.expect("a head"), Some(5));
    let mut head = 5;
    for (query, after) in [
        (tagged(&["number:3"]), Some(3)),
        (tagged(&["nobody"]), None),
        (tagged(&["number:3", "odd:0"]), None),
        (DcbQuery::new(), Some(8)),
        // Nothing is after what is beyond the head.
        (DcbQuery::new(), Some(1_000)),
        (DcbQuery::new(), Some(u64::MAX)),
    ] {
        head += 1;
        assert_eq!(append(query, after).await.expect("is appended"), head);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_to_append_still_looks_at_the_condition() {
    let world = World::start();
    let client = world.client().await;
    fill(&client, 1).await;
    assert_conflict(client.append(Vec::new(), unless(tagged(&["number:1"]), None), None).await);
    let appended = client.append(Vec::new(), unless(tagged(&["number:2"]), None), None).await;
    assert_eq!(appended.expect("holds"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_with_the_same_ids_is_answered_with_where_it_was_recorded() {
    let world = World::start();
    let client = world.client().await;
    let named = |name: &str| DcbEvent { uuid: Some(Uuid::new_v4()), ..event(name, &["mine"]) };
    let events = vec![named("a"), named("b")];
    let condition = || unless(tagged(&["mine"]), None);
    let append = |events: Vec<DcbEvent>| client.append(events, condition(), None);
    assert_eq!(append(events.clone()).await.expect("is appended"), 2);
    fill_more(&client, 3).await;
    assert_eq!(append(events.clone()).await.expect("was appended"), 2);
    assert_eq!(client.head().await.expect("a head"), Some(5), "it was not appended again");

    // Less, more, another order, another id or none is another request.
    assert_conflict(append(vec![events[1].clone()]).await);
    assert_conflict(append(vec![events[1].clone(), events[0].clone()]).await);
    assert_conflict(append(vec![events[0].clone(), events[1].clone(), named("c")]).await);
    assert_conflict(append(vec![events[0].clone(), named("b")]).await);
    let unnamed = DcbEvent { uuid: None, ..events[1].clone() };
    assert_conflict(append(vec![events[0].clone(), unnamed]).await);
    // Without a condition nothing is looked for.
    assert_eq!(client.append(events, None, None).await.expect("is appended"), 7);
}

async fn fill_more(client: &AsyncUmaDbClient, count: u64) {
    for _ in 0..count {
        client.append(vec![event("other", &["other"])], None, None).await.expect("is appended");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_may_have_more_items_than_one_query_of_the_ledger() {
    let world = World::start();
    let client = world.client().await;
    let tags: Vec<_> = (0..1_000).map(|n| format!("n:{n}")).collect();
    let condition = || {
        let query = tags.iter().fold(DcbQuery::new(), |q, tag| q.item(item(&[], &[tag])));
        unless(query, None)
    };
    let id = |n: u128| Some(Uuid::from_u128(n + 1));
    let events: Vec<_> =
        (0..1_000).map(|n| DcbEvent { uuid: id(n), ..event("n", &[&tags[n as usize]]) }).collect();
    assert_eq!(client.append(events.clone(), condition(), None).await.expect("fits"), 1_000);
    assert_eq!(client.append(events, condition(), None).await.expect("a retry"), 1_000);
    assert_conflict(client.append(vec![event("n", &["n:999"])], condition(), None).await);
}

/// Of those who decide on the same state, one is first: every number is given once.
#[tokio::test(flavor = "multi_thread")]
async fn g4_of_writers_that_race_one_wins() {
    const WRITERS: usize = 8;
    const ROUNDS: u64 = 25;
    let world = World::start();
    let mut writing = Vec::new();
    for _ in 0..WRITERS {
        let client = world.client().await;
        writing.push(tokio::spawn(async move { count_up(&client, ROUNDS).await }));
    }
    let mut wins = 0;
    for writer in writing {
        wins += writer.await.expect("counts to the end");
    }
    let (events, _) = Read::default().of(&world.client().await).await;
    let counts: Vec<_> = events.into_iter().map(|found| found.event.event_type).collect();
    let expected: Vec<_> = (0..ROUNDS).map(|count| format!("count {count}")).collect();
    assert_eq!((counts, wins), (expected, ROUNDS));
}

/// Adds to a counter until it has enough; how often it was first.
async fn count_up(client: &AsyncUmaDbClient, enough: u64) -> u64 {
    let mut wins = 0;
    loop {
        let counter = Read { query: Some(tagged(&["counter"])), ..Read::default() };
        let (events, head) = counter.of(client).await;
        let count = events.len() as u64;
        if count >= enough {
            return wins;
        }
        let next = event(&format!("count {count}"), &["counter"]);
        match client.append(vec![next], unless(tagged(&["counter"]), head), None).await {
            Ok(_) => wins += 1,
            Err(DcbError::IntegrityError(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
