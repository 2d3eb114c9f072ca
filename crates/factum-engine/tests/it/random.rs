//! Random batches and queries over few names, so that everything meets everything, and a ledger on
//! a simulated machine that is filled together with the oracle.

use std::path::Path;

use factum_engine::{DataDir, EngineLedger, Options, machine::SimulatedMachine};
use factum_store::{
    Append, EventId, EventType, IdempotencyKey, Ledger, NewEvent, Position, Query, QueryItem, Read,
    RecordedEvent, RequestHash, StreamName, Tag, memory::MemoryLedger,
};
use futures_lite::future::block_on;
use proptest::prelude::*;

/// Where the data directory of every test is.
pub(crate) const DIR: &str = "/data";

fn named<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a name")
}

pub(crate) fn some_type() -> impl Strategy<Value = EventType> {
    prop::sample::select(vec!["a", "b", "c", "$command"]).prop_map(named)
}

pub(crate) fn some_tag() -> impl Strategy<Value = Tag> {
    prop::sample::select(vec!["k:1", "k:2", "k:3", "hot:1"]).prop_map(named)
}

pub(crate) fn some_stream() -> impl Strategy<Value = StreamName> {
    prop::sample::select(vec!["s-1", "s-2", "t-1", "t"]).prop_map(named)
}

prop_compose! {
    fn some_event()(
        event_type in some_type(),
        tags in prop::collection::vec(some_tag(), 0..3),
        stream in prop::option::of(some_stream()),
        bytes in 0_usize..300,
    ) -> NewEvent {
        let event = NewEvent::new(event_type, vec![b'x'; bytes]).tagged(tags);
        NewEvent { stream, ..event }
    }
}

/// Batches of a few events.
pub(crate) fn some_batches() -> impl Strategy<Value = Vec<Vec<NewEvent>>> {
    prop::collection::vec(prop::collection::vec(some_event(), 1..6), 1..30)
}

prop_compose! {
    fn some_item()(
        types in prop::collection::vec(some_type(), 0..3),
        tags in prop::collection::vec(some_tag(), 0..3),
        stream in prop::option::weighted(0.2, some_stream()),
        category in prop::option::weighted(0.2, some_stream()),
        system in any::<bool>(),
    ) -> QueryItem {
        let category = category.map(|stream| stream.category());
        QueryItem { types, tags, stream, category, system }
    }
}

pub(crate) fn some_query() -> impl Strategy<Value = Query> {
    prop::collection::vec(some_item(), 0..4).prop_map(|items| Query { items })
}

prop_compose! {
    /// A read in any direction, range and size of pages.
    pub(crate) fn some_read()(
        query in some_query(),
        after in 0_u64..80,
        up_to in prop_oneof![0_u64..90, Just(u64::MAX)],
        backward in any::<bool>(),
        limit in 1_usize..9,
    ) -> Read {
        let read = Read::new(query).after(Position(after)).up_to(Position(up_to)).limit(limit);
        if backward { read.backward() } else { read }
    }
}

/// Every third batch has a key.
pub(crate) fn key_of(batch: usize) -> Option<IdempotencyKey> {
    let key = IdempotencyKey {
        principal: "ann".into(),
        operation: "append".into(),
        key: format!("request-{batch}").into(),
        request: RequestHash([batch as u8; 32]),
    };
    batch.is_multiple_of(3).then_some(key)
}

/// Options of a ledger whose segments hold little.
pub(crate) fn small_segments(machine: &SimulatedMachine) -> Options {
    Options {
        segment_bytes_max: 8 << 10,
        write_ahead_bytes: 8 << 10,
        background: false,
        ..Options::on(machine.clone())
    }
}

/// Opens, or makes, the one ledger of the data directory. Both must be kept.
pub(crate) fn open(options: &Options) -> (DataDir, EngineLedger) {
    let data_dir = DataDir::open(Path::new(DIR), options.clone()).unwrap();
    let ledger = data_dir.create_ledger("default").unwrap();
    (data_dir, ledger)
}

/// Appends the same batches, at the same times and with the same ids, to both.
pub(crate) fn fill(ledger: &dyn Ledger, oracle: &MemoryLedger, batches: Vec<Vec<NewEvent>>) {
    for (i, mut events) in batches.into_iter().enumerate() {
        for (slot, event) in events.iter_mut().enumerate() {
            event.id = Some(EventId(uuid::Uuid::from_u128((i * 1_000 + slot) as u128)));
        }
        let append = Append { events, conditions: Vec::new(), key: key_of(i) };
        let receipt = block_on(ledger.append(append.clone())).unwrap();
        oracle.set_time(receipt.recorded_at);
        assert_eq!(block_on(oracle.append(append)), Ok(receipt));
    }
}

/// All pages of a read.
pub(crate) fn read_all(ledger: &dyn Ledger, read: &Read) -> Vec<RecordedEvent> {
    let (mut next, mut events) = (Some(read.clone()), Vec::new());
    while let Some(read) = next {
        let page = block_on(ledger.read(read.clone())).unwrap();
        assert!(page.events.len() <= read.limit);
        assert_ne!(page.next.as_ref(), Some(&read), "a page that leads to itself");
        events.extend(page.events);
        next = page.next;
    }
    events
}
