//! The oracle itself passes the suites; and the shared words are checked.

mod limits;
mod names;
mod query;

use std::sync::Arc;

use factum_store::{
    conformance,
    memory::{MemoryLedger, MemoryViewStore},
};

#[test]
fn the_memory_ledger_keeps_a_ledgers_promises() {
    conformance::ledger(&|| Arc::new(MemoryLedger::new()));
}

#[test]
fn the_memory_view_store_keeps_a_view_stores_promises() {
    conformance::view_store(&|| Arc::new(MemoryViewStore::new()));
}

#[test]
fn in_the_memory_ledger_events_grow_old() {
    let ledger = MemoryLedger::new();
    let clock = ledger.clone();
    conformance::ageing_ledger((Arc::new(ledger), Box::new(move |now| clock.set_time(now))));
}
