//! A consumer over one stream: deliveries, answers, flow control, ends.

use factum_proto::{
    Failure, Reason,
    v1::{
        self, consume_request::Request, consumers_client::ConsumersClient,
        delivery_answered::Became, nack_deliveries::Then,
    },
};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Status, Streaming};

use crate::world::World;

/// One consumer.
struct Consumer {
    ask: mpsc::UnboundedSender<v1::ConsumeRequest>,
    said: Streaming<v1::ConsumeResponse>,
    deliveries: Vec<v1::Delivery>,
    answered: Vec<v1::DeliveryAnswered>,
}

fn open(in_flight_max: u32) -> Request {
    Request::Open(v1::OpenConsumer {
        ledger: "bank".into(),
        group: "g".into(),
        consumer: "c".into(),
        in_flight_max,
    })
}

fn ack(deliveries: &[&v1::Delivery]) -> Request {
    let deliveries = deliveries.iter().map(|one| one.delivery.clone()).collect();
    Request::Ack(v1::AckDeliveries { deliveries })
}

fn nack(delivery: &v1::Delivery, then: Then) -> Request {
    let (deliveries, reason) = (vec![delivery.delivery.clone()], "no".to_owned());
    Request::Nack(v1::NackDeliveries { deliveries, reason, then: Some(then) })
}

async fn world(settings: Value) -> World {
    let world = World::start().await;
    let body = json!({ "name": "g", "settings": settings }).to_string();
    world.post("/v1/ledgers/bank/groups", &body).await.ok();
    world
}

impl Consumer {
    async fn new(world: &World, first: Request) -> Result<Self, Status> {
        let (ask, asked) = mpsc::unbounded_channel();
        ask.send(v1::ConsumeRequest { request: Some(first) }).expect("is taken");
        let mut client = ConsumersClient::new(world.channel().await);
        let said = client.consume(UnboundedReceiverStream::new(asked)).await?.into_inner();
        Ok(Self { ask, said, deliveries: Vec::new(), answered: Vec::new() })
    }

    fn ask(&self, request: Request) {
        self.ask.send(v1::ConsumeRequest { request: Some(request) }).expect("is taken");
    }

    async fn hear(&mut self) {
        let said = self.said.message().await.expect("goes on").expect("goes on");
        self.deliveries.extend(said.deliveries);
        self.answered.extend(said.answered);
    }

    /// So many deliveries.
    async fn take(&mut self, count: usize) -> Vec<v1::Delivery> {
        while self.deliveries.len() < count {
            self.hear().await;
        }
        self.deliveries.drain(..count).collect()
    }

    async fn became(&mut self) -> Became {
        while self.answered.is_empty() {
            self.hear().await;
        }
        self.answered.remove(0).became.expect("something became of it")
    }

    async fn refused(mut self) -> Failure {
        loop {
            match self.said.message().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("it ended well"),
                Err(status) => return Failure::of(&status),
            }
        }
    }
}

fn data(delivery: &v1::Delivery) -> u64 {
    let data = &delivery.event.as_ref().expect("an event").data;
    serde_json::from_slice(data).expect("a number")
}

#[tokio::test]
async fn no_more_is_delivered_than_may_be_unanswered_and_answers_make_room() {
    const EVENTS: u64 = 50;
    let world = world(json!({})).await;
    world.append("a", &(0..EVENTS).map(|n| json!(n)).collect::<Vec<_>>()).await;
    let mut consumer = Consumer::new(&world, open(3)).await.expect("opens");
    let first = consumer.take(3).await;
    assert_eq!(first.iter().map(data).collect::<Vec<_>>(), [0, 1, 2]);
    let status = world.get("/v1/ledgers/bank/groups/g").await.ok();
    assert_eq!(status["in_flight"], 3);
    consumer.ask(ack(&first.iter().collect::<Vec<_>>()));
    for _ in 0..3 {
        assert_eq!(consumer.became().await, Became::Acked(true));
    }
    for n in 3..EVENTS {
        let one = consumer.take(1).await.remove(0);
        assert_eq!((data(&one), one.attempt), (n, 1));
        consumer.ask(ack(&[&one]));
    }
    for _ in 3..EVENTS {
        assert_eq!(consumer.became().await, Became::Acked(true));
    }
    let status = world.get("/v1/ledgers/bank/groups/g").await.ok();
    assert_eq!((&status["acked"], &status["in_flight"]), (&json!(EVENTS), &json!(0)));
}

#[tokio::test]
async fn answers_of_each_kind_are_answered_in_their_order() {
    let world = world(json!({})).await;
    world.append("a", &[json!(0), json!(1), json!(2)]).await;
    let mut consumer = Consumer::new(&world, open(0)).await.expect("opens");
    let all = consumer.take(3).await;
    let extend = v1::ExtendDeliveries { deliveries: vec![all[0].delivery.clone()] };
    consumer.ask(Request::Extend(extend));
    consumer.ask(ack(&[&all[0]]));
    consumer.ask(ack(&[&all[0]]));
    consumer.ask(nack(&all[1], Then::Park(true)));
    consumer.ask(nack(&all[2], Then::AfterMs(0)));
    assert!(
        matches!(consumer.became().await, Became::DeadlineMicros(at) if at >= all[0].deadline_micros)
    );
    assert_eq!(consumer.became().await, Became::Acked(true));
    assert_eq!(consumer.became().await, Became::Lost(true));
    assert_eq!(consumer.became().await, Became::Parked(true));
    assert!(matches!(consumer.became().await, Became::RetriedAtMicros(_)));
    let again = consumer.take(1).await.remove(0);
    assert_eq!((data(&again), again.attempt), (2, 2));
    let parked = world.get("/v1/ledgers/bank/groups/g/parked").await.ok();
    assert_eq!(
        (&parked["parked"][0]["error"], &parked["parked"][0]["position"]),
        (&json!("no"), &json!(2))
    );
}

#[tokio::test]
async fn what_a_stream_leaves_unanswered_has_failed_and_comes_again() {
    let world = world(json!({ "backoff_initial_ms": 0, "backoff_max_ms": 0 })).await;
    world.append("a", &[json!(0), json!(1)]).await;
    let mut consumer = Consumer::new(&world, open(0)).await.expect("opens");
    let all = consumer.take(2).await;
    consumer.ask(ack(&[&all[0]]));
    assert_eq!(consumer.became().await, Became::Acked(true));
    drop(consumer);
    let mut next = Consumer::new(&world, open(0)).await.expect("opens");
    let again = next.take(1).await.remove(0);
    assert_eq!((data(&again), again.attempt), (1, 2), "the attempt counts");
    // Who ends its side is answered to the end.
    next.ask(ack(&[&again]));
    let Consumer { ask, mut said, mut answered, .. } = next;
    drop(ask);
    while let Some(more) = said.message().await.expect("ends well") {
        answered.extend(more.answered);
    }
    assert_eq!(answered.remove(0).became, Some(Became::Acked(true)));
}

#[tokio::test]
async fn what_can_not_be_read_ends_the_stream_with_the_field() {
    let world = world(json!({})).await;
    world.append("a", &[json!(0)]).await;
    let none = Request::Open(v1::OpenConsumer { group: "none".into(), ..opened() });
    let nobody = Request::Open(v1::OpenConsumer { consumer: String::new(), ..opened() });
    for (first, reason) in [
        (none, Reason::UnknownGroup),
        (nobody, Reason::Invalid),
        (open(1_025), Reason::Invalid),
        (Request::Ack(v1::AckDeliveries::default()), Reason::Invalid),
        (
            Request::Open(v1::OpenConsumer { ledger: "no".into(), ..opened() }),
            Reason::UnknownLedger,
        ),
    ] {
        let refused = match Consumer::new(&world, first.clone()).await {
            Ok(consumer) => consumer.refused().await,
            Err(status) => Failure::of(&status),
        };
        assert_eq!(refused.reason, reason, "{first:?}: {refused:?}");
    }
    let mistakes = [
        Request::Ack(v1::AckDeliveries { deliveries: vec!["x".into()] }),
        Request::Ack(v1::AckDeliveries { deliveries: vec!["1-1".into(); 1_025] }),
        open(0),
    ];
    for mistake in mistakes {
        let consumer = Consumer::new(&world, open(0)).await.expect("opens");
        consumer.ask(mistake);
        assert_eq!(consumer.refused().await.reason, Reason::Invalid);
    }
}

fn opened() -> v1::OpenConsumer {
    v1::OpenConsumer {
        ledger: "bank".into(),
        group: "g".into(),
        consumer: "c".into(),
        in_flight_max: 0,
    }
}
