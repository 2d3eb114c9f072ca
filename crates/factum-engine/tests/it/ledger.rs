//! The ledger through its port, on a simulated machine and on the real one.

use std::{path::Path, sync::Arc};

use factum_engine::{
    DataDir, EngineLedger, Options,
    machine::{Faults, SimulatedMachine},
};
use factum_store::{
    Append, AppendError, EventType, IdempotencyKey, Ledger, NewEvent, Position, Query, Read,
    RequestHash, StreamName, Tag,
};
use futures_lite::future::block_on;

pub(crate) const DIR: &str = "/data";

/// Small segments, everything in one order.
pub(crate) fn options(machine: &SimulatedMachine) -> Options {
    Options {
        segment_bytes_max: 16 << 10,
        write_ahead_bytes: 8 << 10,
        background: false,
        ..Options::on(machine.clone())
    }
}

pub(crate) fn open(options: &Options) -> Result<EngineLedger, factum_engine::EngineError> {
    DataDir::open(Path::new(DIR), options.clone())?.create_ledger("l")
}

pub(crate) fn event(number: u64) -> NewEvent {
    let data = format!("{{\"n\":{number},\"fill\":\"{}\"}}", "x".repeat((number % 97) as usize));
    NewEvent::new(EventType::new(format!("type.{}", number % 3)).unwrap(), data)
        .tagged([Tag::of("n", number % 7).unwrap(), Tag::of("all", "x").unwrap()])
        .in_stream(StreamName::new(format!("s-{}", number % 5)).unwrap())
}

/// A batch of one to three events that says which it is.
pub(crate) fn batch(number: u64) -> Append {
    Append::new((0..=number % 3).map(|i| event(number * 10 + i))).keyed(IdempotencyKey {
        principal: "".into(),
        operation: "append".into(),
        key: format!("k{number}").into(),
        request: RequestHash([number as u8; 32]),
    })
}

pub(crate) fn everything(ledger: &EngineLedger) -> Vec<factum_store::RecordedEvent> {
    let (mut events, mut next) = (Vec::new(), Some(Read::new(Query::everything()).limit(100)));
    while let Some(read) = next {
        let page = block_on(ledger.read(read)).unwrap();
        events.extend(page.events);
        next = page.next;
    }
    events
}

/// All pages of a read, unless one of them can't be read.
pub(crate) fn all_of(
    ledger: &EngineLedger,
    read: Read,
) -> Result<Vec<factum_store::RecordedEvent>, factum_store::ReadError> {
    let (mut events, mut next) = (Vec::new(), Some(read.limit(1_000)));
    while let Some(read) = next {
        let page = block_on(ledger.read(read))?;
        events.extend(page.events);
        next = page.next;
    }
    Ok(events)
}

/// What was acknowledged is there, whole, in order, and nothing else but batches that were tried.
fn check(
    ledger: &EngineLedger,
    acknowledged: &[(u64, Position, Position)],
    tried: u64,
    what: &str,
) {
    let events = everything(ledger);
    for (i, event) in events.iter().enumerate() {
        assert_eq!(event.position.0, i as u64 + 1, "{what}: positions have a gap");
    }
    for (number, first, last) in acknowledged {
        let found: Vec<_> =
            events.iter().filter(|e| (*first..=*last).contains(&e.position)).collect();
        let wanted = batch(*number);
        assert_eq!(found.len(), wanted.events.len(), "{what}: batch {number} was lost");
        for (event, wanted) in found.iter().zip(&wanted.events) {
            assert_eq!(event.data, wanted.data, "{what}: batch {number} has other data");
            assert_eq!(event.tags, wanted.tags);
        }
    }
    // Whole batches only, each at most once.
    let mut at = 0;
    let mut before = None;
    while at < events.len() {
        let text = String::from_utf8(events[at].data.to_vec()).unwrap();
        let number: u64 = text[5..].split(',').next().unwrap().parse().unwrap();
        let number = number / 10;
        assert!(number < tried && before < Some(number), "{what}: batch {number} is a phantom");
        let len = batch(number).events.len();
        assert!(at + len <= events.len(), "{what}: half of batch {number} is there");
        (at, before) = (at + len, Some(number));
    }
}

/// Appends batches until one fails.
pub(crate) fn run(
    ledger: &EngineLedger,
    from: u64,
    to: u64,
) -> (Vec<(u64, Position, Position)>, u64) {
    let mut acknowledged = Vec::new();
    for number in from..to {
        match ledger.append_blocking(batch(number)) {
            Ok(receipt) => acknowledged.push((number, receipt.first, receipt.last)),
            Err(_) => return (acknowledged, number + 1),
        }
    }
    (acknowledged, to)
}

const BATCHES: u64 = 120;

#[test]
fn what_was_appended_is_read_back_and_survives_reopening_over_many_segments() {
    let machine = SimulatedMachine::new(1);
    let options = options(&machine);
    let ledger = open(&options).unwrap();
    let (acknowledged, tried) = run(&ledger, 0, BATCHES);
    assert_eq!(acknowledged.len() as u64, BATCHES);
    check(&ledger, &acknowledged, tried, "before");
    assert!(ledger.inspect().unwrap().segments.len() > 2, "{:?}", ledger.inspect());
    assert_eq!(ledger.verify(&mut |_, _| {}).unwrap().damage, []);
    drop(ledger);
    let ledger = open(&options).unwrap();
    check(&ledger, &acknowledged, tried, "after");
    for (number, first, last) in &acknowledged {
        let again = ledger.append_blocking(batch(*number)).unwrap();
        assert!(again.replayed && (again.first, again.last) == (*first, *last));
    }
}

#[test]
fn g5_a_retry_is_answered_also_when_what_follows_it_begins_a_segment() {
    let machine = SimulatedMachine::new(1);
    let ledger = open(&options(&machine)).unwrap();
    let first = ledger.append_blocking(batch(1)).unwrap();
    let long = || NewEvent::new(EventType::new("long").unwrap(), vec![0; 9 << 10]);
    for _ in 0..100 {
        // While the writer begins a segment for this one, a retry arrives, and behind it what
        // needs a segment again.
        let before = ledger.append(Append::new([long()]));
        let retry = ledger.append(batch(1));
        let after = ledger.append(Append::new([long()]));
        let again = block_on(retry).unwrap();
        assert_eq!((again.first, again.replayed), (first.first, true));
        block_on(before).unwrap();
        block_on(after).unwrap();
    }
}

/// Crashes at every call that changes the disk, and at every call of the recovery after it.
fn crash_everywhere(seed: u64, sabotage: impl Fn(&mut Options)) {
    let calls = {
        let machine = SimulatedMachine::new(seed);
        let mut options = options(&machine);
        sabotage(&mut options);
        machine.set_faults(Faults::default());
        let ledger = open(&options).unwrap();
        run(&ledger, 0, BATCHES);
        drop(ledger);
        machine.calls()
    };
    for at in 1..=calls {
        let what = format!("seed {seed}, crash at call {at}");
        let machine = SimulatedMachine::new(seed);
        let mut first = options(&machine);
        sabotage(&mut first);
        machine.set_faults(Faults { crash_at: Some(at), ..Faults::default() });
        let (acknowledged, tried) = match open(&first) {
            Ok(ledger) => run(&ledger, 0, BATCHES),
            Err(_) => (Vec::new(), 0),
        };
        let mut machine = machine.restart();
        if at % 3 == 0 {
            // Recovery itself crashes, too.
            machine.set_faults(Faults { crash_at: Some(1 + at % 7), ..Faults::default() });
            let mut second = options(&machine);
            sabotage(&mut second);
            drop(open(&second));
            machine = machine.restart();
        }
        let mut last = options(&machine);
        sabotage(&mut last);
        let ledger = open(&last).unwrap_or_else(|error| panic!("{what}: {error}"));
        check(&ledger, &acknowledged, tried, &what);
        let (more, tried) = run(&ledger, tried, tried + 3);
        assert_eq!(more.len(), 3, "{what}: it does not go on");
        check(&ledger, &[acknowledged, more].concat(), tried, &what);
    }
}

#[test]
fn g1_g2_a_crash_at_any_call_loses_nothing_acknowledged_and_halves_no_batch() {
    for seed in 1..=4 {
        crash_everywhere(seed, |_| {});
    }
}

/// A deliberate bug is caught by a check when the check panics.
#[cfg(feature = "sabotage")]
pub(crate) fn catches(check: impl FnOnce() + std::panic::UnwindSafe) {
    let caught = std::panic::catch_unwind(check);
    assert!(caught.is_err(), "the deliberate bug was not caught");
}

#[cfg(feature = "sabotage")]
#[test]
fn g2_catches_an_acknowledgement_before_the_sync_and_a_directory_not_synced() {
    use factum_engine::Sabotage;
    for bug in [Sabotage::AckBeforeSync, Sabotage::DirectoryNotSynced] {
        catches(move || {
            (1..=40).for_each(|seed| crash_everywhere(seed, |o| o.sabotage = Some(bug)));
        });
    }
}

#[cfg(feature = "sabotage")]
#[test]
fn g3_catches_a_position_given_twice() {
    catches(|| crash_everywhere(1, |o| o.sabotage = Some(factum_engine::Sabotage::PositionReused)));
}

#[cfg(feature = "sabotage")]
#[test]
fn g5_catches_a_key_that_is_not_looked_up() {
    catches(|| {
        let machine = SimulatedMachine::new(1);
        let options =
            Options { sabotage: Some(factum_engine::Sabotage::KeyNotChecked), ..options(&machine) };
        let ledger = open(&options).unwrap();
        ledger.append_blocking(batch(1)).unwrap();
        assert!(ledger.append_blocking(batch(1)).unwrap().replayed);
    });
}

#[test]
fn g2_after_a_failed_sync_nothing_is_acknowledged_and_nothing_unsynced_is_shown() {
    for failing in 3..40 {
        for sticky in [false, true] {
            let machine = SimulatedMachine::new(failing);
            let options = options(&machine);
            let ledger = open(&options).unwrap();
            machine.set_faults(Faults { failing_sync: Some(failing), sticky, ..Faults::default() });
            let (acknowledged, tried) = run(&ledger, 0, BATCHES);
            let what = format!("sync {failing} fails");
            check(&ledger, &acknowledged, tried, &what);
            let last = acknowledged.last().map_or(Position::START, |(_, _, last)| *last);
            assert_eq!(block_on(ledger.head()).unwrap().position, last, "{what}");
            drop(ledger);
            let machine = machine.restart();
            let ledger = open(&self::options(&machine)).unwrap();
            check(&ledger, &acknowledged, tried, &what);
        }
    }
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    for capacity in (20_000..120_000).step_by(3_001) {
        let machine = SimulatedMachine::new(capacity);
        let options = options(&machine);
        let what = format!("{capacity} bytes");
        machine.set_faults(Faults { capacity: Some(capacity), ..Faults::default() });
        let (acknowledged, tried) = match open(&options) {
            Err(error) => {
                assert!(error.to_string().contains("no room"), "{error}");
                (Vec::new(), 0)
            }
            Ok(ledger) => {
                let (mut acknowledged, mut tried) = run(&ledger, 0, BATCHES);
                // One that is shorter may still fit.
                while tried < BATCHES {
                    match ledger.append_blocking(batch(tried)) {
                        Ok(receipt) => acknowledged.push((tried, receipt.first, receipt.last)),
                        Err(error) => {
                            assert!(matches!(error, AppendError::Full(_)), "{what}: {error}");
                        }
                    }
                    tried += 1;
                }
                check(&ledger, &acknowledged, tried, &what);
                machine.set_faults(Faults::default());
                ledger.append_blocking(batch(1_000)).unwrap_or_else(|e| panic!("{what}: {e}"));
                (acknowledged, 1_001)
            }
        };
        machine.set_faults(Faults::default());
        let ledger = open(&options).unwrap_or_else(|error| panic!("{what}: {error}"));
        check(&ledger, &acknowledged, tried, &what);
    }
}

#[test]
fn g10_every_flipped_byte_is_damage_or_a_torn_tail_and_never_other_data() {
    let machine = SimulatedMachine::new(3);
    let options = options(&machine);
    let ledger = open(&options).unwrap();
    let (acknowledged, tried) = run(&ledger, 0, 60);
    let before = everything(&ledger);
    drop(ledger);
    check(&open(&options).unwrap(), &acknowledged, tried, "undamaged");
    let mut seen = (0, 0);
    for path in machine.paths().into_iter().filter(|p| p.extension().is_some()) {
        let mut len = 0;
        machine.damage(&path, |bytes| len = bytes.len());
        for at in (0..len).step_by(13) {
            let copy = machine.restart();
            copy.damage(&path, |bytes| bytes[at] ^= 1 << (at % 8));
            let what = format!("{} byte {at}", path.display());
            match open(&self::options(&copy)) {
                Err(error) => {
                    let text = error.to_string();
                    assert!(
                        text.contains("damaged at byte") || text.contains("format"),
                        "{what}: {text}"
                    );
                    seen.0 += 1;
                }
                Ok(ledger) => {
                    // Bytes that nothing depends on, an index that was built again, or a sealed
                    // segment, which is looked at when it is read.
                    match all_of(&ledger, Read::new(Query::everything())) {
                        Ok(events) => assert_eq!(events, before, "{what}"),
                        Err(error) => assert!(
                            error.to_string().contains("damaged at byte"),
                            "{what}: {error}"
                        ),
                    }
                    seen.1 += 1;
                }
            }
        }
    }
    assert!(seen.0 > 100 && seen.1 > 100, "{seen:?}");
}

#[cfg(feature = "sabotage")]
#[test]
fn g10_catches_damage_that_is_cut_off_like_a_torn_tail() {
    catches(|| {
        let machine = SimulatedMachine::new(3);
        let options = Options {
            sabotage: Some(factum_engine::Sabotage::TailCutOnDamage),
            segment_bytes_max: 1 << 20,
            ..options(&machine)
        };
        let ledger = open(&options).unwrap();
        run(&ledger, 0, 30);
        drop(ledger);
        let path = machine.paths().into_iter().find(|p| p.to_string_lossy().ends_with(".log"));
        machine.damage(&path.unwrap(), |bytes| bytes[4_500] ^= 1);
        assert!(open(&options).is_err(), "damage was not reported");
    });
}

#[test]
fn recorded_time_never_goes_back_whatever_the_clock_does() {
    let machine = SimulatedMachine::new(1);
    let options = options(&machine);
    for now in [50_000_000, 10, 90_000_000, 20] {
        machine.set_now(factum_store::Timestamp::from_micros(now));
        let ledger = open(&options).unwrap();
        for number in 0..40 {
            ledger.append_blocking(Append::new([event(number)])).unwrap();
        }
        let events = everything(&ledger);
        assert!(events.is_sorted_by_key(|event| event.recorded_at));
    }
}

#[test]
fn a_second_process_is_told_who_has_the_directory_and_reading_only_is_possible_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path(), Options::default()).unwrap();
    data.set_address("http://127.0.0.1:2113").unwrap();
    let ledger = data.create_ledger("l").unwrap();
    ledger.append_blocking(batch(1)).unwrap();
    let error = DataDir::open(dir.path(), Options::default()).err().unwrap().to_string();
    let pid = std::process::id().to_string();
    assert!(error.contains(&pid) && error.contains("http://127.0.0.1:2113"), "{error}");
    let beside = DataDir::open_read_only(dir.path(), Options::default()).unwrap();
    assert_eq!(beside.ledgers().unwrap(), ["l"]);
    assert_eq!(everything(&beside.ledger("l").unwrap()).len(), 2);
    let refused = beside.ledger("l").unwrap().append_blocking(batch(2));
    assert!(matches!(refused, Err(AppendError::Unavailable(_))), "{refused:?}");
    drop((ledger, data));
    DataDir::open(dir.path(), Options::default()).unwrap();
}

#[test]
fn what_is_no_data_directory_of_this_format_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("letter.txt"), "dear").unwrap();
    let error = DataDir::open(dir.path(), Options::default()).err().unwrap();
    assert!(error.to_string().contains("not a data directory"), "{error}");
    let newer = tempfile::tempdir().unwrap();
    std::fs::write(newer.path().join("FORMAT"), "factum 7\n").unwrap();
    let error = DataDir::open(newer.path(), Options::default()).err().unwrap();
    assert!(error.to_string().contains("format 7"), "{error}");
    let names = std::fs::read_dir(newer.path()).unwrap().count();
    assert_eq!(names, 1);
    let data = DataDir::open(tempfile::tempdir().unwrap().path(), Options::default()).unwrap();
    for name in ["", "../x", "a/b", "A", "-a", "a b", &"x".repeat(65)] {
        assert!(data.create_ledger(name).is_err(), "{name:?}");
    }
}

/// Threads append to one ledger, each on the condition that it has seen the last of its tag.
fn race(options: Options) {
    const THREADS: u64 = 16;
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path(), options).unwrap();
    let ledger = data.create_ledger("l").unwrap();
    let tag = Tag::new("one:thing").unwrap();
    let query: Query = factum_store::QueryItem::tags([tag.clone()]).into();
    let barrier = Arc::new(std::sync::Barrier::new(THREADS as usize));
    let threads: Vec<_> = (0..THREADS)
        .map(|_| {
            let (ledger, tag, query, barrier) =
                (ledger.clone(), tag.clone(), query.clone(), Arc::clone(&barrier));
            std::thread::spawn(move || {
                let mut won = 0;
                barrier.wait();
                for _ in 0..100 {
                    let after = block_on(ledger.head()).unwrap().position;
                    let event = NewEvent::new(EventType::new("t").unwrap(), format!("{}", after.0));
                    let append = Append::new([event.tagged([tag.clone()])])
                        .when(factum_store::Condition::NoMatch { query: query.clone(), after });
                    match ledger.append_blocking(append) {
                        Ok(_) => won += 1,
                        Err(AppendError::Conflict(conflict)) => {
                            assert!(!conflict.offending.is_empty());
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
                won
            })
        })
        .collect();
    let won: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    let events = everything(&ledger);
    assert_eq!(events.len() as u64, won);
    for event in &events {
        // Each was decided at the head just before it: nobody else came in between.
        let seen: u64 = std::str::from_utf8(&event.data).unwrap().parse().unwrap();
        assert_eq!(seen + 1, event.position.0, "two conflicting appends were both accepted");
    }
    assert!(won >= 1);
}

#[test]
fn g4_of_appends_that_conflict_one_is_accepted() {
    race(Options::default());
}

#[cfg(feature = "sabotage")]
#[test]
fn g4_catches_a_condition_that_is_checked_outside_its_group() {
    catches(|| {
        for _ in 0..20 {
            race(Options {
                sabotage: Some(factum_engine::Sabotage::ConditionOutsideGroup),
                ..Options::default()
            });
        }
    });
}
