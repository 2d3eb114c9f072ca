//! [`Change`]: what has to be written down before it counts. The changes of a step are written
//! together, or not at all.

use factum_store::Position;
use serde::{Deserialize, Serialize};

use crate::{Pace, Reference};

/// What happened to a group. As JSON these stay readable by every later version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// An event is not settled, and is known by this reference, instead of an earlier one.
    Kept(Reference),
    /// These are settled, and never delivered again.
    Settled {
        /// Which.
        positions: Vec<Position>,
        /// By whom.
        how: How,
    },
    /// Every matching event up to here is settled or kept.
    Passed(Position),
    /// Nothing is delivered from now on.
    Paused,
    /// Events are delivered again.
    Resumed,
    /// How fast, how often and how much.
    Paced(Pace),
    /// All is forgotten; it begins anew after this position.
    Reset(Position),
}

/// Who settled an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// The consumer that had it.
    Acked,
    /// Somebody who decided about a parked one.
    Skipped,
    /// Nobody: its ledger has dropped it.
    Gone,
}
