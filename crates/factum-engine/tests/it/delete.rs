//! A ledger that is deleted: it is gone whole or there whole, whatever happens in the middle.

use factum_engine::{
    DataDir, EngineError, Options,
    machine::{Faults, SimulatedMachine},
};
use std::path::Path;

use crate::ledger::{DIR, batch, everything, options};

const EVENTS: u64 = 60;

fn data(options: &Options) -> DataDir {
    DataDir::open(Path::new(DIR), options.clone()).unwrap()
}

/// Two ledgers, the first of several segments.
fn filled(machine: &SimulatedMachine) -> DataDir {
    let data = data(&options(machine));
    for name in ["a", "b"] {
        let ledger = data.create_ledger(name).unwrap();
        (0..EVENTS).for_each(|number| {
            ledger.append_blocking(batch(number)).unwrap();
        });
    }
    data
}

fn count(data: &DataDir, name: &str) -> usize {
    everything(&data.ledger(name).unwrap()).len()
}

#[test]
fn what_is_deleted_is_gone_and_its_name_is_free() {
    let machine = SimulatedMachine::new(1);
    let data = filled(&machine);
    let (before, files) = (count(&data, "b"), machine.paths().len());
    data.delete_ledger("a").unwrap();
    assert_eq!(data.ledgers().unwrap(), ["b"]);
    assert!(data.ledger("a").is_err(), "it can't be opened");
    assert!(
        machine.paths().len() < files && !machine.paths().iter().any(|p| p.ends_with("DELETED"))
    );
    data.delete_ledger("a").unwrap();
    let again = data.create_ledger("a").unwrap();
    assert!(everything(&again).is_empty(), "nothing of the first one is in the second");
    assert_eq!(count(&data, "b"), before);
}

#[test]
fn what_somebody_works_with_is_not_deleted() {
    let machine = SimulatedMachine::new(2);
    let data = filled(&machine);
    let held = data.ledger("a").unwrap();
    assert!(matches!(data.delete_ledger("a"), Err(EngineError::InUse(name)) if name == "a"));
    held.append_blocking(batch(EVENTS)).unwrap();
    drop(held);
    data.delete_ledger("a").unwrap();
    let read_only = DataDir::open_read_only(Path::new(DIR), options(&machine)).unwrap();
    assert!(matches!(read_only.delete_ledger("b"), Err(EngineError::ReadOnly(_))));
}

/// Killed, or without power, at every call that changes the disk.
#[test]
fn g1_a_crash_leaves_all_of_it_or_nothing() {
    for power in [false, true] {
        let (mut whole, mut gone) = (0, 0);
        for at in 1.. {
            let machine = SimulatedMachine::new(at);
            let data = filled(&machine);
            let before = count(&data, "a");
            machine.set_faults(Faults { crash_at: Some(at), ..Faults::default() });
            let done = data.delete_ledger("a").is_ok();
            let crashed = machine.crashed();
            drop(data);
            let machine = if power { machine.restart() } else { machine.kill() };
            let data = self::data(&options(&machine));
            match data.ledgers().unwrap().as_slice() {
                [a, b] if a == "a" && b == "b" => {
                    assert!(!done, "call {at}: it was said to be gone");
                    assert_eq!(count(&data, "a"), before, "call {at}: a part is left");
                    whole += 1;
                }
                [b] if b == "b" => {
                    assert!(everything(&data.create_ledger("a").unwrap()).is_empty(), "call {at}");
                    gone += 1;
                }
                other => panic!("call {at}: {other:?}"),
            }
            assert_eq!(count(&data, "b"), before, "call {at}: the other ledger");
            if !crashed {
                break;
            }
        }
        assert!(whole > 0 && gone > 1, "both were seen: {whole}, {gone}");
    }
}
