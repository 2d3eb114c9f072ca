//! Reads: which events, from where, which way, how many, and what is said of the head.

use umadb_dcb::{DcbEventStoreAsync, DcbQuery};

use super::{Read, event, fill, item, tagged};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_ledger_is_read_to_its_end() {
    let world = World::start();
    let client = world.client().await;
    for limit in [None, Some(0), Some(5)] {
        for backwards in [false, true] {
            let (events, head) = Read { backwards, limit, ..Read::default() }.of(&client).await;
            assert_eq!((events.len(), head), (0, None));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_begins_where_it_is_told_in_its_direction() {
    let world = World::start();
    let client = world.client().await;
    fill(&client, 5).await;
    let forward = |start| Read { start, ..Read::default() };
    let backward = |start| Read { start, backwards: true, ..Read::default() };
    assert_eq!(forward(None).positions(&client).await, [1, 2, 3, 4, 5]);
    assert_eq!(forward(Some(0)).positions(&client).await, [1, 2, 3, 4, 5]);
    assert_eq!(forward(Some(4)).positions(&client).await, [4, 5]);
    assert_eq!(forward(Some(6)).positions(&client).await, [0; 0]);
    assert_eq!(forward(Some(u64::MAX)).positions(&client).await, [0; 0]);
    assert_eq!(backward(None).positions(&client).await, [5, 4, 3, 2, 1]);
    assert_eq!(backward(Some(2)).positions(&client).await, [2, 1]);
    assert_eq!(backward(Some(9)).positions(&client).await, [5, 4, 3, 2, 1]);
    assert_eq!(backward(Some(0)).positions(&client).await, [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_is_that_of_the_ledger_or_the_last_event_of_a_limited_read() {
    let world = World::start();
    let client = world.client().await;
    fill(&client, 5).await;
    let odd = || Some(tagged(&["odd:1"]));
    let read = |limit, backwards| Read { query: odd(), limit, backwards, start: None };
    let heard = |(events, head): (Vec<_>, _)| (events.len(), head);
    assert_eq!(heard(read(None, false).of(&client).await), (3, Some(5)));
    assert_eq!(heard(read(Some(2), false).of(&client).await), (2, Some(3)));
    assert_eq!(heard(read(Some(2), true).of(&client).await), (2, Some(3)));
    assert_eq!(heard(read(Some(9), false).of(&client).await), (3, Some(5)));
    assert_eq!(heard(read(Some(0), false).of(&client).await), (0, None));
    let nothing = Read { query: Some(tagged(&["nobody"])), ..Read::default() };
    assert_eq!(heard(nothing.of(&client).await), (0, Some(5)));
    let beyond = Read { start: Some(6), ..Read::default() };
    assert_eq!(heard(beyond.of(&client).await), (0, Some(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_matches_by_types_and_tags() {
    let world = World::start();
    let client = world.client().await;
    let events = vec![
        event("a", &["x"]),
        event("a", &["x", "y"]),
        event("b", &["y"]),
        event("b", &["y", "x"]),
        event("c", &[]),
    ];
    client.append(events, None, None).await.expect("is appended");
    let cases: [(DcbQuery, &[u64]); 8] = [
        (DcbQuery::new(), &[1, 2, 3, 4, 5]),
        (DcbQuery::new().item(item(&[], &[])), &[1, 2, 3, 4, 5]),
        (DcbQuery::new().item(item(&["a"], &[])), &[1, 2]),
        (DcbQuery::new().item(item(&["a", "c"], &[])), &[1, 2, 5]),
        (DcbQuery::new().item(item(&[], &["x", "y"])), &[2, 4]),
        (DcbQuery::new().item(item(&["b"], &["x"])), &[4]),
        (DcbQuery::new().item(item(&["a"], &["x"])).item(item(&["c"], &[])), &[1, 2, 5]),
        (DcbQuery::new().item(item(&["nobody"], &[])), &[]),
    ];
    for (query, expected) in cases {
        let forward = Read { query: Some(query.clone()), ..Read::default() };
        assert_eq!(forward.positions(&client).await, expected, "{query:?}");
        let backward = Read { query: Some(query), backwards: true, ..Read::default() };
        let mut found = backward.positions(&client).await;
        found.reverse();
        assert_eq!(found, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_as_large_as_is_asked_for() {
    let world = World::start();
    let client = world.client_with(|client| client.batch_size(2)).await;
    fill(&client, 5).await;
    let mut response = client.read(None, None, false, None).await.expect("is read");
    let mut sizes = Vec::new();
    loop {
        let batch = response.next_batch().await.expect("is read");
        if batch.is_empty() {
            break;
        }
        sizes.push(batch.len());
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert_eq!(response.head().await.expect("a head"), Some(5));
    let limited = Read { limit: Some(3), ..Read::default() };
    assert_eq!(limited.positions(&client).await, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_ends_at_the_head_of_its_beginning() {
    let world = World::start();
    let client = world.client_with(|client| client.batch_size(1)).await;
    fill(&client, 20).await;
    let mut response = client.read(None, None, false, None).await.expect("is read");
    let mut found = response.next_batch().await.expect("is read").len();
    client.append(vec![event("later", &[])], None, None).await.expect("is appended");
    loop {
        match response.next_batch().await.expect("is read").len() {
            0 => break,
            more => found += more,
        }
    }
    assert_eq!(found, 20);
}
