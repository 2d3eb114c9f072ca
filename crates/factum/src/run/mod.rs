//! What runs: commands against the ledger, projectors against the view store.

mod as_of;
mod command;
mod follow;
mod load;
mod projection;
mod projector;
mod record;
mod snapshot;

pub use command::{Run, RunNamed};
pub use load::SNAPSHOT_EVERY;

pub(crate) use as_of::{checkpoint_at, scratch_at};
pub(crate) use load::{Loaded, load, load_at_most};
pub(crate) use projector::{Projector, Running, Status};
pub(crate) use snapshot::Snapshots;
