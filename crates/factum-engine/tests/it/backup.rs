//! Backup and restore: a prefix of the ledger at any moment, through any crash, and damage is
//! noticed. On the simulated disk; beside writers on the real one.

use std::path::{Path, PathBuf};

use factum_engine::{
    Backup, BackupReport, DataDir, EngineError, EngineLedger, Options, Restore,
    machine::{Faults, SimulatedMachine},
};
use factum_store::{Ledger, Position, RecordedEvent, Timestamp};
use futures_lite::future::block_on;

use crate::ledger::{DIR, batch, everything, options, run};

const BACKUP: &str = "/backup";
const RESTORED: &str = "/restored";

fn data(options: &Options) -> DataDir {
    DataDir::open(Path::new(DIR), options.clone()).unwrap()
}

fn back_up(data: &DataDir) -> Result<BackupReport, EngineError> {
    data.backup(Path::new(BACKUP), &mut |_, _| {})
}

fn restore(options: &Options, what: &Restore) -> Result<(), EngineError> {
    let backup = Backup::open(Path::new(BACKUP), options.clone())?;
    backup.restore(Path::new(RESTORED), what, &mut |_, _| {}).map(drop)
}

fn events_in(options: &Options, dir: &str) -> Vec<RecordedEvent> {
    let data = DataDir::open_read_only(Path::new(dir), options.clone()).unwrap();
    everything(&data.ledger("l").unwrap())
}

/// What a restore gives, after which the directory is used and found sound.
fn restored(machine: &SimulatedMachine, what: &Restore, label: &str) -> Vec<RecordedEvent> {
    let options = options(machine);
    restore(&options, what).unwrap_or_else(|error| panic!("{label}: {error}"));
    let data = DataDir::open(Path::new(RESTORED), options.clone()).unwrap();
    let ledger = data.ledger("l").unwrap_or_else(|error| panic!("{label}: {error}"));
    let events = everything(&ledger);
    assert_eq!(ledger.verify(&mut |_, _| {}).unwrap().damage, [], "{label}");
    ledger.append_blocking(batch(9_999)).unwrap_or_else(|error| panic!("{label}: {error}"));
    events
}

fn head(ledger: &EngineLedger) -> Position {
    block_on(ledger.head()).unwrap().position
}

#[test]
fn a_backup_at_any_moment_is_the_ledger_up_to_that_moment() {
    for upto in 0..90 {
        let machine = SimulatedMachine::new(upto);
        let options = options(&machine);
        let data = data(&options);
        let ledger = data.create_ledger("l").unwrap();
        run(&ledger, 0, upto);
        let before = everything(&ledger);
        let report = back_up(&data).unwrap();
        assert_eq!(report.ledgers[0].head, head(&ledger));
        run(&ledger, upto, upto + 7);
        let label = format!("after {upto} batches");
        assert_eq!(events_in(&options, BACKUP), before, "{label}: reading the backup");
        assert_eq!(restored(&machine, &Restore::default(), &label), before, "{label}");
    }
}

#[test]
fn beside_another_process_it_takes_what_was_acknowledged() {
    let machine = SimulatedMachine::new(5);
    let options = options(&machine);
    let holder = data(&options);
    let ledger = holder.create_ledger("l").unwrap();
    for upto in (0..100).step_by(7) {
        run(&ledger, upto, upto + 7);
        let beside = DataDir::open_read_only(Path::new(DIR), options.clone()).unwrap();
        let report = back_up(&beside).unwrap();
        assert_eq!(report.ledgers[0].head, head(&ledger), "the last group is in it, too");
        assert_eq!(events_in(&options, BACKUP), everything(&ledger));
    }
}

#[test]
fn a_second_backup_copies_only_what_is_new() {
    let machine = SimulatedMachine::new(6);
    let options = options(&machine);
    let data = data(&options);
    let ledger = data.create_ledger("l").unwrap();
    run(&ledger, 0, 200);
    let first = back_up(&data).unwrap();
    assert_eq!(first.copied, first.bytes);
    let again = back_up(&data).unwrap();
    assert_eq!((again.copied, again.files, again.bytes), (0, 0, first.bytes));
    run(&ledger, 200, 201);
    let one_more = back_up(&data).unwrap();
    assert_eq!(one_more.copied, one_more.bytes - first.bytes, "one batch was appended");
    assert!(one_more.copied < 2_000 && one_more.files == 1, "{one_more:?}");
    // Segments that were there are not even read, but for the newest.
    let reads = machine.reads().bytes;
    back_up(&data).unwrap();
    let read = machine.reads().bytes - reads;
    assert!(read < first.bytes / 3, "{read} bytes were read of {}", first.bytes);
    run(&ledger, 201, 300);
    back_up(&data).unwrap();
    assert_eq!(restored(&machine, &Restore::default(), "after growth"), everything(&ledger));
}

/// A ledger of 80 batches that was backed up after 40, and its events then and now.
fn grown(machine: &SimulatedMachine) -> [Vec<RecordedEvent>; 2] {
    grown_with(machine, |data| drop(back_up(data).unwrap()))
}

fn grown_with(
    machine: &SimulatedMachine,
    meanwhile: impl FnOnce(&DataDir),
) -> [Vec<RecordedEvent>; 2] {
    let data = data(&options(machine));
    let ledger = data.create_ledger("l").unwrap();
    run(&ledger, 0, 40);
    let then = everything(&ledger);
    meanwhile(&data);
    run(&ledger, 40, 80);
    [then, everything(&ledger)]
}

#[test]
fn a_crash_at_any_call_of_a_backup_leaves_the_source_and_the_last_whole_backup() {
    for first in [true, false] {
        let mut at = 0;
        loop {
            at += 1;
            let machine = SimulatedMachine::new(at);
            let label = format!("crash at call {at}, first backup: {first}");
            let [then, now] = grown_with(&machine, |data| {
                if !first {
                    back_up(data).unwrap();
                }
            });
            let beside = DataDir::open_read_only(Path::new(DIR), options(&machine)).unwrap();
            machine.set_faults(Faults { crash_at: Some(at), ..Faults::default() });
            let whole = back_up(&beside).is_ok();
            let machine = machine.restart();
            let source = data(&options(&machine));
            assert_eq!(everything(&source.ledger("l").unwrap()), now, "{label}: the source");
            match restore(&options(&machine), &Restore::default()) {
                Ok(()) => {
                    let events = events_in(&options(&machine), RESTORED);
                    // A crash after the manifest's name was there, and before it was durable.
                    let either = events == now || (events == then && !first && !whole);
                    assert!(either, "{label}: {} events", events.len());
                }
                Err(EngineError::NotABackup { .. }) => assert!(first && !whole, "{label}"),
                Err(error) => panic!("{label}: {error}"),
            }
            // It is taken up again, and is whole then.
            back_up(&source).unwrap_or_else(|error| panic!("{label}: {error}"));
            assert_eq!(events_in(&options(&machine), BACKUP), now, "{label}: taken up again");
            if whole {
                assert!(at > 10, "{label}: there are more calls than that");
                break;
            }
        }
    }
}

#[test]
fn a_crash_at_any_call_of_a_restore_leaves_a_whole_directory_or_none() {
    let mut at = 0;
    loop {
        at += 1;
        let machine = SimulatedMachine::new(at);
        let label = format!("crash at call {at}");
        let [then, _] = grown(&machine);
        machine.set_faults(Faults { crash_at: Some(at), ..Faults::default() });
        let whole = restore(&options(&machine), &Restore::default()).is_ok();
        let machine = machine.restart();
        match DataDir::open_read_only(Path::new(RESTORED), options(&machine)) {
            Ok(data) => {
                let ledger = data.ledger("l").unwrap_or_else(|error| panic!("{label}: {error}"));
                assert_eq!(everything(&ledger), then, "{label}");
            }
            Err(error) => {
                assert!(!whole, "{label}: {error}");
                // What holds nothing at all yet may be made a new directory.
                let empty = !machine.paths().iter().any(|path| path.starts_with(RESTORED));
                let opened = DataDir::open(Path::new(RESTORED), options(&machine));
                assert!(opened.is_err() || empty, "{label}: half a restore was opened");
            }
        }
        if whole {
            assert!(at > 10, "{label}: there are more calls than that");
            break;
        }
    }
}

#[test]
fn g10_a_flipped_bit_anywhere_in_a_backup_is_noticed_with_the_file() {
    let machine = SimulatedMachine::new(11);
    let [then, _] = grown(&machine);
    let files = machine.paths().into_iter().filter(|path| path.starts_with(BACKUP));
    let mut flips = 0;
    for path in files.collect::<Vec<_>>() {
        let mut len = 0;
        machine.damage(&path, |bytes| len = bytes.len());
        for at in (0..len).step_by(37) {
            let flip = |bytes: &mut Vec<u8>| bytes[at] ^= 1 << (at % 8);
            machine.damage(&path, flip);
            let label = format!("{} byte {at}", path.display());
            let fresh = machine.restart();
            match restore(&options(&fresh), &Restore::default()) {
                Ok(()) => {
                    // Nothing depends on the format of the backup seen as a data directory.
                    assert!(path.ends_with("FORMAT"), "{label} was not noticed");
                    assert_eq!(events_in(&options(&fresh), RESTORED), then, "{label}");
                }
                Err(error) => {
                    let file = path.file_name().unwrap().to_string_lossy().into_owned();
                    assert!(error.to_string().contains(&file), "{label}: {error}");
                }
            }
            machine.damage(&path, flip);
            flips += 1;
        }
    }
    assert!(flips > 1_000, "{flips}");
    let backup = Backup::open(Path::new(BACKUP), options(&machine.restart())).unwrap();
    assert_eq!(backup.check(&mut |_, _| {}).unwrap(), [], "all of it was put back");
}

#[test]
fn a_missing_file_of_a_backup_is_named() {
    let machine = SimulatedMachine::new(12);
    grown(&machine);
    let log = machine.paths().into_iter().find(|path| {
        path.starts_with(BACKUP) && path.extension().is_some_and(|ending| ending == "log")
    });
    let log = log.unwrap();
    factum_engine::machine::Machine::remove(&machine, &log).unwrap();
    let backup = Backup::open(Path::new(BACKUP), options(&machine)).unwrap();
    let damage = backup.check(&mut |_, _| {}).unwrap();
    assert_eq!(damage.len(), 1);
    assert_eq!(damage[0].file, log.display().to_string());
    assert!(damage[0].what.contains("missing"), "{}", damage[0].what);
}

#[test]
fn a_restore_to_any_position_or_time_ends_with_the_last_batch_before_it() {
    let machine = SimulatedMachine::new(13);
    let [then, _] = grown(&machine);
    let ends: Vec<Position> = {
        let last_of = |pair: &[RecordedEvent]| {
            let other = pair[0].recorded_at != pair[1].recorded_at;
            other.then_some(pair[0].position)
        };
        then.windows(2).filter_map(last_of).chain([then.last().unwrap().position]).collect()
    };
    for to in 0..=then.len() as u64 + 2 {
        let end = ends.iter().rev().find(|end| end.0 <= to).map_or(0, |end| end.0);
        let wanted = &then[..end as usize];
        let to_position = Restore { to_position: Some(Position(to)), ..Restore::default() };
        let label = format!("to position {to}");
        assert_eq!(restored(&machine.restart(), &to_position, &label), wanted, "{label}");
        let time = wanted.last().map_or(Timestamp::default(), |event| event.recorded_at);
        let at = Restore { at: Some(time), ..Restore::default() };
        let label = format!("at {time:?}");
        assert_eq!(restored(&machine.restart(), &at, &label), wanted, "{label}");
    }
}

#[test]
fn a_full_disk_stops_a_backup_and_leaves_the_one_before_it() {
    let used = {
        let machine = SimulatedMachine::new(14);
        grown(&machine);
        machine.used()
    };
    let mut stopped = 0;
    for room in (0..150_000).step_by(4_973) {
        let machine = SimulatedMachine::new(14);
        let [then, now] = grown(&machine);
        let label = format!("{room} bytes of room");
        machine.set_faults(Faults { capacity: Some(used + room), ..Faults::default() });
        let data = data(&options(&machine));
        let wanted = match back_up(&data) {
            Ok(_) => now,
            Err(error) => {
                assert!(matches!(error, EngineError::Full(_)), "{label}: {error}");
                stopped += 1;
                then
            }
        };
        machine.set_faults(Faults::default());
        assert_eq!(restored(&machine, &Restore::default(), &label), wanted, "{label}");
        back_up(&data).unwrap_or_else(|error| panic!("{label}: {error}"));
    }
    assert!(stopped > 3 && stopped < 30, "{stopped}");
}

#[test]
fn what_is_no_backup_or_a_newer_one_is_refused_and_left_alone() {
    let machine = SimulatedMachine::new(15);
    grown(&machine);
    let options = options(&machine);
    let data = data(&options);
    // A data directory, and a directory inside of the source.
    let other = Path::new("/other");
    drop(DataDir::open(other, options.clone()).unwrap().create_ledger("l").unwrap());
    let files = |machine: &SimulatedMachine| machine.paths();
    let before = files(&machine);
    let refused = |to: &Path| data.backup(to, &mut |_, _| {}).unwrap_err();
    assert!(matches!(refused(other), EngineError::NotABackup { .. }));
    assert!(matches!(refused(&Path::new(DIR).join("b")), EngineError::Invalid(_)));
    assert!(matches!(
        Backup::open(other, options.clone()).err().unwrap(),
        EngineError::NotABackup { .. }
    ));
    machine.damage(&Path::new(BACKUP).join("BACKUP"), |bytes| {
        *bytes = b"factum backup 7\n".to_vec();
    });
    assert!(matches!(refused(Path::new(BACKUP)), EngineError::NewerFormat { found: 7, .. }));
    let opened = Backup::open(Path::new(BACKUP), options.clone());
    assert!(matches!(opened.err().unwrap(), EngineError::NewerFormat { found: 7, .. }));
    assert_eq!(files(&machine), before);
}

#[test]
fn a_backup_of_something_else_or_of_another_history_is_refused_and_left_alone() {
    let machine = SimulatedMachine::new(16);
    let [then, now] = grown(&machine);
    let options = options(&machine);
    back_up(&data(&options)).unwrap();
    // The same ledger, restored to an earlier moment, went on differently.
    let earlier = Restore { to_position: Some(Position(then.len() as u64)), ..Restore::default() };
    restore(&options, &earlier).unwrap();
    let restored = DataDir::open(Path::new(RESTORED), options.clone()).unwrap();
    let ledger = restored.ledger("l").unwrap();
    for more in 0..40 {
        let refused = back_up(&restored).unwrap_err();
        assert!(refused.to_string().contains("another directory"), "{more}: {refused}");
        run(&ledger, 500 + more * 3, 503 + more * 3);
    }
    // Another ledger of the same name; and a directory without that ledger.
    let other = DataDir::open(Path::new("/other"), options.clone()).unwrap();
    assert!(matches!(back_up(&other).unwrap_err(), EngineError::Invalid(_)));
    run(&other.create_ledger("l").unwrap(), 0, 200);
    assert!(matches!(back_up(&other).unwrap_err(), EngineError::Invalid(_)));
    assert_eq!(events_in(&options, BACKUP), now);
}

#[test]
fn a_restore_goes_into_an_empty_directory_only_and_a_backup_is_not_written_to() {
    let machine = SimulatedMachine::new(17);
    grown(&machine);
    let options = options(&machine);
    restore(&options, &Restore::default()).unwrap();
    let refused = restore(&options, &Restore::default()).unwrap_err().to_string();
    assert!(refused.contains("not empty") && refused.contains(RESTORED), "{refused}");
    let written = DataDir::open(Path::new(BACKUP), options.clone()).err().unwrap();
    assert!(matches!(written, EngineError::IsABackup(_)), "{written}");
    let nowhere = Restore { ledger: Some("other".into()), ..Restore::default() };
    let refused = restore(&options, &nowhere).unwrap_err().to_string();
    assert!(refused.contains("\"other\"") && refused.contains('l'), "{refused}");
}

#[test]
fn several_ledgers_are_backed_up_and_one_can_be_restored_alone() {
    let machine = SimulatedMachine::new(18);
    let options = options(&machine);
    let data = data(&options);
    for (name, batches) in [("a", 0), ("b", 30), ("l", 60)] {
        run(&data.create_ledger(name).unwrap(), 0, batches);
    }
    back_up(&data).unwrap();
    let backup = Backup::open(Path::new(BACKUP), options.clone()).unwrap();
    let all = backup.restore(Path::new("/all"), &Restore::default(), &mut |_, _| {}).unwrap();
    assert_eq!(all.ledgers.iter().map(|l| &*l.name).collect::<Vec<_>>(), ["a", "b", "l"]);
    let one = Restore { ledger: Some("b".into()), ..Restore::default() };
    backup.restore(Path::new("/one"), &one, &mut |_, _| {}).unwrap();
    let of = |dir: &str, name: &str| {
        let data = DataDir::open_read_only(Path::new(dir), options.clone()).unwrap();
        (data.ledgers().unwrap().len(), everything(&data.ledger(name).unwrap()))
    };
    for name in ["a", "b", "l"] {
        assert_eq!(of("/all", name).1, of(DIR, name).1);
    }
    assert_eq!(of("/one", "b"), (1, of(DIR, "b").1));
    let refused = Restore { to_position: Some(Position(3)), ..Restore::default() };
    let refused = backup.restore(Path::new("/two"), &refused, &mut |_, _| {}).unwrap_err();
    assert!(refused.to_string().contains("a, b, l"), "{refused}");
}

/// A sync fails, and the machine goes down: is everything in the backup still in its source?
fn backup_after_a_failed_sync(change: impl Fn(&mut Options)) {
    for failing in 3..30 {
        let machine = SimulatedMachine::new(failing);
        let mut options = options(&machine);
        change(&mut options);
        let data = data(&options);
        let ledger = data.create_ledger("l").unwrap();
        machine.set_faults(Faults { failing_sync: Some(failing), ..Faults::default() });
        run(&ledger, 0, 60);
        back_up(&data).unwrap();
        let machine = machine.restart();
        let kept = events_in(&self::options(&machine), BACKUP);
        let source = events_in(&self::options(&machine), DIR);
        assert!(source.starts_with(&kept), "sync {failing}: the source has lost what was kept");
    }
}

#[test]
fn g2_a_backup_holds_nothing_that_its_source_can_lose() {
    backup_after_a_failed_sync(|_| {});
}

#[cfg(feature = "sabotage")]
#[test]
fn g2_catches_a_backup_of_what_is_not_known_durable() {
    crate::ledger::catches(|| {
        backup_after_a_failed_sync(|options| {
            options.sabotage = Some(factum_engine::Sabotage::BackupOfUnsynced);
        });
    });
}

#[test]
fn beside_four_writers_on_a_real_disk_a_backup_is_a_prefix_with_all_that_was_acknowledged() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| -> PathBuf { place.path().join(name) };
    let options = Options { segment_bytes_max: 256 << 10, ..Options::default() };
    let data = DataDir::open(&at("data"), options.clone()).unwrap();
    let ledger = data.create_ledger("l").unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let backups = std::thread::scope(|scope| {
        for writer in 0..4 {
            let (ledger, stop) = (&ledger, &stop);
            scope.spawn(move || {
                for number in 0.. {
                    if stop.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                    ledger.append_blocking(batch(writer * 1_000_000 + number)).unwrap();
                }
            });
        }
        let backups: Vec<_> = (0..12)
            .map(|round| {
                while head(&ledger).0 < 200 * (round + 1) {
                    std::thread::yield_now();
                }
                // In this process, and as another one would.
                let beside = DataDir::open_read_only(&at("data"), options.clone());
                let from = if round % 2 == 0 { &data } else { &beside.unwrap() };
                let acknowledged = head(&ledger);
                let kept = from.backup(&at("backup"), &mut |_, _| {});
                let to = at(&format!("restored-{round}"));
                let kept = kept.and_then(|_| Backup::open(&at("backup"), options.clone()));
                let kept = kept.and_then(|b| b.restore(&to, &Restore::default(), &mut |_, _| {}));
                (acknowledged, to, kept)
            })
            .collect();
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        backups
    });
    let all = everything(&ledger);
    for (acknowledged, to, kept) in backups {
        kept.unwrap();
        let restored = DataDir::open(&to, options.clone()).unwrap().ledger("l").unwrap();
        let events = everything(&restored);
        assert!(events.len() as u64 >= acknowledged.0, "{acknowledged} were acknowledged");
        assert_eq!(events, all[..events.len()]);
        assert_eq!(restored.verify(&mut |_, _| {}).unwrap().damage, []);
    }
}

#[test]
fn segments_that_were_rewritten_and_compressed_are_backed_up_as_they_are_and_cut_at_any_position() {
    let machine = SimulatedMachine::new(19);
    let options = options(&machine);
    let source = data(&options);
    let ledger = source.create_ledger("l").unwrap();
    run(&ledger, 0, 120);
    let first = back_up(&source).unwrap();
    let compress = factum_engine::Compact { compress: true, ..Default::default() };
    let compacted = ledger.compact(compress, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    assert!(compacted.rewritten > 2 && compacted.finished, "{compacted:?}");
    let events = everything(&ledger);
    let second = back_up(&source).unwrap();
    assert!(second.bytes < first.bytes && second.copied > 0, "{second:?} after {first:?}");
    let kept = machine.paths().into_iter().filter(|path| path.starts_with(BACKUP));
    assert!(kept.filter(|path| path.ends_with("00000000000000000001.log")).count() == 0);
    assert_eq!(events_in(&options, BACKUP), events);
    run(&ledger, 120, 160);
    ledger.compact(compress, &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
    back_up(&source).unwrap();
    let events = everything(&ledger);
    for to in (0..=events.len()).step_by(5).chain([events.len()]) {
        let what = Restore { to_position: Some(Position(to as u64)), ..Restore::default() };
        let label = format!("to position {to}");
        let found = restored(&machine.restart(), &what, &label);
        assert!(to - found.len() < 3, "{label}: {} events", found.len());
        assert_eq!(found, events[..found.len()], "{label}");
    }
}
