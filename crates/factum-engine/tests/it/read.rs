//! Reads and look-ups against the oracle, over segments of all kinds, and what they may cost.

use factum_engine::{Options, machine::SimulatedMachine};
use factum_store::{
    Append, Direction, EventId, EventType, IdempotencyKey, Ledger, NewEvent, Position, Query,
    QueryItem, Read, ReadError, RequestHash, Tag, Timestamp, memory::MemoryLedger,
};
use futures_lite::future::block_on;
use proptest::prelude::*;

use crate::random::{fill, key_of, open, read_all, small_segments, some_batches, some_read};

/// Compares everything that can be asked of `ledger` with the oracle.
fn check(ledger: &dyn Ledger, oracle: &MemoryLedger, batches: usize, reads: &[Read]) {
    let head = block_on(oracle.head()).unwrap();
    assert_eq!(block_on(ledger.head()), Ok(head));
    for read in reads {
        assert_eq!(read_all(ledger, read), read_all(oracle, read), "{read:?}");
    }
    for i in 0..batches + 1 {
        for slot in 0..6 {
            let id = EventId(uuid::Uuid::from_u128((i * 1_000 + slot) as u128));
            assert_eq!(block_on(ledger.event(id)), block_on(oracle.event(id)), "{id}");
        }
        let Some(key) = key_of(i) else { continue };
        let other = IdempotencyKey { request: RequestHash([255; 32]), ..key.clone() };
        for key in [key, other] {
            let expected = block_on(oracle.receipt(key.clone()));
            assert_eq!(block_on(ledger.receipt(key.clone())), expected, "{key:?}");
        }
    }
    let times = block_on(oracle.read(Read::new(Query::everything()).limit(1_000))).unwrap().events;
    for micros in times.iter().map(|event| event.recorded_at.micros).chain([0, u64::MAX]) {
        for time in [micros.saturating_sub(1), micros, micros.saturating_add(1)] {
            let time = Timestamp::from_micros(time);
            assert_eq!(block_on(ledger.position_at(time)), block_on(oracle.position_at(time)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn g3_every_answer_is_the_oracles(
        batches in some_batches(),
        reads in prop::collection::vec(some_read(), 12),
        segment_bytes_max in prop_oneof![Just(1_u64), 5_000_u64..20_000],
        seed in any::<u64>(),
    ) {
        let machine = SimulatedMachine::new(seed);
        let options = Options { segment_bytes_max, ..small_segments(&machine) };
        let (oracle, count) = (MemoryLedger::new(), batches.len());
        let (data_dir, ledger) = open(&options);
        fill(&ledger, &oracle, batches);
        check(&ledger, &oracle, count, &reads);
        drop((data_dir, ledger));
        let (_data_dir, ledger) = open(&options);
        check(&ledger, &oracle, count, &reads);
    }
}

#[test]
fn a_page_has_at_least_one_event_and_not_too_many() {
    let machine = SimulatedMachine::new(1);
    let (_data_dir, ledger) = open(&small_segments(&machine));
    let answer = block_on(ledger.read(Read::new(Query::all()).limit(0)));
    let Err(ReadError::Invalid(invalid)) = answer else { panic!("{answer:?}") };
    assert_eq!(invalid.field, "limit");
    // More than a page holds is asked for: the page is shorter, and says how it goes on.
    for _ in 0..3 {
        let events = (0..4_000).map(|_| NewEvent::new("a".parse().unwrap(), "1"));
        ledger.append_blocking(Append::new(events)).unwrap();
    }
    let page = block_on(ledger.read(Read::new(Query::all()).limit(usize::MAX))).unwrap();
    assert_eq!(page.events.len(), 10_000);
    let rest = block_on(ledger.read(page.next.unwrap())).unwrap();
    assert_eq!((rest.events.len(), rest.next), (2_000, None));
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

/// G3: every event that carries a tag is found, in every segment.
fn tags_are_found(options: &Options) -> Result<(), String> {
    let (_data_dir, ledger) = open(options);
    for i in 0..300_u64 {
        let event = NewEvent::new("a".parse().unwrap(), vec![b'x'; 100]);
        let event = event.tagged([tag("all:1"), tag(&format!("k:{}", i % 7))]);
        ledger.append_blocking(Append::new([event])).unwrap();
    }
    for k in 0..7 {
        let item = QueryItem::tags([tag("all:1"), tag(&format!("k:{k}"))]);
        let found = read_all(&ledger, &Read::new(item.into()));
        let found: Vec<_> = found.iter().map(|event| event.position.0).collect();
        let expected: Vec<_> = (1..=300).filter(|position| (position - 1) % 7 == k).collect();
        if found != expected {
            return Err(format!("k:{k} is at {found:?}, not at {expected:?}"));
        }
    }
    Ok(())
}

#[test]
fn g3_what_carries_a_tag_is_found() {
    tags_are_found(&small_segments(&SimulatedMachine::new(1))).unwrap();
}

/// G12: what a page keeps in memory does not grow with what it is asked for.
fn pages_are_bounded(options: &Options) -> Result<(), String> {
    let (_data_dir, ledger) = open(options);
    for _ in 0..24 {
        let large = NewEvent::new("large".parse().unwrap(), vec![7; 1 << 20]);
        let small = NewEvent::new("small".parse().unwrap(), "{}");
        ledger.append_blocking(Append::new([large, small])).unwrap();
    }
    // A small event of a large batch keeps nothing of the others.
    let small = QueryItem::types(["small".parse().unwrap()]);
    let page = block_on(ledger.read(Read::new(small.into()))).unwrap();
    assert_eq!((page.events.len(), page.next), (24, None));
    let large = QueryItem::types(["large".parse().unwrap()]);
    let (mut next, mut events, mut pages) = (Some(Read::new(large.into())), 0, 0);
    while let Some(read) = next {
        let page = block_on(ledger.read(read)).unwrap();
        (events, pages, next) = (events + page.events.len(), pages + 1, page.next);
        if page.events.len() > 16 {
            return Err(format!("a page keeps {} MiB", page.events.len()));
        }
    }
    if (events, pages) == (24, 2) { Ok(()) } else { Err(format!("{events} in {pages} pages")) }
}

#[test]
fn g12_a_page_is_bounded_in_bytes() {
    let machine = SimulatedMachine::new(1);
    pages_are_bounded(&Options::on(machine)).unwrap();
}

#[test]
fn g12_opening_reads_as_much_of_a_segment_however_much_it_holds() {
    let opening = |segment_bytes_max| {
        let machine = SimulatedMachine::new(1);
        let options = Options { segment_bytes_max, ..small_segments(&machine) };
        let opened = open(&options);
        while opened.1.inspect().unwrap().segments.len() < 6 {
            let event = NewEvent::new("a".parse().unwrap(), vec![b'x'; 200]);
            let event = event.tagged([tag("all:1")]);
            opened.1.append_blocking(Append::new([event])).unwrap();
        }
        drop(opened);
        let before = machine.reads();
        let _opened = open(&options);
        (machine.reads().calls - before.calls, machine.reads().bytes - before.bytes)
    };
    let (small, large) = (opening(10 << 10), opening(200 << 10));
    assert_eq!(small.0, large.0, "as many reads");
    // Only the active segment, which was begun just now, is read as a whole.
    assert!(large.1 < 100 << 10, "{} bytes, {} with small segments", large.1, small.1);
}

const MILLION: u64 = 1_000_000;
const BATCH: u64 = 4_000;

/// A million events: ten an order, ten thousand streams, `hot` on all, `rare` on ten.
fn million(machine: &SimulatedMachine) -> (factum_engine::DataDir, factum_engine::EngineLedger) {
    let options = Options { segment_bytes_max: 24 << 20, ..Options::on(machine.clone()) };
    let (data_dir, ledger) = open(&Options { background: false, ..options });
    let types = ["a", "b", "c"].map(|name| name.parse::<EventType>().unwrap());
    for first in (1..=MILLION).step_by(BATCH as usize) {
        let events = (first..first + BATCH).map(|n| {
            let mut tags = vec![tag("hot:1"), tag(&format!("order:{}", n / 10))];
            tags.extend(n.is_multiple_of(100_000).then(|| tag("rare:1")));
            let mut event = NewEvent::new(types[n as usize % 3].clone(), "{}").tagged(tags);
            event.id = Some(EventId(uuid::Uuid::from_u128(n.into())));
            event.in_stream(format!("s-{}", n % 10_000).parse().unwrap())
        });
        let append = Append { events: events.collect(), ..Append::default() };
        let key = IdempotencyKey { key: first.to_string().into(), ..key_of(0).unwrap() };
        ledger.append_blocking(append.keyed(key)).unwrap();
    }
    (data_dir, ledger)
}

#[test]
fn at_a_million_events_a_query_costs_a_few_reads() {
    let machine = SimulatedMachine::new(1);
    let (_data_dir, ledger) = million(&machine);
    let segments = ledger.inspect().unwrap().segments.len() as u64;
    assert!((3..=12).contains(&segments), "{segments} segments");
    let cost = |ask: &dyn Fn()| {
        let before = machine.reads().calls;
        ask();
        machine.reads().calls - before
    };
    let read = |item: QueryItem, direction: Direction, found: usize| {
        cost(&|| {
            let read = Read { direction, ..Read::new(item.clone().into()).limit(10) };
            let page = block_on(ledger.read(read)).unwrap();
            assert_eq!(page.events.len(), found, "{item:?}");
        })
    };
    let types = |names: &[&str]| QueryItem::types(names.iter().map(|name| name.parse().unwrap()));
    let category = QueryItem { category: Some("s".parse().unwrap()), ..QueryItem::default() };
    for direction in [Direction::Forward, Direction::Backward] {
        for (item, found, most) in [
            // A page or three of an index for each segment that is looked into, three calls for each
            // event of a large frame (head, row, event), one more event to know whether the page was the last. After some events of a frame all of it is
            // read, when many more are likely.
            (QueryItem::stream("s-77".parse().unwrap()), 10, 3 * segments + 3 * 11),
            (QueryItem::tags([tag("order:50000")]), 10, 3 * segments + 3 * 2),
            (QueryItem::tags([tag("hot:1")]), 10, 4 + 3 * 5),
            (QueryItem::tags([tag("absent:1")]), 0, segments),
            (types(&["a"]), 10, 4 + 3 * 5),
            (types(&["a", "c"]), 10, 8 + 3 * 5),
            (category.clone(), 10, 4 + 3 * 5),
            (QueryItem::default(), 10, 3 + 2 * 2),
        ] {
            let calls = read(item.clone(), direction, found);
            assert!(calls <= most, "{calls} reads, at most {most}: {item:?} {direction:?}");
        }
        let rare = read(QueryItem::tags([tag("rare:1")]), direction, 10);
        let with_hot = read(QueryItem::tags([tag("rare:1"), tag("hot:1")]), direction, 10);
        assert!(rare <= 3 * segments + 3 * 10, "{rare} reads for ten events of a rare tag");
        assert!(with_hot <= rare + segments, "{with_hot} reads with a hot tag, {rare} without");
    }
    for n in [1, 345_678, MILLION] {
        let id = EventId(uuid::Uuid::from_u128(n.into()));
        let calls = cost(&|| {
            let event = block_on(ledger.event(id)).unwrap();
            assert_eq!(event.map(|event| event.position), Some(Position(n)));
        });
        assert!(calls <= segments + 4, "{calls} reads for an id");
        let first = n - (n - 1) % BATCH;
        let key = IdempotencyKey { key: first.to_string().into(), ..key_of(0).unwrap() };
        let calls = cost(&|| {
            let receipt = block_on(ledger.receipt(key.clone())).unwrap();
            assert_eq!(receipt.map(|receipt| receipt.first), Some(Position(first)));
        });
        assert!(calls <= segments + 4, "{calls} reads for a key");
    }
    let middle = block_on(ledger.event(EventId(uuid::Uuid::from_u128(500_000)))).unwrap().unwrap();
    let calls = cost(&|| {
        assert_eq!(block_on(ledger.position_at(middle.recorded_at)), Ok(Position(500_000)));
    });
    // A page or two of the index, then the frames of one of its leaves by halves, large ones here.
    assert!(calls <= 3 + 3 * 9, "{calls} reads for a time");
    drop((_data_dir, ledger));
    let options = Options { background: false, ..Options::on(machine.clone()) };
    let calls = cost(&|| drop(open(&options)));
    // Of each segment its header and its index's, of the last one all in one read; the rest is the
    // directory itself.
    assert!(calls <= 2 * segments + 6, "{calls} reads to open {segments} segments");
}

/// Kilobytes of this process that are in memory.
fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn g12_memory_is_the_same_at_a_quarter_million_events_and_at_a_million() {
    let dir = tempfile::tempdir().unwrap();
    let options = Options { segment_bytes_max: 8 << 20, ..Options::default() };
    let data = factum_engine::DataDir::open(dir.path(), options).unwrap();
    let ledger = data.create_ledger("l").unwrap();
    let mut at_a_quarter = 0;
    for first in (1..=MILLION).step_by(BATCH as usize) {
        let events = (first..first + BATCH).map(|n| {
            let event = NewEvent::new("a".parse().unwrap(), "{}");
            event.tagged([tag("hot:1"), tag(&format!("order:{}", n / 10))])
        });
        ledger.append_blocking(Append::new(events)).unwrap();
        let order = QueryItem::tags([tag(&format!("order:{}", first / 20))]);
        block_on(ledger.read(Read::new(order.into()))).unwrap();
        if first < MILLION / 4 {
            at_a_quarter = resident_kb().max(at_a_quarter);
        }
    }
    let more = resident_kb().saturating_sub(at_a_quarter);
    assert!(more < 24 << 10, "{more} kB more at a million than at most in the first quarter");
}

#[test]
fn a_read_explains_itself() {
    let machine = SimulatedMachine::new(1);
    let (_data_dir, ledger) = open(&small_segments(&machine));
    for i in 0..200 {
        let mut tags = vec![tag("hot:1")];
        tags.extend((i % 50 == 0).then(|| tag("rare:1")));
        let event = NewEvent::new("a".parse().unwrap(), vec![b'x'; 200]).tagged(tags);
        ledger.append_blocking(Append::new([event])).unwrap();
    }
    let item = QueryItem::tags([tag("hot:1"), tag("rare:1")]);
    let (page, explain) = ledger.explain(&Read::new(item.into()).after(Position(100))).unwrap();
    let found: Vec<_> = page.events.iter().map(|event| event.position.0).collect();
    assert_eq!(found, [101, 151]);
    let segments = ledger.inspect().unwrap().segments.len() as u64;
    assert!(explain.skipped >= segments / 3, "segments before the range are passed by");
    assert_eq!(explain.segments.len() as u64 + explain.skipped, segments);
    let with = explain.segments.iter().find(|plan| plan.taken > 0).unwrap();
    assert_eq!((with.scan, with.looked, with.frames), (false, 1, 1));
    let asks: Vec<_> = with.items[0].terms.iter().map(|term| &*term.asks).collect();
    assert_eq!(asks, ["tag rare:1", "tag hot:1"], "the rarest first");
    let (_, explain) = ledger.explain(&Read::new(Query::all()).limit(5)).unwrap();
    assert!(explain.segments[0].scan);
}

/// The tests above notice when what they look for is broken.
#[cfg(feature = "sabotage")]
mod sabotaged {
    use factum_engine::Sabotage;

    use super::*;

    fn sabotaged(bug: Sabotage) -> Options {
        Options { sabotage: Some(bug), ..small_segments(&SimulatedMachine::new(1)) }
    }

    #[test]
    fn g3_an_index_that_lacks_entries_is_noticed() {
        tags_are_found(&sabotaged(Sabotage::IndexEntryDropped)).unwrap_err();
    }

    #[test]
    fn g12_a_page_without_bounds_is_noticed() {
        pages_are_bounded(&sabotaged(Sabotage::PageUnbounded)).unwrap_err();
    }
}
