//! Compaction: what is hidden goes, and nothing else changes for anybody: positions, revisions,
//! conditions, keys and ids stay, whatever crashes, fails or reads meanwhile.

use std::{
    collections::BTreeSet,
    ops::ControlFlow,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use factum_engine::{
    Compact, Compacted, DataDir, EngineError, EngineLedger, EventRef, Options,
    machine::{Faults, SimulatedMachine},
};
use factum_store::{
    Append, AppendError, Condition, EventId, EventType, ExpectedRevision, IdempotencyKey, Ledger,
    NewEvent, Position, Query, QueryItem, Read, RecordedEvent, RequestHash, Retention, Revision,
    Signal, StreamMetadata, StreamName, Subscribe, Tag, Timestamp, memory::MemoryLedger,
};
use futures_lite::{StreamExt, future::block_on};

use crate::ledger::{DIR, everything, open, options};

/// A step of xorshift64*.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8) % bound
    }
}

pub(crate) fn stream(number: u64) -> StreamName {
    StreamName::new(format!("s-{number}")).unwrap()
}

fn key(number: u64) -> IdempotencyKey {
    IdempotencyKey {
        principal: "ann".into(),
        operation: "append".into(),
        key: format!("k{number}").into(),
        request: RequestHash([number as u8; 32]),
    }
}

pub(crate) fn event(number: u64, stream: Option<StreamName>) -> NewEvent {
    let data = format!("{{\"n\":{number},\"fill\":\"{}\"}}", "x".repeat((number % 300) as usize));
    NewEvent {
        id: Some(EventId(uuid::Uuid::from_u128(u128::from(number) + 1))),
        stream,
        ..NewEvent::new(EventType::new(format!("type.{}", number % 3)).unwrap(), data)
            .tagged([Tag::of("n", number % 7).unwrap()])
    }
}

fn counted(count: u64) -> Retention {
    Retention { max_count: Some(count), ..Retention::default() }
}

fn truncated(before: u64, deleted: bool) -> Retention {
    Retention { truncate_before: Some(Revision(before)), deleted, ..Retention::default() }
}

/// The append of a number: events of some streams under a key, or something said about a stream.
pub(crate) fn request(chance: &mut Chance, number: u64, tightening: bool) -> Append {
    let id = |slot: u64| Some(EventId(uuid::Uuid::from_u128(u128::from(number * 10 + slot) + 1)));
    let of = |chance: &mut Chance| stream(chance.below(12));
    match chance.below(80) {
        0 => {
            let end = NewEvent::new(EventType::new(EventType::TOMBSTONE).unwrap(), "{}");
            Append::new([NewEvent { id: id(0), ..end }.in_stream(of(chance))])
        }
        1..20 => {
            let name = chance.below(12);
            let retention = match chance.below(3) {
                // What was hidden stays hidden: each stream has a rule of its own, that tightens.
                _ if tightening && name.is_multiple_of(2) => counted(3),
                _ if tightening => truncated(number / 40, false),
                0 => counted(1 + chance.below(4)),
                n => truncated(chance.below(30), n == 1),
            };
            let said = StreamMetadata::keeping(retention).event(&stream(name)).unwrap();
            Append::new([NewEvent { id: id(0), ..said }])
        }
        _ => {
            let events = (0..=chance.below(3)).map(|slot| {
                let of = (chance.below(5) > 0).then(|| of(chance));
                NewEvent { id: id(slot), ..event(number * 10 + slot, of) }
            });
            let append = Append::new(events.collect::<Vec<_>>());
            if number.is_multiple_of(3) { append.keyed(key(number)) } else { append }
        }
    }
}

/// The same history on the ledger and on the oracle.
fn history(ledger: &EngineLedger, seed: u64, requests: u64) -> MemoryLedger {
    history_of(ledger, seed, requests, false)
}

fn history_of(ledger: &EngineLedger, seed: u64, requests: u64, tightening: bool) -> MemoryLedger {
    let oracle = MemoryLedger::new();
    let mut chance = Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1);
    for number in 0..requests {
        let request = request(&mut chance, number, tightening);
        let theirs = block_on(oracle.append(request.clone())).map(|receipt| receipt.first);
        let ours = ledger.append_blocking(request).map(|receipt| receipt.first);
        assert_eq!(ours, theirs, "seed {seed}, request {number}");
    }
    oracle
}

fn all(ledger: &dyn Ledger, query: impl Into<Query>) -> Vec<RecordedEvent> {
    let (mut events, mut next) = (Vec::new(), Some(Read::new(query.into()).limit(50)));
    while let Some(read) = next {
        let page = block_on(ledger.read(read)).unwrap();
        events.extend(page.events);
        next = page.next;
    }
    // The two have clocks of their own.
    events.iter_mut().for_each(|event| event.recorded_at = Timestamp::default());
    events
}

fn streams() -> Vec<StreamName> {
    let named = (0..15).map(stream);
    named.clone().chain(named.map(|name| name.metadata_stream().unwrap())).collect()
}

/// The ledger is the oracle, but for events that are hidden there. Says how many are gone.
fn check(ledger: &EngineLedger, oracle: &MemoryLedger, what: &str) -> usize {
    let mut visible = BTreeSet::new();
    for name in streams() {
        let info = block_on(oracle.stream(name.clone())).unwrap();
        assert_eq!(block_on(ledger.stream(name.clone())).unwrap(), info, "{what}: {name}");
        let item = QueryItem { system: true, ..QueryItem::stream(name.clone()) };
        let theirs = all(oracle, item.clone());
        assert_eq!(all(ledger, item), theirs, "{what}: what is visible of {name}");
        visible.extend(theirs.iter().map(|event| event.position));
    }
    let (ours, theirs) = (all(ledger, Query::everything()), all(oracle, Query::everything()));
    let mut ours = ours.into_iter().peekable();
    let mut gone = 0;
    for event in &theirs {
        if ours.next_if(|ours| ours == event).is_some() {
            let found = block_on(ledger.event(event.id)).unwrap();
            assert_eq!(found.map(|found| found.position), Some(event.position), "{what}");
            continue;
        }
        gone += 1;
        let hidden = event.stream.is_some() && !visible.contains(&event.position);
        assert!(hidden, "{what}: position {} is gone and was not hidden", event.position);
        assert_eq!(block_on(ledger.event(event.id)), Ok(None), "{what}");
    }
    assert_eq!(ours.next(), None, "{what}: something is there that never was");
    let head = block_on(ledger.head()).unwrap().position;
    assert_eq!(head, block_on(oracle.head()).unwrap().position, "{what}");
    assert_eq!(ledger.verify(&mut |_, _| {}).unwrap().damage, [], "{what}");
    gone
}

/// What was recorded under a key is answered again, though its events are gone.
fn check_keys(ledger: &EngineLedger, oracle: &MemoryLedger, requests: u64, what: &str) {
    for number in 0..requests {
        let places = |receipt: Option<factum_store::Receipt>| receipt.map(|r| (r.first, r.ids));
        let theirs = block_on(oracle.receipt(key(number))).map(places).unwrap();
        let ours = block_on(ledger.receipt(key(number))).map(places).unwrap();
        assert_eq!(ours, theirs, "{what}: key {number}");
    }
}

pub(crate) fn compact(ledger: &EngineLedger) -> Result<Compacted, EngineError> {
    ledger.compact(Compact::default(), &mut |_| ControlFlow::Continue(()))
}

fn run(ledger: &EngineLedger, request: Compact) -> Result<Compacted, EngineError> {
    ledger.compact(request, &mut |_| ControlFlow::Continue(()))
}

const REQUESTS: u64 = 500;

fn compacted(seed: u64, options: &Options, compress: bool) {
    let request = Compact { compress, ..Compact::default() };
    let ledger = open(options).unwrap();
    let oracle = history(&ledger, seed, REQUESTS);
    assert_eq!(check(&ledger, &oracle, "before"), 0);
    let dry = {
        let dry = Compact { dry_run: true, ..request };
        ledger.compact(dry, &mut |_| ControlFlow::Continue(())).unwrap()
    };
    assert_eq!(check(&ledger, &oracle, "a dry run changes nothing"), 0);
    let done = run(&ledger, request).unwrap();
    assert!(done.finished && done.dropped > 100 && done.segments > 5, "{done:?}");
    assert_eq!(done.dropped, dry.dropped);
    assert!(if compress {
        done.rewritten == done.segments
    } else {
        done.rewritten == dry.rewritten
    });
    let segments = ledger.inspect().unwrap().segments;
    let packed = segments.iter().filter(|segment| segment.compressed).count() as u64;
    assert_eq!(packed, if compress { done.segments } else { 0 });
    assert!(done.bytes_after < done.bytes_before * 9 / 10, "{done:?}");
    assert_eq!(check(&ledger, &oracle, "after") as u64, done.dropped);
    check_keys(&ledger, &oracle, REQUESTS, "after");
    let again = run(&ledger, request).unwrap();
    assert_eq!((again.dropped, again.rewritten), (0, 0), "nothing is left to drop");
    drop(ledger);
    let ledger = open(options).unwrap();
    assert_eq!(check(&ledger, &oracle, "opened again") as u64, done.dropped);
    check_keys(&ledger, &oracle, REQUESTS, "opened again");
    goes_on(&ledger, &oracle, "after");
}

/// Conditions and revisions are what they were.
fn goes_on(ledger: &EngineLedger, oracle: &MemoryLedger, what: &str) {
    use ExpectedRevision::{Exactly, Exists, None};
    for name in streams() {
        let last = block_on(oracle.stream(name.clone())).unwrap().last.unwrap_or_default();
        for expected in [None, Exists, Exactly(last), Exactly(last.next())] {
            let condition = Condition::Revision { stream: name.clone(), expected };
            let number = 100_000 + block_on(oracle.head()).unwrap().position.0;
            let written = Some(name.clone()).filter(|name| !name.is_metadata_stream());
            let append = Append::new([event(number, written)]).when(condition);
            let theirs = block_on(oracle.append(append.clone()));
            let ours = ledger.append_blocking(append);
            match (ours, theirs) {
                (Ok(ours), Ok(theirs)) => assert_eq!(ours.first, theirs.first, "{what}: {name}"),
                (ours, theirs) => {
                    assert_eq!(ours.err(), theirs.err(), "{what}: {name} {expected:?}");
                }
            }
        }
    }
    check(ledger, oracle, what);
}

#[test]
fn compaction_drops_what_is_hidden_and_changes_nothing_else() {
    let seeds = std::env::var("FACTUM_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    for seed in 1..=seeds.unwrap_or(4) {
        compacted(seed, &options(&SimulatedMachine::new(seed)), seed % 2 == 0);
    }
}

#[test]
fn g1_g2_g5_a_crash_at_any_call_of_a_compaction_leaves_every_segment_whole() {
    // FACTUM_SEEDS asks for more of them.
    let seeds = std::env::var("FACTUM_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    for seed in 3..3 + seeds.unwrap_or(2) {
        let compress = seed % 2 == 0;
        crash_everywhere(seed, Compact { compress, ..Compact::default() }, |_| {});
    }
}

fn crash_everywhere(seed: u64, request: Compact, sabotage: impl Fn(&mut Options)) {
    let options = |machine: &SimulatedMachine| {
        let mut options = options(machine);
        sabotage(&mut options);
        options
    };
    let whole = SimulatedMachine::new(seed);
    let oracle = {
        let ledger = open(&options(&whole)).unwrap();
        history(&ledger, seed, 160)
    };
    let calls = {
        let machine = whole.restart();
        let ledger = open(&options(&machine)).unwrap();
        machine.set_faults(Faults::default());
        assert!(run(&ledger, request).unwrap().rewritten > 2);
        machine.calls()
    };
    for at in 1..=calls {
        let what = format!("seed {seed}, crash at call {at} of {calls}");
        let machine = whole.restart();
        let ledger = open(&options(&machine)).unwrap();
        machine.set_faults(Faults { crash_at: Some(at), ..Faults::default() });
        let _ = run(&ledger, request);
        drop(ledger);
        let mut machine = machine.restart();
        if at.is_multiple_of(2) {
            // The recovery crashes, too.
            machine.set_faults(Faults { crash_at: Some(1 + at % 5), ..Faults::default() });
            drop(open(&options(&machine)));
            machine = machine.restart();
        }
        let ledger = open(&options(&machine)).unwrap_or_else(|error| panic!("{what}: {error}"));
        check(&ledger, &oracle, &what);
        check_keys(&ledger, &oracle, 160, &what);
        let done = run(&ledger, request).unwrap();
        assert!(done.finished, "{what}: {done:?}");
        check(&ledger, &oracle, &what);
        // What one run passed over, because an earlier one had done it, is nothing.
        assert_eq!(compact(&ledger).unwrap().dropped, 0, "{what}");
        let files: BTreeSet<_> = machine.paths().into_iter().collect();
        let firsts: BTreeSet<_> = files
            .iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "log"))
            .map(|path| path.file_stem().unwrap().to_string_lossy()[..20].to_owned())
            .collect();
        let logs = files.iter().filter(|path| path.extension().is_some_and(|e| e == "log"));
        assert_eq!(logs.count(), firsts.len(), "{what}: a generation was left behind");
    }
}

#[test]
fn a_run_that_was_stopped_goes_on_where_it_stopped() {
    let machine = SimulatedMachine::new(5);
    let ledger = open(&options(&machine)).unwrap();
    let oracle = history(&ledger, 5, REQUESTS);
    let mut runs = Vec::new();
    loop {
        let mut told = 0;
        let done = ledger.compact(Compact::default(), &mut |_| {
            told += 1;
            if told < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        });
        runs.push(done.unwrap());
        check(&ledger, &oracle, "between two runs");
        if runs.last().unwrap().finished {
            break;
        }
    }
    assert!(runs.len() > 3, "{runs:?}");
    for pair in runs.windows(2) {
        assert!(pair[1].resumed_after > pair[0].resumed_after, "{runs:?}");
        assert!(pair[1].done > pair[0].done, "{runs:?}");
    }
    assert_eq!(compact(&ledger).unwrap().dropped, 0);
    let dropped: u64 = runs.iter().map(|run| run.dropped).sum();
    assert_eq!(check(&ledger, &oracle, "after") as u64, dropped);
}

/// Ids that the ledger makes are not stored: they follow from the place, which stays.
#[test]
fn g5_ids_that_the_ledger_made_stay_what_they_were() {
    let machine = SimulatedMachine::new(8);
    let ledger = open(&options(&machine)).unwrap();
    let append = |number: u64| {
        let new = |slot| NewEvent { id: None, ..event(number + slot, Some(stream(number % 3))) };
        ledger.append_blocking(Append::new([new(0), new(1)]).keyed(key(number))).unwrap()
    };
    let receipts: Vec<_> = (0..200).map(append).collect();
    let delete = block_on(ledger.stream(stream(1))).unwrap().delete().unwrap();
    ledger.append_blocking(delete).unwrap();
    (0..200).for_each(|n| drop(ledger.append_blocking(Append::new([event(9_000 + n, None)]))));
    let done = run(&ledger, Compact { compress: true, ..Compact::default() }).unwrap();
    assert!(done.dropped > 100, "{done:?}");
    drop(ledger);
    let ledger = open(&options(&machine)).unwrap();
    for (number, receipt) in receipts.iter().enumerate() {
        let again = block_on(ledger.receipt(key(number as u64))).unwrap().unwrap();
        assert_eq!((again.first, &again.ids), (receipt.first, &receipt.ids), "batch {number}");
        for (id, position) in receipt.ids.iter().zip(receipt.first.0..) {
            let found = block_on(ledger.event(*id)).unwrap().map(|event| event.position.0);
            let deleted = number % 3 == 1;
            assert_eq!(found, (!deleted).then_some(position), "batch {number}");
        }
    }
}

#[test]
fn a_scan_shows_what_a_read_shows() {
    let machine = SimulatedMachine::new(9);
    let ledger = open(&options(&machine)).unwrap();
    history(&ledger, 9, REQUESTS);
    let of_stream = QueryItem { system: true, ..QueryItem::stream(stream(3)) };
    let said = stream(3).metadata_stream().unwrap();
    let of_metadata = QueryItem { stream: Some(said), ..of_stream.clone() };
    let queries = [
        Query::all(),
        Query::everything(),
        of_stream.clone().into(),
        // An item without terms beside one that names a stream.
        Query { items: vec![QueryItem::default(), of_metadata] },
        QueryItem::tags([Tag::of("n", 3).unwrap()]).into(),
        Query::none(),
    ];
    for query in queries {
        let mut scanned = Vec::new();
        let head = block_on(ledger.head()).unwrap().position;
        let ended = ledger.scan(&query, Position::START, &mut |event| {
            scanned.push((event.position, event.id, event.data.len()));
            ControlFlow::Continue(())
        });
        assert_eq!(ended.unwrap(), head);
        let read = all(&ledger, query.clone()).into_iter();
        let read: Vec<_> = read.map(|e| (e.position, e.id, e.data.len())).collect();
        assert_eq!(scanned, read, "{query:?}");
    }
    assert!(compact(&ledger).unwrap().dropped > 100);
    let mut scanned = 0;
    let count = &mut |_: EventRef<'_>| {
        scanned += 1;
        ControlFlow::Continue(())
    };
    ledger.scan(&Query::everything(), Position::START, count).unwrap();
    assert_eq!(scanned, everything(&ledger).len(), "what was dropped is not shown");
}

/// Compactions between the appends change no answer.
#[test]
fn g4_conditions_are_answered_as_if_nothing_had_been_dropped() {
    for seed in 21..25 {
        let machine = SimulatedMachine::new(seed);
        let ledger = open(&options(&machine)).unwrap();
        let (oracle, mut chance, mut dropped) = (MemoryLedger::new(), Chance(seed), 0);
        for number in 0..600 {
            let name = stream(chance.below(15));
            let info = block_on(oracle.stream(name.clone())).unwrap();
            let append = match chance.below(12) {
                // Some streams are deleted again and again, and their metadata says nothing else.
                0 => block_on(oracle.stream(stream(12 + number % 3))).unwrap().delete().unwrap(),
                1..4 => Append::new([event(1_000_000 + number, Some(stream(12 + number % 3)))]),
                _ => request(&mut chance, number, true),
            };
            let expected = match chance.below(6) {
                0 => ExpectedRevision::None,
                1 => ExpectedRevision::Exists,
                2 => ExpectedRevision::Exactly(info.last.unwrap_or_default()),
                3 => ExpectedRevision::Exactly(info.next()),
                _ => ExpectedRevision::Any,
            };
            let mut append = append.when(Condition::Revision { stream: name, expected });
            let id = uuid::Uuid::from_u128(u128::from(2_000_000 + number));
            append.events[0].id = Some(EventId(id));
            let theirs = block_on(oracle.append(append.clone())).map(|receipt| receipt.first);
            let ours = ledger.append_blocking(append).map(|receipt| receipt.first);
            assert_eq!(ours, theirs, "seed {seed}, request {number}");
            if number % 60 == 59 {
                let compress = number % 120 == 59;
                dropped +=
                    run(&ledger, Compact { compress, ..Compact::default() }).unwrap().dropped;
                let gone = check(&ledger, &oracle, &format!("seed {seed}, request {number}"));
                assert_eq!(gone as u64, dropped, "seed {seed}, request {number}");
            }
        }
        assert!(dropped > 50, "{dropped}");
    }
}

/// Appends, reads and follows while one compaction comes after another.
#[test]
fn g3_g6_readers_and_followers_see_no_gap_that_retention_does_not_explain() {
    let dir = tempfile::tempdir().unwrap();
    let small = Options { segment_bytes_max: 32 << 10, ..Options::default() };
    let ledger = DataDir::open(dir.path(), small).unwrap().create_ledger("l").unwrap();
    let ended = AtomicBool::new(false);
    let (oracle, followed, rewritten) = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let oracle = history_of(&ledger, 11, 1_500, true);
            let ended_type = || "ended".parse().unwrap();
            let last =
                || Append::new([NewEvent { event_type: ended_type(), ..event(900_000, None) }]);
            ledger.append_blocking(last()).unwrap();
            block_on(oracle.append(last())).unwrap();
            ended.store(true, Ordering::Release);
            oracle
        });
        let follower = scope.spawn(|| {
            let everything = Subscribe { query: Query::everything(), after: Position::START };
            let (mut signals, mut followed) = (ledger.subscribe(everything), Vec::new());
            // The last event is in no stream, so nothing hides it.
            while let Some(signal) = block_on(signals.next()) {
                if let Signal::Event(event) = signal.unwrap() {
                    followed.push(*event);
                }
                let last = followed.last().map(|event| event.event_type.as_str());
                if last == Some("ended") {
                    break;
                }
            }
            followed
        });
        let reader = scope.spawn(|| {
            let mut chance = Chance(5);
            while !ended.load(Ordering::Acquire) {
                let name = stream(chance.below(12));
                let request = Read::new(QueryItem::stream(name.clone()).into()).limit(10_000);
                let page = block_on(ledger.read(request)).unwrap();
                let revision = |e: &RecordedEvent| e.stream.as_ref().unwrap().revision.0;
                let revisions: Vec<_> = page.events.iter().map(revision).collect();
                let whole = revisions.windows(2).all(|pair| pair[0] + 1 == pair[1]);
                assert!(whole, "{name} has a gap: {revisions:?}");
            }
        });
        // Another process may look at the files meanwhile.
        let onlooker = scope.spawn(|| {
            let mut looks = 0;
            while !ended.load(Ordering::Acquire) {
                let data = DataDir::open_read_only(dir.path(), Options::default()).unwrap();
                everything(&data.ledger("l").unwrap());
                looks += 1;
            }
            looks
        });
        let mut rewritten = 0;
        while !ended.load(Ordering::Acquire) {
            let request = Compact { compress: rewritten % 2 == 1, ..Compact::default() };
            rewritten += run(&ledger, request).unwrap().rewritten;
        }
        reader.join().unwrap();
        assert!(onlooker.join().unwrap() > 0);
        (writer.join().unwrap(), follower.join().unwrap(), rewritten)
    });
    assert!(rewritten > 10, "{rewritten}");
    check(&ledger, &oracle, "after");
    let positions: Vec<_> = followed.iter().map(|event| event.position).collect();
    assert!(positions.is_sorted_by(|a, b| a < b), "an event came twice, or out of order");
    let seen: BTreeSet<_> = positions.into_iter().collect();
    for event in everything(&ledger) {
        assert!(seen.contains(&event.position), "position {} was missed", event.position);
    }
    let theirs = all(&oracle, Query::everything());
    for event in followed {
        assert_eq!(event.data, theirs[event.position.0 as usize - 1].data);
    }
}

#[test]
fn a_disk_that_fails_or_is_full_stops_a_compaction_and_nothing_else() {
    for seed in 1..=6 {
        let machine = SimulatedMachine::new(seed);
        let ledger = open(&options(&machine)).unwrap();
        let oracle = history(&ledger, seed, REQUESTS);
        let faults = match seed {
            1 => Faults { capacity: Some(0), ..Faults::default() },
            sync => Faults { failing_sync: Some(sync - 1), ..Faults::default() },
        };
        machine.set_faults(faults);
        let what = format!("{faults:?}");
        assert!(compact(&ledger).is_err(), "{what}");
        machine.set_faults(Faults::default());
        goes_on(&ledger, &oracle, &what);
        assert!(compact(&ledger).unwrap().finished, "{what}");
        goes_on(&ledger, &oracle, &what);
    }
}

#[test]
fn what_grew_too_old_goes_and_its_stream_goes_on() {
    let machine = SimulatedMachine::new(1);
    let ledger = open(&options(&machine)).unwrap();
    let day = |days: u64| Timestamp::from_micros(days * 86_400_000_000);
    machine.set_now(day(10));
    let retention = Retention { max_age_seconds: Some(2 * 86_400), ..Retention::default() };
    let info = || block_on(ledger.stream(stream(1))).unwrap();
    let set = info().set(&StreamMetadata::keeping(retention)).unwrap();
    ledger.append_blocking(set).unwrap();
    let put = |from: u64| {
        for number in from..from + 100 {
            ledger.append_blocking(Append::new([event(number, Some(stream(1)))])).unwrap();
            ledger.append_blocking(Append::new([event(1_000 + number, Some(stream(2)))])).unwrap();
        }
    };
    put(0);
    machine.set_now(day(11));
    assert_eq!(compact(&ledger).unwrap().dropped, 0, "nothing is too old yet");
    machine.set_now(day(20));
    let done = compact(&ledger).unwrap();
    assert!(done.dropped > 50, "{done:?}");
    assert_eq!(info().last, Some(Revision(99)), "the last revision is known");
    put(100);
    let seen = all(&ledger, QueryItem::stream(stream(1)));
    let revisions: Vec<_> = seen.iter().map(|e| e.stream.as_ref().unwrap().revision.0).collect();
    assert_eq!(revisions, (100..200).collect::<Vec<_>>());
    assert_eq!(all(&ledger, QueryItem::stream(stream(2))).len(), 200);
    machine.set_now(day(30));
    compact(&ledger).unwrap();
    drop(ledger);
    let ledger = open(&options(&machine)).unwrap();
    let info = block_on(ledger.stream(stream(1))).unwrap();
    assert_eq!(info.last, Some(Revision(199)));
    assert!(all(&ledger, QueryItem::stream(stream(1))).is_empty());
    assert!(everything(&ledger).len() < 320, "{}", everything(&ledger).len());
}

#[test]
fn g10_a_segment_or_an_index_under_anothers_name_is_noticed() {
    let machine = SimulatedMachine::new(2);
    let oracle = {
        let ledger = open(&options(&machine)).unwrap();
        history(&ledger, 2, 200)
    };
    let log = |machine: &SimulatedMachine| {
        let mut logs =
            machine.paths().into_iter().filter(|p| p.extension().is_some_and(|e| e == "log"));
        logs.nth(1).unwrap()
    };
    let copy = |machine: &SimulatedMachine, from: &Path, to: &Path| {
        let mut bytes = Vec::new();
        machine.damage(from, |now| bytes.clone_from(now));
        machine.damage(to, |now| *now = bytes);
    };
    // The index of the generation before, under the name of the present one.
    let before = machine.restart();
    let ledger = open(&options(&before)).unwrap();
    let old = log(&before);
    let mut index = Vec::new();
    before.damage(&old.with_extension("idx"), |now| index.clone_from(now));
    assert!(compact(&ledger).unwrap().rewritten > 1);
    drop(ledger);
    let present = log(&before);
    assert_ne!(present, old, "it was rewritten");
    before.damage(&present.with_extension("idx"), |now| *now = index);
    let ledger = open(&options(&before)).unwrap();
    check(&ledger, &oracle, "an index of another generation is built again");
    drop(ledger);
    // Another segment under its name.
    let other = before.paths().into_iter().find(|p| p.extension().is_some_and(|e| e == "log"));
    copy(&before, &other.unwrap(), &present);
    let Err(EngineError::Damaged(damage)) = open(&options(&before)) else {
        panic!("a segment under another's name was opened");
    };
    assert!(damage.file.ends_with(&*present.file_name().unwrap().to_string_lossy()), "{damage}");
}

/// Flips one bit of each byte of a compressed segment: the damage is named, or nothing was read.
#[test]
fn g10_a_flipped_bit_in_a_compressed_segment_is_damage() {
    let machine = SimulatedMachine::new(3);
    let ledger = open(&options(&machine)).unwrap();
    history(&ledger, 3, 120);
    run(&ledger, Compact { compress: true, ..Compact::default() }).unwrap();
    let whole = everything(&ledger);
    drop(ledger);
    let path = machine.paths().into_iter().find(|p| p.ends_with("00000000000000000001-1.log"));
    let path = path.unwrap();
    let mut bytes = 0;
    machine.damage(&path, |now| bytes = now.len());
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    let read = || {
        let data = DataDir::open_read_only(Path::new(DIR), options(&machine)).unwrap();
        let ledger = data.ledger("l").map_err(|error| error.to_string())?;
        let read = Read::new(Query::everything()).limit(1_000);
        block_on(ledger.read(read)).map(|page| page.events).map_err(|error| error.to_string())
    };
    assert_eq!(read().as_ref(), Ok(&whole));
    // What is between the header and the first block is zero, and nobody reads it.
    let used = (0..48).chain(64..100).chain(4_096..bytes);
    for at in used {
        let flip = |now: &mut Vec<u8>| now[at] ^= 1 << (at % 8);
        machine.damage(&path, flip);
        match read() {
            Err(error) => assert!(error.contains(&name), "byte {at}: {error}"),
            Ok(_) => panic!("byte {at} of {bytes}: a flipped bit was not noticed"),
        }
        machine.damage(&path, flip);
    }
    for len in [0, 43, 64, 99, 4_095, 4_096, bytes / 2, bytes - 1] {
        let mut kept = Vec::new();
        machine.damage(&path, |now| kept = now.split_off(len));
        assert!(read().is_err(), "cut to {len} of {bytes} bytes");
        machine.damage(&path, |now| now.append(&mut kept));
    }
    assert_eq!(read().as_ref(), Ok(&whole));
}

#[test]
fn a_compaction_needs_a_ledger_that_is_open_for_writing() {
    let machine = SimulatedMachine::new(1);
    drop(open(&options(&machine)).unwrap());
    let data = DataDir::open_read_only(Path::new(DIR), options(&machine)).unwrap();
    let error = compact(&data.ledger("l").unwrap()).unwrap_err();
    assert!(error.to_string().contains("open for reading only"), "{error}");
}

#[test]
fn a_deleted_stream_keeps_no_content_on_the_disk() {
    let machine = SimulatedMachine::new(1);
    let ledger = open(&options(&machine)).unwrap();
    let secret = "the-secret-of-the-customer";
    let of = stream(1);
    let new = || {
        let tags = [Tag::of("customer", secret).unwrap()];
        NewEvent::new("told".parse().unwrap(), format!("{{\"secret\":\"{secret}\"}}")).tagged(tags)
    };
    ledger.append_blocking(Append::new([new().in_stream(of.clone())])).unwrap();
    ledger.append_blocking(Append::new([new().in_stream(of.clone())])).unwrap();
    let delete = block_on(ledger.stream(of)).unwrap().delete().unwrap();
    ledger.append_blocking(delete).unwrap();
    (0..200).for_each(|n| drop(ledger.append_blocking(Append::new([event(n, None)])).unwrap()));
    compact(&ledger).unwrap();
    for path in machine.paths() {
        machine.damage(&path, |bytes| {
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "{}", path.display());
        });
    }
    let nothing = Query::from(QueryItem::tags([Tag::of("customer", secret).unwrap()]));
    let condition = Condition::NoMatch { query: nothing.clone(), after: Position::START };
    assert!(all(&ledger, nothing).is_empty());
    let unguarded: Result<_, AppendError> =
        ledger.append_blocking(Append::new([event(900, None)]).when(condition));
    assert!(unguarded.is_ok(), "what was dropped is in nobody's way");
}

#[test]
fn segments_can_be_compressed_as_they_are_closed() {
    let machine = SimulatedMachine::new(6);
    let options = Options { compress: true, ..options(&machine) };
    let ledger = open(&options).unwrap();
    let oracle = history(&ledger, 6, REQUESTS);
    let segments = ledger.inspect().unwrap().segments;
    let (active, closed) = segments.split_last().unwrap();
    assert!(closed.len() > 5 && closed.iter().all(|one| one.compressed) && !active.compressed);
    assert_eq!(check(&ledger, &oracle, "before"), 0);
    assert!(compact(&ledger).unwrap().dropped > 100);
    drop(ledger);
    let ledger = open(&options).unwrap();
    goes_on(&ledger, &oracle, "after");
    let segments = ledger.inspect().unwrap().segments;
    assert_eq!(segments.iter().filter(|one| !one.compressed).count(), 1, "they stay compressed");
}

#[test]
fn g12_reading_a_short_end_of_a_long_stream_backward_looks_at_no_more_than_that() {
    let machine = SimulatedMachine::new(1);
    let ledger = open(&options(&machine)).unwrap();
    (0..400).for_each(|n| {
        ledger.append_blocking(Append::new([event(n, Some(stream(1)))])).unwrap();
    });
    let set = block_on(ledger.stream(stream(1))).unwrap();
    ledger.append_blocking(set.set(&StreamMetadata::keeping(counted(3))).unwrap()).unwrap();
    let read = Read::new(QueryItem::stream(stream(1)).into()).backward().limit(10);
    let (page, explain) = ledger.explain(&read).unwrap();
    assert_eq!((page.events.len(), page.next), (3, None));
    let looked: u64 = explain.segments.iter().map(|segment| segment.looked).sum();
    assert_eq!(looked, 4, "the three, and the first that is hidden");
}

#[test]
fn g6_a_follower_is_told_how_far_it_is_where_everything_was_dropped() {
    let machine = SimulatedMachine::new(1);
    let ledger = open(&options(&machine)).unwrap();
    let dropped = 2 * Signal::PROGRESS_EVERY + 108;
    for from in (0..dropped).step_by(100) {
        let batch = (from..from + 100).map(|n| event(n, Some(stream(1))));
        ledger.append_blocking(Append::new(batch)).unwrap();
    }
    let delete = block_on(ledger.stream(stream(1))).unwrap().delete().unwrap();
    ledger.append_blocking(delete).unwrap();
    (0..300).for_each(|n| {
        ledger.append_blocking(Append::new([event(50_000 + n, None)])).unwrap();
    });
    compact(&ledger).unwrap();
    let subscribe = Subscribe { query: Query::all(), after: Position::START };
    let mut signals = ledger.subscribe(subscribe);
    let (mut told, mut events) = (Vec::new(), 0);
    let head = loop {
        match block_on(signals.next()).unwrap().unwrap() {
            Signal::Event(_) => events += 1,
            Signal::Progress(position) => told.push(position.0),
            Signal::CaughtUp(head) => break head.position,
        }
    };
    assert_eq!(told, [Signal::PROGRESS_EVERY, 2 * Signal::PROGRESS_EVERY]);
    assert_eq!((events, head.0), (300, dropped + 301));
}

/// The tests above notice when what they look for is broken.
#[cfg(feature = "sabotage")]
mod sabotaged {
    use factum_engine::Sabotage;

    use super::*;

    fn noticed(bug: Sabotage) {
        let caught = std::panic::catch_unwind(|| {
            let machine = SimulatedMachine::new(1);
            compacted(1, &Options { sabotage: Some(bug), ..options(&machine) }, false);
        });
        assert!(caught.is_err(), "the deliberate bug was not caught");
    }

    #[test]
    fn a_compaction_that_drops_one_too_many_is_noticed() {
        noticed(Sabotage::CompactionDropsMore);
    }

    #[test]
    fn g2_a_rewritten_segment_that_was_not_synced_is_noticed() {
        let caught = std::panic::catch_unwind(|| {
            let bug = Some(Sabotage::CompactionNotSynced);
            (3..9).for_each(|seed| {
                crash_everywhere(seed, Compact::default(), |options| options.sabotage = bug);
            });
        });
        assert!(caught.is_err(), "the deliberate bug was not caught");
    }

    #[test]
    fn g5_a_compaction_that_forgets_keys_is_noticed() {
        noticed(Sabotage::CompactionForgetsKeys);
    }
}
