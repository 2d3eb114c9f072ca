//! The shell, when its journal can't be written: nobody is told that something is done which is not.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use factum_consumers::{Definition, Order, Pace};
use factum_store::{
    Append, AppendError, BoxFuture, BoxStream, EventId, EventType, Head, IdempotencyKey, Ledger,
    NewEvent, Page, Position, Query, Read, ReadError, Receipt, RecordedEvent, Signal, StreamInfo,
    StreamName, Subscribe, Timestamp, memory::MemoryLedger,
};
use futures_lite::future::poll_once;
use tokio::sync::watch;

use super::{Drawn, GroupName, Groups, NewGroup};
use crate::api::ApiError;

/// A ledger that can be told to take no writes.
#[derive(Default)]
struct Failing {
    ledger: MemoryLedger,
    fails: AtomicBool,
}

impl Ledger for Failing {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Receipt, AppendError>> {
        if self.fails.load(Ordering::SeqCst) {
            return Box::pin(async { Err(AppendError::Unavailable("the disk is gone".into())) });
        }
        self.ledger.append(append)
    }

    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        self.ledger.read(read)
    }

    fn subscribe(&self, subscribe: Subscribe) -> BoxStream<Result<Signal, ReadError>> {
        self.ledger.subscribe(subscribe)
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, ReadError>> {
        self.ledger.head()
    }

    fn stream(&self, stream: StreamName) -> BoxFuture<'_, Result<StreamInfo, ReadError>> {
        self.ledger.stream(stream)
    }

    fn event(&self, id: EventId) -> BoxFuture<'_, Result<Option<RecordedEvent>, ReadError>> {
        self.ledger.event(id)
    }

    fn receipt(&self, key: IdempotencyKey) -> BoxFuture<'_, Result<Option<Receipt>, AppendError>> {
        self.ledger.receipt(key)
    }

    fn position_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        self.ledger.position_at(time)
    }
}

struct World {
    groups: Arc<Groups>,
    name: GroupName,
    journal: Arc<Failing>,
    ledger: Arc<dyn Ledger>,
    _stop: watch::Sender<bool>,
}

impl World {
    /// A group of a ledger with this many events.
    async fn new(events: usize) -> Self {
        let (stop, stopping) = watch::channel(false);
        let groups = Groups::open(None, &BTreeMap::new(), stopping).await.expect("opens");
        let groups = Arc::new(groups);
        let journal = Arc::new(Failing::default());
        groups.journal_is(Arc::clone(&journal) as _);
        let ledger: Arc<dyn Ledger> = Arc::new(MemoryLedger::new());
        let name: GroupName = "g".parse().expect("a name");
        let (query, order) = (Query::all(), Order::None);
        let new = NewGroup {
            name: name.clone(),
            definition: Definition { query, order },
            pace: Pace::default(),
            start: Position::START,
        };
        groups.create("l", Arc::clone(&ledger), new).await.expect("is made");
        let world = Self { groups, name, journal, ledger, _stop: stop };
        world.record(events).await;
        world
    }

    async fn record(&self, events: usize) {
        let event = || NewEvent::new(EventType::new("a").expect("a name"), "1");
        let events = std::iter::repeat_with(event).take(events);
        self.ledger.append(Append::new(events)).await.expect("appends");
    }

    /// One event. A group that stands still is asked again.
    async fn draw(&self) -> Drawn {
        loop {
            let wait = Duration::from_secs(30);
            match self.groups.draw("l", &self.name, "c".into(), 1, wait).await {
                Ok(drawn) if drawn.given.is_empty() => {}
                Ok(drawn) => return drawn,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }

    async fn ack(&self, drawn: &Drawn) -> Result<bool, ApiError> {
        let id = drawn.given[0].delivery.id;
        self.groups.step("l", &self.name, move |group, _| group.ack(id).is_ok()).await
    }
}

#[tokio::test]
async fn an_ack_that_could_not_be_written_is_not_answered_with_yes_and_the_event_comes_again() {
    let world = World::new(2).await;
    let first = world.draw().await;
    assert_eq!(first.given[0].event.position, Position(1));
    world.journal.fails.store(true, Ordering::SeqCst);
    let refused = world.ack(&first).await.expect_err("it is not durable");
    assert!(format!("{refused:?}").contains("the disk is gone"), "{refused:?}");
    world.journal.fails.store(false, Ordering::SeqCst);
    let again = world.draw().await;
    assert_eq!(again.given[0].event.position, Position(1));
    assert!(!world.ack(&first).await.expect("is answered"), "it was given to somebody else");
    assert!(world.ack(&again).await.expect("is answered"));
    assert_eq!(world.draw().await.given[0].event.position, Position(2));
    world.groups.close().await;
}

/// More writes than there are between two of the whole group: what is read then is the same.
#[tokio::test]
async fn a_group_that_was_written_whole_again_goes_on_where_it_was() {
    let world = World::new(1_100).await;
    for position in 1..=1_050 {
        let drawn = world.draw().await;
        assert_eq!(drawn.given[0].event.position, Position(position));
        assert!(world.ack(&drawn).await.expect("is answered"));
    }
    world.journal.fails.store(true, Ordering::SeqCst);
    let lost = world.draw().await;
    assert_eq!(lost.given[0].event.position, Position(1_051));
    world.ack(&lost).await.expect_err("it is not durable");
    world.journal.fails.store(false, Ordering::SeqCst);
    assert_eq!(world.draw().await.given[0].event.position, Position(1_051));
    let acked = |group: &mut factum_consumers::Group, _| group.durable().acked;
    assert_eq!(world.groups.step("l", &world.name, acked).await.expect("is answered"), 1_050);
    world.groups.close().await;
}

/// Events that nobody has seen are not lost to whoever waits next, nor is their attempt counted.
#[tokio::test]
async fn what_is_handed_to_somebody_who_has_gone_is_given_back() {
    let world = World::new(1).await;
    for _ in 0..20 {
        let wait = Duration::from_secs(30);
        let mut drawing = Box::pin(world.groups.draw("l", &world.name, "c".into(), 1, wait));
        assert!(poll_once(&mut drawing).await.is_none(), "it was asked, and is not answered yet");
        let in_flight = |group: &mut factum_consumers::Group, _| group.status().in_flight;
        while world.groups.step("l", &world.name, in_flight).await.expect("is answered") == 0 {}
        drop(drawing);
        let drawn = world.draw().await;
        assert_eq!((drawn.given.len(), drawn.given[0].delivery.attempt), (1, 1));
        let id = drawn.given[0].delivery.id;
        let back = move |group: &mut factum_consumers::Group, _| group.give_back(id);
        world.groups.step("l", &world.name, back).await.expect("is answered");
    }
    world.groups.close().await;
}
