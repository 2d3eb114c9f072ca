//! What has to be written down: the steps' changes, and how far the checkpoint may move with them.

use factum_store::Position;

use super::{Group, Spot};
use crate::{Change, How, Reference, sabotage::Sabotage};

impl Group {
    /// The checkpoint alone is written down when it has moved this far: what lies between is looked
    /// at again after a restart.
    const PASS_EVERY: u64 = 4_096;

    /// What happened since the last call. The shell writes it down, whole or not at all, before it
    /// answers whoever asked for it and before it draws again; when it can't, this group is to be
    /// dropped and restored from what was written.
    #[must_use]
    pub fn changes(&mut self) -> Vec<Change> {
        self.pass();
        std::mem::take(&mut self.pending)
    }

    /// Every matching event up to here is settled, kept, or waits behind a parked one.
    #[must_use]
    pub fn reached(&self) -> Position {
        let passable = |(position, entry): (&Position, &super::Entry)| {
            entry.spot == Spot::Held || self.durable.kept.contains_key(position)
        };
        let mut ahead = self.open.range(self.durable.checkpoint.next()..);
        ahead.find(|one| !passable(*one)).map_or(self.seen, |(position, _)| position.prev())
    }

    /// Moves the checkpoint as far as it may. What it passes is kept by reference.
    fn pass(&mut self) {
        let from = self.durable.checkpoint;
        // One event that takes for ever must not make those settled behind it pile up.
        let piled = self.durable.done.len() > self.look_ahead;
        let blind = self.switch.is(Sabotage::CheckpointPassesUnsettled);
        let to = if piled || blind { self.seen } else { self.reached() };
        let far = to.0.saturating_sub(from.0) >= Self::PASS_EVERY;
        if to <= from || (self.pending.is_empty() && !far) {
            return;
        }
        let passed =
            self.open.range(from.next()..=to).filter(|(at, _)| !self.durable.kept.contains_key(at));
        let passed: Vec<Reference> = passed.map(|(_, entry)| entry.reference.clone()).collect();
        if !blind {
            let kept = passed.into_iter().filter(|reference| {
                !(reference.is_parked() && self.switch.is(Sabotage::ParkedNotKept))
            });
            kept.collect::<Vec<_>>().into_iter().for_each(|one| self.note(Change::Kept(one)));
        }
        self.note(Change::Passed(to));
    }

    pub(super) fn note(&mut self, change: Change) {
        self.durable.apply(&change);
        self.pending.push(change);
    }

    pub(super) fn settled(&mut self, position: Position, how: How) {
        let positions = vec![position];
        self.durable.apply(&Change::Settled { positions: positions.clone(), how });
        match self.pending.last_mut() {
            Some(Change::Settled { positions, how: same }) if *same == how => {
                positions.push(position);
            }
            _ => self.pending.push(Change::Settled { positions, how }),
        }
    }
}
