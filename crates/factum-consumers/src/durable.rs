//! [`Durable`]: what a group's changes come to. It is all that a restart needs, and its size is
//! bounded by the group's bounds, not by the ledger.

use std::collections::{BTreeMap, BTreeSet};

use factum_store::Position;
use serde::{Deserialize, Serialize};

use crate::{Change, Definition, How, Pace, Reference};

/// A group, as far as it was written down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Durable {
    /// What it is for.
    pub definition: Definition,
    /// How fast, how often and how much.
    pub pace: Pace,
    /// Whether nothing is to be delivered.
    pub paused: bool,
    /// Every matching event up to here is settled or among `kept`.
    pub checkpoint: Position,
    /// Beyond the checkpoint: what is settled already.
    pub done: BTreeSet<Position>,
    /// What is not settled and may lie before the checkpoint.
    #[serde(with = "references")]
    pub kept: BTreeMap<Position, Reference>,
    /// Events acknowledged since the group was made.
    pub acked: u64,
    /// Events skipped since the group was made.
    pub skipped: u64,
    /// Events that their ledger had dropped before they were handled.
    pub gone: u64,
}

impl Durable {
    /// A new group that begins after `start`.
    #[must_use]
    pub fn new(definition: Definition, pace: Pace, start: Position) -> Self {
        Self {
            definition,
            pace,
            paused: false,
            checkpoint: start,
            done: BTreeSet::new(),
            kept: BTreeMap::new(),
            acked: 0,
            skipped: 0,
            gone: 0,
        }
    }

    /// What it is after a change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Kept(reference) => {
                self.kept.insert(reference.position, reference.clone());
            }
            Change::Settled { positions, how } => self.settle(positions, *how),
            Change::Passed(to) => {
                self.checkpoint = (*to).max(self.checkpoint);
                self.done = self.done.split_off(&self.checkpoint.next());
            }
            Change::Paused => self.paused = true,
            Change::Resumed => self.paused = false,
            Change::Paced(pace) => self.pace = *pace,
            Change::Reset(to) => {
                self.checkpoint = *to;
                self.done.clear();
                self.kept.clear();
            }
        }
    }

    fn settle(&mut self, positions: &[Position], how: How) {
        let count = match how {
            How::Acked => &mut self.acked,
            How::Skipped => &mut self.skipped,
            How::Gone => &mut self.gone,
        };
        *count += positions.len() as u64;
        for position in positions {
            self.kept.remove(position);
            if *position > self.checkpoint {
                self.done.insert(*position);
            }
        }
    }
}

/// References know their positions: as JSON they are a list.
mod references {
    use std::collections::BTreeMap;

    use factum_store::Position;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::Reference;

    pub(super) fn serialize<S: Serializer>(
        kept: &BTreeMap<Position, Reference>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(kept.values())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<Position, Reference>, D::Error> {
        let list = Vec::<Reference>::deserialize(deserializer)?;
        Ok(list.into_iter().map(|reference| (reference.position, reference)).collect())
    }
}
