//! The writers: each sends one batch after the other and says so before and after, until it is
//! stopped, killed, or something fails.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, Ordering},
};

use factum_store::{
    Append, Condition, ExpectedRevision, Position, Query, QueryItem, Revision, StreamName,
};

use crate::{
    batch::{BatchId, Kind},
    line::Line,
    target::{Outcome, Target},
};

/// What the writers of a round share.
pub(crate) struct Round<'a> {
    pub(crate) number: u32,
    /// Each writer stops after so many batches.
    pub(crate) batches: u32,
    /// Keyed batches of earlier rounds that the first writer sends again before anything else.
    pub(crate) again: &'a [BatchId],
    pub(crate) stop: &'a AtomicBool,
    /// Where lines go. Each must have left this process when the call returns.
    pub(crate) say: &'a (dyn Fn(Line) + Sync),
}

/// One writer.
pub(crate) struct Writer<'a, T> {
    round: &'a Round<'a>,
    number: u16,
    target: T,
    /// The last position that this writer knows of.
    seen: Position,
    revisions: HashMap<StreamName, Option<Revision>>,
}

impl<'a, T: Target> Writer<'a, T> {
    pub(crate) fn new(round: &'a Round<'a>, number: u16, target: T) -> Self {
        Self { round, number, target, seen: Position::START, revisions: HashMap::new() }
    }

    /// Writes until the round is over, or something fails.
    pub(crate) fn run(mut self) {
        if self.number == 0 {
            for batch in self.round.again {
                if self.send(*batch).is_err() {
                    return;
                }
            }
        }
        for number in 0..self.round.batches {
            let batch = BatchId { round: self.round.number, writer: self.number, number };
            if self.round.stop.load(Ordering::Relaxed) || self.send(batch).is_err() {
                return;
            }
            // A retry whose first answer was lost, as a client sees it.
            if batch.kind() == Kind::Keyed && number % 3 == 0 && self.send(batch).is_err() {
                return;
            }
        }
    }

    /// Sends a batch and says what came of it; an error when nothing more should be sent.
    fn send(&mut self, batch: BatchId) -> Result<(), ()> {
        let say = self.round.say;
        let (append, after) = match self.conditional(batch) {
            Ok(made) => made,
            Err(error) => {
                say(match error.downcast_ref::<std::io::Error>() {
                    Some(_) => Line::Lost(batch),
                    None => Line::Failed(batch, format!("it could not be prepared: {error:#}")),
                });
                return Err(());
            }
        };
        say(Line::Sends(batch, after));
        match self.target.append(append) {
            Outcome::Acknowledged { first, last, replayed } => {
                say(Line::Acknowledged { batch, first, last, replayed });
                self.seen = self.seen.max(last);
                if batch.kind() == Kind::Expected {
                    let revision = self.revisions.entry(batch.own_stream()).or_default();
                    *revision = Some(revision.map_or(Revision(0), Revision::next));
                }
                Ok(())
            }
            Outcome::Conflict(head) => {
                say(Line::Conflict(batch));
                self.seen = self.seen.max(head);
                Ok(())
            }
            Outcome::Lost => {
                say(Line::Lost(batch));
                Err(())
            }
            Outcome::Failed(why) => {
                say(Line::Failed(batch, why));
                Err(())
            }
        }
    }

    /// The batch with the condition that goes with its kind.
    fn conditional(&mut self, batch: BatchId) -> anyhow::Result<(Append, Option<Position>)> {
        let append = batch.append();
        Ok(match batch.kind() {
            Kind::Expected => {
                let stream = batch.own_stream();
                let known = match self.revisions.get(&stream) {
                    Some(known) => *known,
                    None => {
                        let found = self.target.revision(&stream)?;
                        self.revisions.insert(stream.clone(), found);
                        found
                    }
                };
                let expected = known.map_or(ExpectedRevision::None, ExpectedRevision::Exactly);
                (append.when(Condition::Revision { stream, expected }), None)
            }
            Kind::Guarded => {
                let query = Query::from(QueryItem::tags([batch.contested()]));
                let after = self.seen;
                (append.when(Condition::NoMatch { query, after }), Some(after))
            }
            _ => (append, None),
        })
    }
}
