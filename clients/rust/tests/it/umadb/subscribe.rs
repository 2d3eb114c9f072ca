//! Subscriptions: what there is, then what comes, once and in order (G6).

use futures_lite::StreamExt;
use umadb_dcb::{DcbError, DcbEventStoreAsync};

use super::{event, fill, tagged, take};
use crate::world::World;

#[tokio::test(flavor = "multi_thread")]
async fn g6_what_there_is_and_then_what_comes() {
    let world = World::start();
    let client = world.client().await;
    fill(&client, 4).await;
    let mut all = client.subscribe(None, None).await.expect("is followed");
    let mut some = client.subscribe(Some(tagged(&["odd:1"])), Some(1)).await.expect("is followed");
    let mut beyond = client.subscribe(None, Some(5)).await.expect("is followed");
    let positions = |found: Vec<umadb_dcb::DcbSequencedEvent>| {
        found.iter().map(|found| found.position).collect::<Vec<_>>()
    };
    assert_eq!(positions(take(&mut all, 4).await), [1, 2, 3, 4]);
    assert_eq!(positions(take(&mut some, 1).await), [3]);
    let more = vec![event("new", &["odd:1"]), event("new", &[])];
    client.append(more, None, None).await.expect("is appended");
    assert_eq!(positions(take(&mut all, 2).await), [5, 6]);
    assert_eq!(positions(take(&mut some, 1).await), [5]);
    assert_eq!(positions(take(&mut beyond, 1).await), [6]);
}

#[tokio::test(flavor = "multi_thread")]
async fn g6_nothing_is_missed_while_others_append() {
    const EVENTS: u64 = 2_000;
    let world = World::start();
    let (writer, reader) = (world.client().await, world.client().await);
    let writing = tokio::spawn(async move {
        for _ in 0..EVENTS / 4 {
            let four = vec![event("a", &["a"]); 4];
            writer.append(four, None, None).await.expect("is appended");
        }
    });
    let mut all = reader.subscribe(Some(tagged(&["a"])), None).await.expect("is followed");
    let found = take(&mut all, EVENTS as usize).await;
    assert!(found.iter().map(|found| found.position).eq(1..=EVENTS));
    writing.await.expect("writes");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_as_large_as_is_asked_for() {
    let world = World::start();
    let client = world.client_with(|client| client.batch_size(3)).await;
    fill(&client, 7).await;
    let mut all = client.subscribe(None, None).await.expect("is followed");
    let mut sizes = Vec::new();
    while sizes.iter().sum::<usize>() < 7 {
        sizes.push(all.next_batch().await.expect("goes on").len());
    }
    assert_eq!(sizes, [3, 3, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_comes_after_the_last_position() {
    let world = World::start();
    let client = world.client().await;
    fill(&client, 1).await;
    let mut none = client.subscribe(None, Some(u64::MAX)).await.expect("is followed");
    assert!(none.next().await.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_the_server_is_told() {
    let mut world = World::start();
    let client = world.client().await;
    fill(&client, 1).await;
    let mut all = client.subscribe(None, None).await.expect("is followed");
    take(&mut all, 1).await;
    world.end_in_order();
    let told = all.next().await.expect("an error");
    assert!(matches!(told, Err(DcbError::TransportError(_))), "{told:?}");
    let head = client.head().await;
    assert!(matches!(head, Err(DcbError::TransportError(_))), "{head:?}");
}
