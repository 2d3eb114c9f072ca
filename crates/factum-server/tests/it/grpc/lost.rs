//! Connections that are lost: what is not known is said to be unknown, what has a key happens once,
//! and subscriptions go on without a gap and without a repetition.

use std::{sync::Arc, time::Duration};

use factum::append_key;
use factum_client::{Client, RemoteLedger};
use factum_store::{
    Append, AppendError, EventType, Ledger, NewEvent, Position, Query, Read, Signal, Subscribe,
};
use futures_lite::StreamExt;

use super::proxy::Proxy;
use crate::world::World;

struct Lost {
    world: World,
    proxy: Proxy,
    /// Over the proxy.
    far: RemoteLedger,
    /// Directly.
    near: RemoteLedger,
}

impl Lost {
    async fn new() -> Self {
        let world = World::start().await;
        let proxy = Proxy::to(world.address).await;
        let client = Client::to(format!("http://{}", proxy.address)).connect().await;
        let far = client.expect("connects").ledger("bank");
        let near = world.client().await.ledger("bank");
        Self { world, proxy, far, near }
    }

    /// Waits until this many events are recorded.
    async fn recorded(&self, events: u64) {
        while self.near.head().await.expect("is asked").position < Position(events) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn one() -> Append {
    Append::new([NewEvent::new(EventType::new("a").expect("a name"), "1")])
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_unknown() {
    let lost = Lost::new().await;
    lost.proxy.swallow_answers(true);
    let far = lost.far.clone();
    let append = tokio::spawn(async move { far.append(one()).await });
    lost.recorded(1).await;
    lost.proxy.cut();
    let answer = append.await.expect("no panic");
    assert!(matches!(answer, Err(AppendError::OutcomeUnknown(_))), "{answer:?}");
    assert_eq!(lost.near.head().await.expect("is asked").position, Position(1));
}

#[tokio::test]
async fn g5_with_a_key_it_is_sent_again_and_happens_once() {
    let lost = Lost::new().await;
    lost.proxy.swallow_answers(true);
    let far = lost.far.clone();
    let append = tokio::spawn(async move {
        let mut append = one();
        append.key = Some(append_key("", "k", &append));
        far.append(append).await
    });
    lost.recorded(1).await;
    lost.proxy.swallow_answers(false);
    lost.proxy.cut();
    let receipt = append.await.expect("no panic").expect("is answered in the end");
    assert!(receipt.replayed, "{receipt:?}");
    assert_eq!(lost.near.head().await.expect("is asked").position, Position(1));
}

#[tokio::test]
async fn what_was_on_the_way_in_a_pipeline_is_unknown_and_the_rest_was_not_sent() {
    let lost = Lost::new().await;
    let pipeline = lost.far.pipeline();
    pipeline.append(one()).await.await.expect("is recorded");
    lost.proxy.swallow_answers(true);
    let on_the_way = [pipeline.append(one()).await, pipeline.append(one()).await];
    lost.recorded(3).await;
    lost.proxy.cut();
    for answer in on_the_way {
        let answer = answer.await;
        assert!(matches!(answer, Err(AppendError::OutcomeUnknown(_))), "{answer:?}");
    }
    let late = pipeline.append(one()).await.await;
    assert!(matches!(late, Err(AppendError::Unavailable(_))), "{late:?}");
    lost.proxy.swallow_answers(false);
    let receipt = lost.far.pipeline().append(one()).await.await.expect("another one works");
    assert_eq!(receipt.first, Position(4));
}

#[tokio::test]
async fn a_server_that_can_not_be_reached_has_recorded_nothing() {
    let world = World::start().await;
    let url = format!("http://{}", world.address);
    world.stop().await;
    let refused = Client::to(url.clone()).connect().await.err().expect("nobody listens");
    assert!(refused.to_string().starts_with(&format!("{url} can't be reached: ")), "{refused}");
    let client = Client::to(url).retry_for(Duration::ZERO).lazily().expect("an address");
    let answer = client.ledger("bank").append(one()).await;
    assert!(matches!(answer, Err(AppendError::Unavailable(_))), "{answer:?}");
    assert!(client.ledger("bank").read(Read::new(Query::all())).await.is_err());
}

/// The connection is cut again and again, while events come.
#[tokio::test]
async fn g6_a_subscription_goes_on_without_a_gap_or_a_repetition() {
    const EVENTS: u64 = 3_000;
    let lost = Lost::new().await;
    let (near, proxy) = (lost.near.clone(), Arc::new(lost.proxy));
    let cutting = Arc::clone(&proxy);
    let writing = tokio::spawn(async move {
        for n in 0..EVENTS {
            near.append(one()).await.expect("is recorded");
            if n % 300 == 150 {
                cutting.cut();
            }
        }
    });
    let mut signals = lost.far.subscribe(Subscribe { query: Query::all(), after: Position::START });
    let mut next = 1;
    while next <= EVENTS {
        if let Signal::Event(event) = signals.next().await.expect("no end").expect("no error") {
            assert_eq!(event.position, Position(next));
            next += 1;
        }
    }
    writing.await.expect("writes");
    drop(lost.world);
}

#[tokio::test]
async fn a_subscription_to_a_ledger_that_is_not_there_ends_with_word_of_it() {
    let world = World::start().await;
    let ledger = world.client().await.ledger("nowhere");
    let mut signals = ledger.subscribe(Subscribe { query: Query::all(), after: Position::START });
    let error = signals.next().await.expect("an answer").expect_err("there is none");
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert!(signals.next().await.is_none());
}
