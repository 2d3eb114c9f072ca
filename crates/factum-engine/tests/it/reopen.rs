//! What the simulation found, each with its story: a ledger that is opened again after a kill, a
//! failed sync or a full disk, and then loses its power. What a reader was shown stays.

use factum_engine::{
    EngineLedger,
    machine::{Faults, SimulatedMachine},
};
use factum_store::{Append, AppendError, RecordedEvent};

use crate::ledger::{batch, event, everything, open, options};

/// Appends until something fails.
fn fill(ledger: &EngineLedger, from: u64, to: u64) -> u64 {
    (from..to).take_while(|number| ledger.append_blocking(batch(*number)).is_ok()).count() as u64
}

fn starts_with(now: &[RecordedEvent], before: &[RecordedEvent], what: &str) {
    assert!(now.starts_with(before), "{what}: {} of {} events left", now.len(), before.len());
}

/// A process was killed between a write and its sync, or between giving a segment its name and
/// making the name durable. The next one read both from memory, showed the events and went on
/// behind them; with the power they were gone.
#[test]
fn g2_what_is_shown_after_a_kill_survives_a_power_cut() {
    for at in 1..120 {
        let machine = SimulatedMachine::new(at);
        machine.set_faults(Faults { crash_at: Some(at), ..Faults::default() });
        let done = open(&options(&machine)).map_or(0, |ledger| fill(&ledger, 0, 40));
        let machine = machine.kill();
        let ledger = open(&options(&machine)).unwrap();
        fill(&ledger, done + 1, done + 3);
        let shown = everything(&ledger);
        let machine = machine.restart();
        drop(ledger);
        let ledger = open(&options(&machine)).unwrap_or_else(|e| panic!("killed at {at}: {e}"));
        starts_with(&everything(&ledger), &shown, &format!("killed at call {at}"));
    }
}

/// After a sync that failed, the kernel keeps what was written in memory and takes it for clean: it
/// is read, and a later sync does not write it.
#[test]
fn g2_what_is_shown_after_a_failed_sync_survives_a_power_cut() {
    for failing in 1..40 {
        let machine = SimulatedMachine::new(failing);
        let ledger = open(&options(&machine)).unwrap();
        machine.set_faults(Faults { failing_sync: Some(failing), ..Faults::default() });
        fill(&ledger, 0, 40);
        drop(ledger);
        machine.set_faults(Faults::default());
        let ledger = open(&options(&machine)).unwrap();
        let shown = everything(&ledger);
        let machine = machine.restart();
        drop(ledger);
        let what = format!("sync {failing} failed");
        let ledger = open(&options(&machine)).unwrap_or_else(|error| panic!("{what}: {error}"));
        starts_with(&everything(&ledger), &shown, &what);
    }
}

/// A sync that failed while the ledger was opened: the mark was read from memory by the next opening,
/// and was half on the disk. The next batch went into another segment, and with the power the closed
/// one ended in half a mark, which was taken for damage.
#[test]
fn g2_half_a_mark_behind_a_closed_segment_is_nobodys() {
    // A mark is torn where it lies in two sectors: so the ledger has all kinds of lengths.
    for (seed, failing, crash_at) in (0..24)
        .flat_map(|seed| (2..4).flat_map(move |failing| (4..16).map(move |at| (seed, failing, at))))
    {
        let what = format!("seed {seed}, sync {failing} failed, then a crash at {crash_at}");
        let machine = SimulatedMachine::new(seed);
        let ledger = open(&options(&machine)).unwrap();
        fill(&ledger, 0, 1 + seed);
        let machine = machine.kill();
        drop(ledger);
        machine.set_faults(Faults { failing_sync: Some(failing), ..Faults::default() });
        drop(open(&options(&machine)));
        machine.set_faults(Faults::default());
        let ledger = open(&options(&machine)).unwrap_or_else(|error| panic!("{what}: {error}"));
        let shown = everything(&ledger);
        machine.set_faults(Faults { crash_at: Some(crash_at), ..Faults::default() });
        let large = (0..200).map(|i| event(1_000 + i));
        let _ = ledger.append_blocking(Append::new(large));
        let machine = machine.restart();
        drop(ledger);
        let ledger = open(&options(&machine)).unwrap_or_else(|error| panic!("{what}: {error}"));
        starts_with(&everything(&ledger), &shown, &what);
    }
}

/// A disk that was full when the ledger was opened took a part of the mark. The next batch went into
/// another segment, and with the power the cut of this one was lost: it ended in that part, which was
/// taken for damage.
#[test]
fn g2_a_mark_for_which_there_was_no_room_leaves_nothing_behind() {
    for (seed, full_at, crash_at) in (0..12)
        .flat_map(|seed| (4..7).flat_map(move |full| (4..22).map(move |at| (seed, full, at))))
    {
        let what = format!("seed {seed}, full at {full_at}, then a crash at {crash_at}");
        let machine = SimulatedMachine::new(seed);
        let ledger = open(&options(&machine)).unwrap();
        fill(&ledger, 0, 4);
        let machine = machine.kill();
        drop(ledger);
        machine.set_faults(Faults { full_at: Some(full_at), ..Faults::default() });
        let Ok(ledger) = open(&options(&machine)) else { continue };
        let shown = everything(&ledger);
        machine.set_faults(Faults { crash_at: Some(crash_at), ..Faults::default() });
        let large = (0..200).map(|i| event(1_000 + i));
        let _ = ledger.append_blocking(Append::new(large));
        let machine = machine.restart();
        drop(ledger);
        let ledger = open(&options(&machine)).unwrap_or_else(|error| panic!("{what}: {error}"));
        starts_with(&everything(&ledger), &shown, &what);
    }
}

/// A disk that is full when the next segment gets its name was taken for a refusal. The name was
/// there, a smaller batch went into the old segment, and two segments had the same positions.
#[test]
fn g3_a_disk_that_is_full_at_any_call_never_leaves_two_segments_with_the_same_positions() {
    let mut refused = 0;
    for at in 1..200 {
        let machine = SimulatedMachine::new(at);
        let ledger = open(&options(&machine)).unwrap();
        machine.set_faults(Faults { full_at: Some(at), ..Faults::default() });
        let mut acknowledged = Vec::new();
        for number in 0..80 {
            // A large batch, which rolls, and then a small one, for which there would be room.
            let many = if number % 4 == 3 { 30 } else { 1 };
            let events = (0..many).map(|i| event(number * 100 + i));
            match ledger.append_blocking(Append::new(events)) {
                Ok(receipt) => acknowledged.push(receipt.last.0),
                Err(AppendError::Full(_)) => refused += 1,
                Err(_) => break,
            }
        }
        machine.set_faults(Faults::default());
        let what = format!("full at call {at}");
        drop(ledger);
        let ledger = open(&options(&machine)).unwrap_or_else(|error| panic!("{what}: {error}"));
        let last = acknowledged.last().copied().unwrap_or_default();
        assert!(everything(&ledger).len() as u64 >= last, "{what}");
    }
    assert!(refused > 10, "{refused}");
}

/// A read that ended early was taken for the end of the ledger.
#[test]
fn g10_a_read_that_ends_early_is_no_end_of_the_ledger() {
    let machine = SimulatedMachine::new(1);
    let ledger = open(&options(&machine)).unwrap();
    fill(&ledger, 0, 20);
    let events = everything(&ledger);
    drop(ledger);
    let mut errors = 0;
    for at in 1..20 {
        let copy = machine.copy();
        copy.set_faults(Faults { short_read: Some(at), ..Faults::default() });
        match open(&options(&copy)) {
            Ok(ledger) => assert_eq!(everything(&ledger), events, "read {at} ends early"),
            Err(_) => errors += 1,
        }
    }
    assert!(errors > 0);
}

/// The index file of a closed segment could not be written, so its index stayed in memory, and
/// `verify` took the segment for the active one, which ends at the head.
#[test]
fn a_segment_whose_index_could_not_be_written_is_not_damaged() {
    let mut without = 0;
    for at in 1..120 {
        let machine = SimulatedMachine::new(at);
        let ledger = open(&options(&machine)).unwrap();
        machine.set_faults(Faults { full_at: Some(at), ..Faults::default() });
        fill(&ledger, 0, 100);
        let segments = ledger.inspect().unwrap().segments;
        without += segments.iter().rev().skip(1).filter(|s| s.index_bytes.is_none()).count();
        assert_eq!(ledger.verify(&mut |_, _| {}).unwrap().damage, [], "full at call {at}");
    }
    assert!(without > 0);
}

/// A condition was answered from events of its own group before they were durable; then their sync
/// failed, and the caller had been told of events that never were.
#[cfg(feature = "simulation")]
#[test]
fn g3_a_conflict_waits_until_the_events_in_its_way_are_durable() {
    use factum_engine::{DataDir, HandDriven};
    use factum_store::{Append, Condition, Position, Query};

    let machine = SimulatedMachine::new(1);
    let data = DataDir::open(std::path::Path::new("/data"), options(&machine)).unwrap();
    let mut hand = HandDriven::open(&data, "l").unwrap();
    let alone = Condition::NoMatch { query: Query::all(), after: Position::START };
    let first = hand.ledger().submit(Append::new([event(1)])).unwrap();
    let second = hand.ledger().submit(Append::new([event(2)]).when(alone)).unwrap();
    machine.set_faults(Faults { failing_sync: Some(1), sticky: true, ..Faults::default() });
    hand.turn();
    assert!(matches!(first.try_recv(), Ok(Err(AppendError::OutcomeUnknown(_)))));
    let second = second.try_recv();
    assert!(matches!(second, Ok(Err(AppendError::Unavailable(_)))), "{second:?}");
}
