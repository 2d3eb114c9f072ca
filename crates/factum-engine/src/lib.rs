//! The embedded ledger: segments of checksummed frames, group commit with one sync, immutable
//! index files, subscriptions. Synchronous inside; its port is futures that need no runtime.
//!
//! ```text
//!   append ─► writer::prepare ─► inbox ─► writer::state ─► one write, one sync ─► shared ─► answers
//!   read   ─► shared (a snapshot) ─► index ─► log
//! ```
//!
//! * The log is the truth; index files are derived, and built again when missing or damaged.
//! * One door to disk, clock and randomness: [`machine`].
//! * `FORMAT.md` describes every byte on disk.
//!
//! Not here: anything of a domain, JSON, an async runtime, a protocol.

mod backup;
mod compact;
mod data_dir;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod generations;
mod index;
mod ledger;
mod log;
pub mod machine;
mod options;
mod reader;
mod repair;
mod sabotage;
mod salvage;
mod sealing;
mod shared;
#[cfg(feature = "simulation")]
mod simulation;
mod verify;
mod whole;
mod writer;

pub use backup::{Backup, BackupReport, LedgerFacts, Restore, RestoreReport};
pub use compact::{Compact, Compacted};
pub use data_dir::DataDir;
pub use error::{Damage, EngineError};
pub use index::{IndexCache, IndexError, ItemPlan, Role, TermPlan};
pub use ledger::EngineLedger;
pub use log::{EventRef, TagsRef};
pub use options::Options;
pub use reader::{Explain, SegmentPlan};
pub use repair::Repaired;
#[cfg(feature = "sabotage")]
pub use sabotage::Sabotage;
#[cfg(feature = "simulation")]
pub use simulation::{Answered, HandDriven};
pub use verify::{Inspection, SegmentFacts, Verification};
