//! [`Ends`]: whether a compacted ledger can be cut at a moment.
//!
//! A compaction keeps the end of a stream, not the ends that it had before. Cut before its end, a
//! stream whose events up to there were dropped would look shorter than it was, or as if it had never
//! been, and would give its revisions again. That is refused: the revisions of the first event after
//! the moment and of the last one before it must be neighbours.

use std::collections::HashMap;

use factum_store::{Invalid, Revision, StreamName};

use crate::{error::EngineError, log::Frame};

/// What is left of each stream around the moment.
#[derive(Default)]
pub(super) struct Ends {
    streams: HashMap<StreamName, Around>,
}

/// The revisions of a stream next to the moment.
#[derive(Clone, Copy, Default)]
struct Around {
    before: Option<Revision>,
    after: Option<Revision>,
}

impl Ends {
    /// Looks at the events of the next frame, which is before the moment or after it.
    pub(super) fn see(&mut self, frame: &Frame, after: bool) -> Result<(), EngineError> {
        for slot in 0..frame.count() {
            let place = match frame.peek(slot)? {
                Some(event) => match event.stream {
                    Some((name, revision)) => Some((StreamName::new(name.to_owned())?, revision)),
                    None => None,
                },
                None => {
                    let end = frame.dropped(slot)?.and_then(|dropped| dropped.end);
                    end.map(|end| (end.name, end.revision))
                }
            };
            let Some((name, revision)) = place else { continue };
            let around = self.streams.entry(name).or_default();
            match after {
                true => drop(around.after.get_or_insert(revision)),
                false => around.before = Some(revision),
            }
        }
        Ok(())
    }

    /// Whether every stream's end at the moment is known.
    pub(super) fn check(&self) -> Result<(), EngineError> {
        let unknown = self.streams.iter().find(|(_, around)| {
            let next = around.before.map_or(Revision(0), Revision::next);
            around.after.is_some_and(|after| after != next)
        });
        let Some((stream, _)) = unknown else { return Ok(()) };
        let problem = format!(
            "the ledger was compacted, and where stream {stream} ended at that moment is not known \
             any more; restore to a later moment, or restore all of it, or take a backup that was \
             made before the compaction"
        );
        Err(Invalid::new("the moment to restore to", problem).into())
    }
}
