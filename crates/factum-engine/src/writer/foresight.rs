//! [`Foresight`]: what the caller's own thread finds out about the past of a batch, so that the
//! writer has to look at the present only.
//!
//! What is durable doesn't change: a condition that holds up to a head always holds up to there. So
//! what may need the index files is asked before a batch is handed in, by as many threads as there
//! are callers, and the writer asks of what came since, which it has in memory. Protects G4 and G5:
//! foresight is a lower bound that the writer goes on from, never an answer.

use std::sync::atomic::{AtomicU64, Ordering};

use factum_store::{Append, Condition, Position, StreamName};
use parking_lot::Mutex;

use super::tips::{Tip, Tips};
use crate::{
    error::EngineError,
    reader::{Snapshot, lookup, retention},
};

/// What the writer remembers, as far as callers want to know it.
#[derive(Default)]
pub(crate) struct Memory {
    /// The streams of late.
    pub(super) tips: Mutex<Tips>,
    /// What was last seen at or before this may be forgotten.
    floor: AtomicU64,
}

impl Memory {
    pub(super) fn set_floor(&self, floor: Position) {
        self.floor.store(floor.0, Ordering::Relaxed);
    }

    fn floor(&self) -> Position {
        Position(self.floor.load(Ordering::Relaxed))
    }

    /// The streams of a batch whose ends the writer may have forgotten.
    fn forgotten<'a>(&self, append: &'a Append) -> Vec<&'a StreamName> {
        if self.floor() == Position::START {
            return Vec::new();
        }
        let written = append.events.iter().filter_map(|event| event.stream.as_ref());
        let asked = append.conditions.iter().filter_map(|condition| match condition {
            Condition::Revision { stream, .. } => Some(stream),
            Condition::NoMatch { .. } => None,
        });
        let mut streams: Vec<_> = written.chain(asked).collect();
        streams.sort_unstable();
        streams.dedup();
        if !streams.is_empty() {
            let tips = self.tips.lock();
            streams.retain(|stream| tips.get(stream).is_none());
        }
        streams
    }
}

/// What is known of a batch up to a durable head.
#[derive(Default)]
pub(crate) struct Foresight {
    /// The head that was looked at.
    upto: Position,
    /// Whether the batch's key was looked for, and not found.
    key_is_new: bool,
    /// The conditions that hold, by their places.
    holding: Vec<usize>,
    /// Where streams end.
    tips: Vec<(StreamName, Option<Tip>)>,
}

impl Foresight {
    /// Looks at what the writer may have forgotten.
    pub(crate) fn of(
        append: &Append,
        memory: &Memory,
        snapshot: impl FnOnce() -> Result<Snapshot, EngineError>,
    ) -> Result<Self, EngineError> {
        let floor = memory.floor();
        let key = append.key.as_ref().filter(|_| floor > Position::START);
        let old =
            append.conditions.iter().enumerate().filter_map(|(index, condition)| match condition {
                Condition::NoMatch { query, after } if *after < floor => {
                    Some((index, query, *after))
                }
                _ => None,
            });
        let old: Vec<_> = old.collect();
        let streams = memory.forgotten(append);
        if key.is_none() && old.is_empty() && streams.is_empty() {
            return Ok(Self::default());
        }
        let snapshot = snapshot()?;
        let mut foresight = Self { upto: snapshot.head.position, ..Self::default() };
        if let Some(key) = key {
            foresight.key_is_new = lookup::receipt(&snapshot, key)?.is_none();
        }
        for (index, query, after) in old {
            if lookup::first_matches(&snapshot, query, after, 1)?.is_empty() {
                foresight.holding.push(index);
            }
        }
        for stream in streams {
            foresight.tips.push((stream.clone(), retention::tip(&snapshot, stream)?));
        }
        Ok(foresight)
    }

    /// Up to where the condition in a place is known to hold, at least.
    pub(super) fn holds_upto(&self, index: usize, after: Position) -> Position {
        if self.holding.contains(&index) { self.upto.max(after) } else { after }
    }

    /// Up to where the batch's key is known not to be, if it was looked for.
    pub(super) fn key_is_new_upto(&self) -> Option<Position> {
        self.key_is_new.then_some(self.upto)
    }

    /// The end that a stream had at a head, if it was looked for.
    pub(super) fn tip(&self, stream: &StreamName) -> Option<(Option<Tip>, Position)> {
        let (_, tip) = self.tips.iter().find(|(name, _)| name == stream)?;
        Some((*tip, self.upto))
    }
}
