//! Views on SQLite: [`SqliteViews`] implements [`ViewStore`](factum_store::ViewStore).
//!
//! * Each view is one database file of its own, `<dir>/<view>.sqlite`: views commit without waiting
//!   for each other (G11), and any of them can be deleted alone and is built again.
//! * Rows and checkpoint commit in one transaction (G7). `synchronous = NORMAL` is enough: what a
//!   power cut takes back it takes back together, and it is projected again from the ledger.
//! * A keyframe is a copy of such a file at a position, with the hash of its bytes in its name;
//!   a scratch copy is one in memory.
//! * A projector's SQL may use nothing but its own tables and its parameters; see `authorizer`.
//!
//! Calls do their work in the future that they return, on the caller's thread: an application whose
//! executor must not wait for a disk calls them from a thread where waiting is allowed.

mod authorizer;
mod error;
mod keyframe;
mod rows;
mod store;
mod view_file;

pub use store::SqliteViews;
