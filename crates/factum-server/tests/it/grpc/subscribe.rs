//! Subscriptions: what there is, what comes, and their ends.

use factum_proto::{Failure, Reason, v1};
use tonic::Streaming;
use v1::subscribe_response::Then;

use super::{one, refused_field};
use crate::world::World;

async fn follow(world: &World, after: u64) -> Streaming<v1::SubscribeResponse> {
    let request = v1::SubscribeRequest { ledger: "bank".into(), after, ..Default::default() };
    world.ledgers().await.subscribe(request).await.expect("is followed").into_inner()
}

/// The positions up to the next word that it has caught up, and that head.
async fn caught_up(signals: &mut Streaming<v1::SubscribeResponse>) -> (Vec<u64>, u64) {
    let mut seen = Vec::new();
    loop {
        let message = signals.message().await.expect("goes on").expect("goes on");
        seen.extend(message.events.iter().map(|event| event.position));
        if let Some(Then::CaughtUp(head)) = message.then {
            return (seen, head.position);
        }
    }
}

#[tokio::test]
async fn g6_what_there_is_and_then_what_comes() {
    let world = World::start().await;
    let mut ledgers = world.ledgers().await;
    for _ in 0..200 {
        ledgers.append(one("a", "t:1")).await.expect("is appended");
    }
    let mut signals = follow(&world, 5).await;
    assert_eq!(caught_up(&mut signals).await, ((6..=200).collect(), 200));
    ledgers.append(one("a", "t:1")).await.expect("is appended");
    assert_eq!(caught_up(&mut signals).await, (vec![201], 201));
}

#[tokio::test]
async fn it_says_how_far_it_has_looked() {
    let world = World::start().await;
    let mut ledgers = world.ledgers().await;
    let many =
        v1::AppendRequest { events: vec![super::event("a", "t:1"); 4_096], ..one("a", "t:1") };
    for _ in 0..3 {
        ledgers.append(many.clone()).await.expect("is appended");
    }
    let item = v1::QueryItem { types: vec!["b".into()], ..v1::QueryItem::default() };
    let query = Some(v1::Query { items: vec![item] });
    let request = v1::SubscribeRequest { ledger: "bank".into(), query, after: 0 };
    let mut signals = ledgers.subscribe(request).await.expect("is followed").into_inner();
    let mut told = Vec::new();
    loop {
        let message = signals.message().await.expect("goes on").expect("goes on");
        assert!(message.events.is_empty());
        match message.then.expect("something is said") {
            Then::Progress(position) => told.push(position),
            Then::CaughtUp(head) => break assert_eq!(head.position, 3 * 4_096),
        }
    }
    assert!(!told.is_empty() && told.is_sorted(), "{told:?}");
}

#[tokio::test]
async fn a_stop_ends_it_with_word_to_come_back() {
    let world = World::start().await;
    let mut signals = follow(&world, 0).await;
    assert_eq!(caught_up(&mut signals).await, (vec![], 0));
    world.stop().await;
    let status = signals.message().await.expect_err("the server is gone");
    assert_eq!(Failure::of(&status).reason, Reason::Unavailable, "{status:?}");
}

#[tokio::test]
async fn a_query_that_makes_no_sense_is_refused() {
    let world = World::start().await;
    let item = v1::QueryItem { types: vec![String::new()], ..v1::QueryItem::default() };
    let query = Some(v1::Query { items: vec![item] });
    let request = v1::SubscribeRequest { ledger: "bank".into(), query, after: 0 };
    let answer = world.ledgers().await.subscribe(request).await;
    assert_eq!(refused_field(answer), "items[0].types[0]");
}

#[tokio::test]
async fn when_all_places_are_taken_one_is_told_so() {
    let world = World::with(|config| {
        config.subscriptions_max = 1;
        config.patience = std::time::Duration::from_millis(10);
    })
    .await;
    let _first = follow(&world, 0).await;
    let request = v1::SubscribeRequest { ledger: "bank".into(), ..Default::default() };
    super::failed(world.ledgers().await.subscribe(request).await, Reason::Busy);
}
