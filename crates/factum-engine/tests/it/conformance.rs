//! The suite of the port: with everything in one small segment, over many, and on the real disk.

use std::{cell::Cell, path::Path, sync::Arc};

use factum_engine::{DataDir, Options, machine::SimulatedMachine};
use factum_store::conformance;

use crate::ledger::options;

#[test]
fn the_embedded_ledger_keeps_a_ledgers_promises_over_many_segments() {
    conformance::ledger(&|| {
        let machine = SimulatedMachine::new(7);
        let data = DataDir::open(Path::new("/data"), options(&machine)).unwrap();
        Arc::new(data.create_ledger("l").unwrap())
    });
}

#[test]
fn the_embedded_ledger_keeps_a_ledgers_promises_on_a_real_disk() {
    let dir = tempfile::tempdir().unwrap();
    let data = DataDir::open(dir.path(), Options::default()).unwrap();
    let number = Cell::new(0);
    conformance::ledger(&|| {
        number.set(number.get() + 1);
        Arc::new(data.create_ledger(&format!("l{}", number.get())).unwrap())
    });
}

#[test]
fn in_the_embedded_ledger_events_grow_old() {
    let machine = SimulatedMachine::new(7);
    let data = DataDir::open(Path::new("/data"), options(&machine)).unwrap();
    let ledger = Arc::new(data.create_ledger("l").unwrap());
    conformance::ageing_ledger((ledger, Box::new(move |now| machine.set_now(now))));
}
