//! [`Lines`]: for each key the open events that share it, in order. An event's turn comes when it is
//! the first in all of its lines.

use std::collections::{BTreeSet, HashMap};

use factum_store::Position;

use crate::{Key, Reference};

#[derive(Debug, Default)]
pub(super) struct Lines {
    lines: HashMap<Key, BTreeSet<Position>>,
}

impl Lines {
    pub(super) fn enter(&mut self, reference: &Reference) {
        for key in &reference.keys {
            self.lines.entry(key.clone()).or_default().insert(reference.position);
        }
    }

    /// Takes an event out of its lines.
    pub(super) fn leave(&mut self, reference: &Reference) {
        for key in &reference.keys {
            let Some(line) = self.lines.get_mut(key) else { continue };
            line.remove(&reference.position);
            if line.is_empty() {
                self.lines.remove(key);
            }
        }
    }

    /// Whether nothing stands before it.
    pub(super) fn is_first(&self, reference: &Reference) -> bool {
        self.before(reference).next().is_none()
    }

    /// Those that stand directly before it, one a line at most.
    pub(super) fn before(&self, reference: &Reference) -> impl Iterator<Item = Position> {
        let lines = reference.keys.iter().filter_map(|key| self.lines.get(key));
        lines.filter_map(|line| line.range(..reference.position).next_back().copied())
    }

    /// Those that stand directly behind it, or behind where it stood.
    pub(super) fn behind(&self, reference: &Reference) -> impl Iterator<Item = Position> {
        let lines = reference.keys.iter().filter_map(|key| self.lines.get(key));
        lines.filter_map(|line| line.range(reference.position.next()..).next().copied())
    }

    pub(super) fn clear(&mut self) {
        self.lines.clear();
    }
}
