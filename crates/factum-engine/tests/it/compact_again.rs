//! Compactions that meet something else: appends that close a segment meanwhile, another compaction
//! that failed before.

use std::ops::ControlFlow;

use factum_engine::{
    Compact, EngineLedger,
    machine::{Faults, SimulatedMachine},
};
use factum_store::{
    Append, EventId, Ledger, NewEvent, Position, QueryItem, Read, Retention, Revision,
    StreamMetadata, Tag,
};
use futures_lite::future::block_on;

use crate::{
    compact::{compact, event, stream},
    ledger::{all_of, everything, open, options},
};

/// 300 events in several segments, of one stream and then of another.
pub(crate) fn filled(ledger: &EngineLedger) {
    for number in 0..300 {
        ledger.append_blocking(Append::new([event(number, Some(stream(number / 150)))])).unwrap();
    }
}

pub(crate) fn hide(ledger: &EngineLedger, number: u64, before: u64) {
    let truncate_before = Some(Revision(before));
    let retention = Retention { truncate_before, ..Retention::default() };
    let said = StreamMetadata::keeping(retention).event(&stream(number)).unwrap();
    ledger.append_blocking(Append::new([said])).unwrap();
}

fn count(ledger: &EngineLedger, number: u64) -> usize {
    let named = |event: &factum_store::RecordedEvent| {
        event.stream.as_ref().is_some_and(|place| place.name == stream(number))
    };
    everything(ledger).iter().filter(|event| named(event)).count()
}

/// What was said after it began is for the next run, also when the segment in which it was said was
/// closed meanwhile.
#[test]
fn what_is_hidden_is_decided_at_the_head_that_a_run_takes() {
    let ledger = open(&options(&SimulatedMachine::new(1))).unwrap();
    filled(&ledger);
    hide(&ledger, 0, 5);
    hide(&ledger, 1, 2);
    let mut told = 0;
    let done = ledger.compact(Compact::default(), &mut |_| {
        told += 1;
        if told == 1 {
            hide(&ledger, 1, 50);
            for number in 200..300 {
                ledger.append_blocking(Append::new([event(number, None)])).unwrap();
            }
        }
        ControlFlow::Continue(())
    });
    assert!(done.unwrap().finished && told > 2);
    assert_eq!((count(&ledger, 0), count(&ledger, 1)), (145, 148));
    assert!(compact(&ledger).unwrap().dropped > 0);
    assert_eq!((count(&ledger, 0), count(&ledger, 1)), (145, 100));
}

/// A compaction that fails may have put a segment's next generation in its place all the same. The
/// next one writes that generation again, by what is hidden then.
#[test]
fn g3_g10_a_crash_in_a_compaction_after_one_that_failed_leaves_no_index_of_another() {
    let prepared = || {
        let machine = SimulatedMachine::new(3);
        let ledger = open(&options(&machine)).unwrap();
        for number in 0..120 {
            let of = Some(stream(number % 2)).filter(|_| number < 60);
            let id = Some(EventId(uuid::Uuid::from_u128(u128::from(number) + 1)));
            let event = NewEvent { id, ..event(number, of) };
            ledger.append_blocking(Append::new([event])).unwrap();
        }
        hide(&ledger, 0, 12);
        (machine, ledger)
    };
    let (calls, tags) = {
        let (machine, ledger) = prepared();
        machine.set_faults(Faults::default());
        compact(&ledger).unwrap();
        (machine.calls(), (0..7).map(|n| Tag::of("n", n).unwrap()))
    };
    let mut failed = 0;
    for full_at in 1..=calls.min(24) {
        for crash_at in 1..=24 {
            let what = format!("full at {full_at}, then a crash at {crash_at}");
            let (machine, ledger) = prepared();
            machine.set_faults(Faults { full_at: Some(full_at), ..Faults::default() });
            failed += u64::from(compact(&ledger).is_err());
            machine.set_faults(Faults::default());
            // What was hidden is shown again, and something else is hidden.
            hide(&ledger, 0, 3);
            hide(&ledger, 1, 20);
            machine.set_faults(Faults { crash_at: Some(crash_at), ..Faults::default() });
            let _ = compact(&ledger);
            drop(ledger);
            let machine = machine.kill();
            let ledger = open(&options(&machine)).unwrap();
            let damage = ledger.verify(&mut |_, _| {}).unwrap().damage;
            assert_eq!(damage, [], "{what}");
            let all = everything(&ledger);
            for tag in tags.clone() {
                let item = QueryItem { system: true, ..QueryItem::tags([tag.clone()]) };
                let found = all_of(&ledger, Read::new(item.into())).unwrap();
                let there: Vec<_> =
                    all.iter().filter(|event| event.tags.contains(&tag)).cloned().collect();
                assert_eq!(found, there, "{what}: {tag}");
            }
            let head = block_on(ledger.head()).unwrap().position;
            assert_eq!(head, Position(123), "{what}");
        }
    }
    assert!(failed > 100);
}
