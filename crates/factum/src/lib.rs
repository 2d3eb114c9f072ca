//! The framework that users add: it runs domain code against a ledger and keeps views.
//!
//! ```text
//!   App::run ──► run::command: read, decide, append (retry on conflict) ──► Ledger
//!   Ledger ──► run::projector, one thread a view ──► ViewStore ──► App::view
//! ```
//!
//! Start with [`prelude`] and [`App`]. `examples/bank.rs` is a whole application. Only `open` and
//! `remote` name adapters; everything else works over the ports of `factum-store`, so an application is the
//! same embedded, in a test, and on another store.
//!
//! What is not promised: effects on the outside world happen at least once; views follow the ledger
//! (a read that must see a write says `after`); order by wall clock across machines.

mod app;
mod fault;
mod fold;
mod key;
mod observe;
#[cfg(all(feature = "embedded", feature = "sqlite"))]
mod open;
#[cfg(any(all(feature = "embedded", feature = "sqlite"), feature = "remote"))]
mod opening;
mod outcome;
pub mod prelude;
mod read;
#[cfg(feature = "remote")]
mod remote;
mod run;
#[cfg(all(feature = "embedded", feature = "sqlite"))]
mod upkeep;
mod view;

#[doc(hidden)]
pub use factum_domain::__private;

pub use app::{App, AppBuilder, FailingEvent, ViewStatus};
pub use factum_domain::*;
pub use factum_store as store;
pub use fault::{Fault, RunError};
pub use fold::{FoldAnswer, FoldHandle, FoldRead};
pub use key::append_key;
pub use observe::{Ending, Observed, Observer, Step};
#[cfg(all(feature = "embedded", feature = "sqlite"))]
pub use open::{
    Compact, Compacted, Damage, LedgerReport, SegmentReport, Store, StoreOptions, VerifyReport,
};
#[cfg(any(all(feature = "embedded", feature = "sqlite"), feature = "remote"))]
pub use opening::Opening;
pub use outcome::{Done, Outcome, Token};
pub use read::{AsOf, GetState, State};
pub use run::{Run, RunNamed, SNAPSHOT_EVERY};
#[cfg(all(feature = "embedded", feature = "sqlite"))]
pub use upkeep::{Backup, BackupReport, LedgerFacts, RepairReport, Restore, RestoreReport};
pub use view::{Answer, Freshness, ViewHandle, ViewRead};

/// A new id of a UUID id type: version 7, so ids sort by the time they were made.
#[must_use]
pub fn new_id<I: From<uuid::Uuid>>() -> I {
    I::from(uuid::Uuid::now_v7())
}

/// The README's code compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
