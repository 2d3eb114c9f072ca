//! [`Tips`]: where streams end, in bounded memory, and what their last event means for them.
//!
//! Protects G4 and G12: what is not here is asked of the durable ledger, never guessed; and what a
//! group added is here until it is durable.

use std::collections::HashMap;

use factum_store::{EventType, Retention, Revision, StreamName, StreamPlace, Tag};

/// Streams that are remembered, in each of two generations, beside those of one group.
const STREAMS_MAX: usize = 65_536;

/// The last event of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    pub(crate) revision: Revision,
    pub(crate) says: Says,
}

/// What the last event of a stream says of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    /// Nothing that an append depends on.
    Nothing,
    /// Its own stream is ended for ever.
    Ended,
    /// The stream that it is the metadata of is deleted, if that ends before this revision.
    DeletedBefore(Revision),
}

impl Tip {
    /// What an event is as the last one of its stream.
    pub(crate) fn of(revision: Revision, event_type: &EventType, tags: &[Tag]) -> Self {
        let says = match event_type {
            name if name.is_tombstone() => Says::Ended,
            // What can't be read was not let in.
            name if name.is_metadata() => Retention::of_tags(tags).map_or(Says::Nothing, said),
            _ => Says::Nothing,
        };
        Self { revision, says }
    }

    /// The last event of a stream, when a compaction has dropped it.
    pub(crate) fn dropped(place: StreamPlace) -> Self {
        Self { revision: place.revision, says: Says::Nothing }
    }

    pub(crate) fn is_end(&self) -> bool {
        self.says == Says::Ended
    }

    /// What it says of the stream that it is the metadata of, as far as an append depends on it.
    pub(crate) fn retention(&self) -> Retention {
        match self.says {
            Says::DeletedBefore(before) => {
                Retention { deleted: true, truncate_before: Some(before), ..Retention::default() }
            }
            Says::Nothing | Says::Ended => Retention::default(),
        }
    }
}

fn said(retention: Retention) -> Says {
    let before = retention.truncate_before.filter(|_| retention.deleted);
    before.map_or(Says::Nothing, Says::DeletedBefore)
}

/// The tips of the streams of late.
#[derive(Default)]
pub(super) struct Tips([HashMap<StreamName, Tip>; 2]);

impl Tips {
    pub(super) fn get(&self, stream: &StreamName) -> Option<Tip> {
        let [young, old] = &self.0;
        young.get(stream).or_else(|| old.get(stream)).copied()
    }

    pub(super) fn put(&mut self, stream: StreamName, tip: Tip) {
        self.0[0].insert(stream, tip);
    }

    /// All that was put here is durable: only now may some of it be forgotten. One group alone may
    /// have more streams than are remembered.
    pub(super) fn settle(&mut self) {
        let [young, old] = &mut self.0;
        if young.len() >= STREAMS_MAX {
            *old = std::mem::take(young);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(number: usize) -> StreamName {
        StreamName::new(format!("s-{number}")).unwrap()
    }

    #[test]
    fn g4_what_a_group_added_is_known_until_it_is_durable_however_much_it_is() {
        let mut tips = Tips::default();
        let count = 3 * STREAMS_MAX;
        let tip = |number: usize| Tip { revision: Revision(number as u64), says: Says::Nothing };
        (0..count).for_each(|number| tips.put(name(number), tip(number)));
        for number in 0..count {
            assert_eq!(tips.get(&name(number)), Some(tip(number)), "stream {number}");
        }
    }

    #[test]
    fn g12_what_is_durable_is_forgotten_when_it_is_too_much() {
        let mut tips = Tips::default();
        for number in 0..4 * STREAMS_MAX {
            tips.settle();
            tips.put(name(number), Tip { revision: Revision(0), says: Says::Nothing });
        }
        let [young, old] = &tips.0;
        assert!(young.len() + old.len() <= 2 * STREAMS_MAX);
        assert!(tips.get(&name(4 * STREAMS_MAX - 1)).is_some() && tips.get(&name(0)).is_none());
    }
}
