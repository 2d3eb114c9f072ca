//! Appends without waiting: order, failures in between, limits, ends.

use factum_client::Pipeline;
use factum_proto::{Failure, Reason, v1};
use factum_store::{
    Append, AppendError, Condition, EventType, Ledger, NewEvent, Position, Query, QueryItem, Tag,
};
use tokio::sync::mpsc;
use tonic::Streaming;

use super::{event, none_has};
use crate::world::World;

fn tagged(tag: &str) -> Append {
    let event_type = EventType::new("a").expect("a name");
    Append::new([NewEvent::new(event_type, "1").tagged([Tag::new(tag.to_owned()).expect("a tag")])])
}

fn unless(tag: &str) -> Condition {
    let query = Query::from(QueryItem::tags([Tag::new(tag.to_owned()).expect("a tag")]));
    Condition::NoMatch { query, after: Position::START }
}

async fn pipeline(world: &World) -> Pipeline {
    world.client().await.ledger("bank").pipeline()
}

#[tokio::test]
async fn appends_are_done_and_answered_in_their_order() {
    const APPENDS: u64 = 5_000;
    let world = World::start().await;
    let pipeline = pipeline(&world).await;
    let sending = async {
        let mut answers = Vec::new();
        for n in 0..APPENDS {
            // Of each three the last is in conflict with the first.
            let append = tagged(&format!("t:{}", n / 3));
            let append =
                if n % 3 == 2 { append.when(unless(&format!("t:{}", n / 3))) } else { append };
            answers.push(tokio::spawn(pipeline.append(append).await));
        }
        answers
    };
    let mut next = 1;
    for (n, answer) in sending.await.into_iter().enumerate() {
        match answer.await.expect("no panic") {
            Ok(receipt) => {
                assert_eq!((receipt.first, n % 3 == 2), (Position(next), false), "append {n}");
                next += 1;
            }
            Err(AppendError::Conflict(conflict)) => {
                assert_eq!((n % 3, conflict.failed), (2, unless(&format!("t:{}", n / 3))));
                assert_eq!(conflict.offending[0].position, Position(next - 2));
            }
            Err(error) => panic!("append {n}: {error}"),
        }
    }
    let head = world.client().await.ledger("bank").head().await.expect("is asked");
    assert_eq!(head.position, Position(next - 1));
}

/// The wire itself: what the client of the crate would not send.
struct Wire {
    requests: mpsc::Sender<v1::AppendStreamRequest>,
    answers: Streaming<v1::AppendStreamResponse>,
}

impl Wire {
    async fn open(world: &World) -> Self {
        let (requests, taken) = mpsc::channel(4_096);
        let taken = tokio_stream::wrappers::ReceiverStream::new(taken);
        let answers = world.ledgers().await.append_stream(taken).await.expect("is opened");
        Self { requests, answers: answers.into_inner() }
    }

    async fn send(&self, id: u64, ledger: &str, event: v1::NewEvent) {
        let ledger = ledger.to_owned();
        let request =
            v1::AppendStreamRequest { ledger, id, events: vec![event], ..Default::default() };
        self.requests.send(request).await.expect("is taken");
    }

    async fn answers(&mut self, count: usize) -> Vec<(u64, Result<u64, Failure>)> {
        use v1::append_answer::Outcome;
        let mut answers = Vec::new();
        while answers.len() < count {
            let message = self.answers.message().await.expect("goes on").expect("goes on");
            answers.extend(message.answers.into_iter().map(|answer| match answer.outcome {
                Some(Outcome::Receipt(receipt)) => (answer.id, Ok(receipt.first)),
                Some(Outcome::Failure(failure)) => (answer.id, Err(failure.into())),
                None => panic!("an answer says what came of it"),
            }));
        }
        answers
    }
}

#[tokio::test]
async fn one_that_fails_does_not_end_the_stream() {
    let world = World::start().await;
    let mut wire = Wire::open(&world).await;
    wire.send(70, "bank", event("a", "t:1")).await;
    wire.send(71, "", event("", "t:1")).await;
    wire.send(70, "bank", event("b", "t:1")).await;
    wire.send(72, "notes", event("b", "t:1")).await;
    wire.send(73, "", event("c", "t:1")).await;
    let answers = wire.answers(5).await;
    let ids: Vec<_> = answers.iter().map(|(id, _)| *id).collect();
    assert_eq!(ids, [70, 71, 70, 72, 73], "the numbers are the client's own");
    let of = |n: usize| answers[n].1.as_ref();
    assert_eq!([of(0), of(2), of(4)].map(Result::ok), [Some(&1), Some(&2), Some(&3)]);
    for (n, said) in [(1, "events[0].type is empty"), (3, "ledger is not that of the stream")] {
        let failure = of(n).expect_err("is refused");
        assert_eq!(failure.reason, Reason::Invalid);
        assert!(failure.message.starts_with(said), "{failure:?}");
    }
    let last = v1::AppendStreamRequest {
        id: 74,
        events: vec![event("d", "t:1")],
        conditions: vec![none_has("t:1")],
        ..Default::default()
    };
    wire.requests.send(last).await.expect("is taken");
    assert_eq!(wire.answers(1).await[0].1.as_ref().map_err(|f| f.reason), Err(Reason::Conflict));
    // The client ends its side, and so does the server.
    let Wire { requests, mut answers } = wire;
    drop(requests);
    assert_eq!(answers.message().await.expect("a good end"), None);
}

#[tokio::test]
async fn each_append_to_a_ledger_that_is_not_there_is_told_so() {
    let world = World::start().await;
    let mut wire = Wire::open(&world).await;
    wire.send(1, "nowhere", event("a", "t:1")).await;
    wire.send(2, "nowhere", event("a", "t:1")).await;
    for (_, answer) in wire.answers(2).await {
        assert_eq!(answer.map_err(|failure| failure.reason), Err(Reason::UnknownLedger));
    }
}

/// A client that sends and never reads: what the server takes in is bounded, and all of it is done
/// when the client reads after all.
#[tokio::test]
async fn g12_who_does_not_read_the_answers_is_not_read_from() {
    const APPENDS: u64 = 40_000;
    let world = World::start().await;
    let mut wire = Wire::open(&world).await;
    let requests = wire.requests.clone();
    let sending = tokio::spawn(async move {
        for id in 0..APPENDS {
            let ledger = "bank".to_owned();
            let mut event = event("a", "t:1");
            event.data = vec![b'1'; 1_000].into();
            let request =
                v1::AppendStreamRequest { ledger, id, events: vec![event], ..Default::default() };
            requests.send(request).await.expect("is taken");
        }
    });
    // The head stands still before everything was taken: nobody makes room.
    let ledger = world.client().await.ledger("bank");
    let mut stood = 0;
    let mut last = Position::START;
    while stood < 20 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let head = ledger.head().await.expect("is asked").position;
        stood = if head == last && head > Position::START { stood + 1 } else { 0 };
        last = head;
    }
    assert!(last < Position(APPENDS), "{last} appends were taken from one who does not read");
    let mut expected = 0;
    while expected < APPENDS {
        for (id, answer) in wire.answers(1).await {
            assert_eq!((id, answer), (expected, Ok(expected + 1)));
            expected += 1;
        }
    }
    sending.await.expect("all was sent");
}

#[tokio::test]
async fn when_the_server_stops_what_was_taken_is_answered() {
    let world = World::start().await;
    let mut wire = Wire::open(&world).await;
    wire.send(1, "bank", event("a", "t:1")).await;
    assert_eq!(wire.answers(1).await.len(), 1);
    world.stop().await;
    let status = wire.answers.message().await.expect_err("the server is gone");
    assert_eq!(Failure::of(&status).reason, Reason::Unavailable, "{status:?}");
}
