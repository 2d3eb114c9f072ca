//! The writer: one thread that checks, numbers and writes batches, and answers after the sync.
//!
//! `state` decides and is a plain struct; `recent` is what it remembers; `group` is what it has
//! accepted; `thread` owns the thread, the file and the sync; `prepare` is what the caller's own
//! thread does before.

mod group;
mod inbox;
mod prepare;
mod recent;
mod segment_file;
mod state;
mod thread;
mod tips;

pub(crate) use inbox::Inbox;
pub(crate) use prepare::{Prepared, prepare};
pub(crate) use recent::Recent;
pub(crate) use segment_file::SegmentFile;
pub(crate) use state::{State, check_request};
pub(crate) use thread::Writer;
pub(crate) use tips::Tip;
