//! The oracle: each port in the fewest lines that are plainly right. Nothing here survives the
//! process, and every read walks everything; use it in tests.

mod ledger;
mod view_store;

pub use ledger::MemoryLedger;
pub use view_store::MemoryViewStore;
