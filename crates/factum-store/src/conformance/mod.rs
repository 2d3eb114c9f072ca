//! The suites that every implementation of a port passes: one file a subject, one entry a port.
//!
//! ```ignore
//! #[test]
//! fn the_ledger_keeps_its_promises() {
//!     factum_store::conformance::ledger(&|| Arc::new(MyLedger::fresh()));
//! }
//! ```
//!
//! Each case gets a fresh, empty ledger or store from the function it is given. A case that fails
//! panics with what was promised. The random case prints its seed.

mod ageing;
mod append;
mod events;
mod fidelity;
mod keys;
mod limits;
mod oracle;
mod race;
mod read;
mod retention;
mod subscribe;
mod view;
mod view_whole;
mod wake;

use std::sync::Arc;

pub use ageing::AgeingLedger;

use crate::{Ledger, ViewStore};

/// Makes a fresh, empty ledger.
pub type FreshLedger<'a> = &'a dyn Fn() -> Arc<dyn Ledger>;

/// Everything that [`Ledger`] promises.
pub fn ledger(fresh: FreshLedger<'_>) {
    append::cases(fresh);
    fidelity::cases(fresh);
    limits::cases(fresh);
    keys::cases(fresh);
    read::cases(fresh);
    retention::cases(fresh);
    subscribe::cases(fresh);
    wake::cases(fresh);
    race::cases(fresh);
    for seed in 0..8 {
        oracle::compare(&*fresh(), seed);
    }
}

/// What [`Ledger`] promises of events that grow old, where the clock can be set.
pub fn ageing_ledger(fresh: AgeingLedger) {
    ageing::case(fresh);
}

/// Everything that [`ViewStore`] promises of documents.
pub fn view_store(fresh: &dyn Fn() -> Arc<dyn ViewStore>) {
    view::cases(fresh);
    view_whole::cases(fresh);
}
