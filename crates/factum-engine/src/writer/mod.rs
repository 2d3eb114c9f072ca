//! The writer: one thread that checks, numbers and writes batches, and answers after the sync.
//!
//! `prepare` and `foresight` are what the caller's own thread does before: encode, and look at the
//! past. `state` decides and is a plain struct; `recent` and `tips` are what it remembers; `group` is
//! what it has accepted; `thread` owns the thread, the file and the sync; `patience` says how long to
//! wait for more.

mod foresight;
mod group;
mod inbox;
mod patience;
mod prepare;
mod recent;
mod segment_file;
mod state;
mod thread;
mod tips;

pub(crate) use foresight::{Foresight, Memory};
pub(crate) use inbox::Inbox;
pub(crate) use patience::Patience;
pub(crate) use prepare::{Prepared, prepare};
pub(crate) use recent::Recent;
pub(crate) use segment_file::SegmentFile;
pub(crate) use state::{State, check_request};
pub(crate) use thread::Writer;
pub(crate) use tips::Tip;
