//! Consumer groups: the shell around [`factum_consumers::Group`]. Each group has a task of its own
//! that is the only one to touch it:
//!
//! ```text
//!   answers, steering ─► inbox ─┐                     ┌─► the journal (one sync for all that came)
//!   the ledger's events ─► feed ├─► steps ─► changes ─┤
//!   time ───────────────────────┘                     └─► then: answers, and the next deliveries
//! ```
//!
//! Nothing is answered, and nothing is delivered on its ground, before it is durable.

mod clock;
mod draw;
mod drawing;
mod feed;
mod groups;
mod journal;
mod keeper;
mod name;
mod room;
#[cfg(test)]
mod tests;

pub(crate) use draw::{Drawn, Given, State};
pub(crate) use groups::{Groups, NewGroup, Tally};
pub(crate) use name::GroupName;
