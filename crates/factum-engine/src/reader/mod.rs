//! The reader: pages, look-ups and subscriptions over a consistent snapshot of what is durable.
//! It never blocks the writer (G11) and never shows what was not synced (G2, G3).

mod explain;
mod heeded;
pub(crate) mod lookup;
mod page;
pub(crate) mod retention;
mod scan;
mod search;
mod segment;
mod snapshot;
mod subscription;
#[cfg(test)]
mod tests;

pub use explain::{Explain, SegmentPlan};
pub(crate) use heeded::{Heeded, Sight};
pub(crate) use page::{check_limit, explain, read};
pub(crate) use scan::scan;
pub(crate) use segment::{IndexedSegment, SegmentIndex};
pub(crate) use snapshot::Snapshot;
pub(crate) use subscription::Subscription;
