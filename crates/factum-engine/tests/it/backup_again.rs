//! Backups after something went wrong, or was rewritten: the next one goes on.

use std::{ops::ControlFlow, path::Path};

use factum_engine::{
    Backup, Compact, DataDir, EngineError, Restore,
    machine::{Faults, SimulatedMachine},
};
use factum_store::{Append, Ledger, Position, Revision};
use futures_lite::future::block_on;

use crate::{
    compact::{compact, event, stream},
    compact_again::{filled, hide},
    ledger::{DIR, everything, open, options},
};

/// A backup says when its last event was recorded, also when an older segment is all that it copies.
#[test]
fn a_backup_of_a_rewritten_segment_ends_when_the_ledger_does() {
    let machine = SimulatedMachine::new(6);
    let (source, to) = (Path::new("/cut"), Path::new("/backup"));
    {
        let data = DataDir::open(Path::new(DIR), options(&machine)).unwrap();
        let ledger = data.create_ledger("l").unwrap();
        filled(&ledger);
        hide(&ledger, 0, 100);
        let head = block_on(ledger.head()).unwrap().position;
        ledger.append_blocking(Append::new([event(1_000, None)])).unwrap();
        data.backup(Path::new("/whole"), &mut |_, _| {}).unwrap();
        // What is cut ends with an empty segment.
        let whole = Backup::open(Path::new("/whole"), options(&machine)).unwrap();
        let what = Restore { to_position: Some(head), ..Restore::default() };
        whole.restore(source, &what, &mut |_, _| {}).unwrap();
    }
    let data = DataDir::open(source, options(&machine)).unwrap();
    let ledger = data.ledger("l").unwrap();
    let head = block_on(ledger.head()).unwrap();
    for compacts in [false, true, false] {
        if compacts {
            let done = ledger.compact(Compact::default(), &mut |_| ControlFlow::Continue(()));
            assert!(done.unwrap().rewritten > 0);
        }
        let report = data.backup(to, &mut |_, _| {}).unwrap();
        let ends = report.ledgers.iter().map(|facts| (facts.head, facts.recorded_at));
        assert_eq!(ends.collect::<Vec<_>>(), [(head.position, head.recorded_at)]);
    }
}

/// A directory that says that it is a backup says so after a power cut, too, whatever went wrong
/// before.
#[test]
fn a_backup_that_failed_and_another_that_crashed_are_gone_on_with() {
    for seed in 0..6 {
        let machine = SimulatedMachine::new(seed);
        let known = {
            let ledger = open(&options(&machine)).unwrap();
            filled(&ledger);
            everything(&ledger)
        };
        let backup = |machine: &SimulatedMachine| {
            let data = DataDir::open_read_only(Path::new(DIR), options(machine)).unwrap();
            data.backup(Path::new("/backup"), &mut |_, _| {})
        };
        for (full_at, crash_at) in (1..8).flat_map(|full| [4, 9, 30].map(|crash| (full, crash))) {
            let machine = machine.copy();
            machine.set_faults(Faults { full_at: Some(full_at), ..Faults::default() });
            let _ = backup(&machine);
            machine.set_faults(Faults { crash_at: Some(crash_at), ..Faults::default() });
            let _ = backup(&machine);
            let machine = machine.restart();
            let what = format!("seed {seed}, full at {full_at}, then a crash at {crash_at}");
            backup(&machine).unwrap_or_else(|error| panic!("{what}: {error}"));
            let whole = Backup::open(Path::new("/backup"), options(&machine)).unwrap();
            let to = Path::new("/restored");
            whole.restore(to, &Restore::default(), &mut |_, _| {}).unwrap();
            let restored = DataDir::open(to, options(&machine)).unwrap().ledger("l").unwrap();
            assert_eq!(everything(&restored), known, "{what}");
        }
    }
}

/// What a compaction dropped can't tell any more where its stream ended then: cut there, the stream
/// would give its revisions again.
#[test]
fn g4_a_compacted_ledger_is_not_cut_where_the_end_of_a_stream_is_not_known() {
    let machine = SimulatedMachine::new(7);
    let data = DataDir::open(Path::new(DIR), options(&machine)).unwrap();
    let ledger = data.create_ledger("l").unwrap();
    filled(&ledger);
    hide(&ledger, 0, 145);
    assert!(compact(&ledger).unwrap().dropped > 100);
    let to = Path::new("/backup");
    data.backup(to, &mut |_, _| {}).unwrap();
    let backup = Backup::open(to, options(&machine)).unwrap();
    let restore = |to: &str, position: u64| {
        let what = Restore { to_position: Some(Position(position)), ..Restore::default() };
        backup.restore(Path::new(to), &what, &mut |_, _| {})
    };
    for position in [1, 50, 140] {
        let refused = restore(&format!("/refused-{position}"), position).unwrap_err().to_string();
        let precise = refused.contains("compacted") && refused.contains(stream(0).as_str());
        assert!(precise, "position {position}: {refused}");
    }
    for (position, last) in [(148, 147), (250, 149), (301, 149)] {
        let dir = format!("/restored-{position}");
        restore(&dir, position).unwrap();
        let data = DataDir::open(Path::new(&dir), options(&machine)).unwrap();
        let info = block_on(data.ledger("l").unwrap().stream(stream(0))).unwrap();
        assert_eq!(info.last, Some(Revision(last)), "position {position}");
    }
}

/// Who stops long work hears so, and loses nothing: the last whole backup stays, and the next one
/// goes on.
#[test]
fn what_is_stopped_changes_nothing_and_is_gone_on_with() {
    let machine = SimulatedMachine::new(8);
    let data = DataDir::open(Path::new(DIR), options(&machine)).unwrap();
    let ledger = data.create_ledger("l").unwrap();
    filled(&ledger);
    let after = |steps: usize| {
        let mut left = steps;
        move |_, _| {
            left = left.saturating_sub(1);
            if left == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    };
    assert!(matches!(ledger.verify_while(&mut after(2)), Err(EngineError::Stopped)));
    let to = Path::new("/backup");
    assert!(matches!(data.backup_while(to, &mut after(2)), Err(EngineError::Stopped)));
    let first = data.backup(to, &mut |_, _| {}).unwrap();
    assert!(first.copied < first.bytes, "what was copied before it was stopped stays");
    ledger.append_blocking(Append::new([event(1_000, None)])).unwrap();
    assert!(matches!(data.backup_while(to, &mut after(1)), Err(EngineError::Stopped)));
    let whole = Backup::open(to, options(&machine)).unwrap();
    assert_eq!(whole.ledgers(), first.ledgers);
    assert_eq!(whole.check(&mut |_, _| {}).unwrap(), []);
    assert!(matches!(whole.check_while(&mut after(1)), Err(EngineError::Stopped)));
    assert_eq!(ledger.verify(&mut |_, _| {}).unwrap().damage, []);
}
