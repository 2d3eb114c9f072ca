//! [`State`]: what the writer decides with. A plain struct and a step: no thread, no file.
//!
//! Protects G4: a batch is checked against everything accepted before it, durable or in the same
//! group; and G5: a key is looked up before anything else.

use std::{collections::HashMap, sync::Arc};

use factum_store::{
    AppendError, Condition, Conflict, ExpectedRevision, Head, IdempotencyKey, Invalid, NewEvent,
    Offence, Position, Query, Receipt, RequestHash, Revision, StreamName, StreamState, Timestamp,
};

use super::{
    foresight::{Foresight, Memory},
    group::Group,
    inbox::Answer,
    prepare::Prepared,
    recent::{Known, Recent},
    tips::{Says, Tip},
};
use crate::{
    error::EngineError,
    index::Term,
    log::{Patch, SegmentHeader, Stamp},
    sabotage::{Sabotage, Switch},
};

/// What the state asks when it can't know: the durable ledger.
pub(crate) trait Durable {
    /// The first events that match after a position.
    fn first_matches(
        &self,
        query: &Query,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Offence>, EngineError>;

    /// A stream's last event.
    fn tip(&self, stream: &StreamName) -> Result<Option<Tip>, EngineError>;

    /// The receipt under a key, and the hash of its request.
    fn receipt(&self, key: &IdempotencyKey) -> Result<Option<(Receipt, RequestHash)>, EngineError>;
}

/// What the writer decides with.
pub(crate) struct State {
    pub(crate) head: Head,
    /// The last position that is known durable.
    pub(crate) synced: Position,
    recent: Recent,
    memory: Arc<Memory>,
    switch: Switch,
}

impl State {
    /// A ledger whose last durable event is `head`. `recent` knows of the events of late.
    pub(crate) fn new(head: Head, recent: Recent, memory: Arc<Memory>, switch: Switch) -> Self {
        memory.set_floor(recent.floor());
        Self { head, synced: head.position, recent, memory, switch }
    }

    /// Decides one batch: it joins the group, or it is answered.
    pub(crate) fn step(
        &mut self,
        prepared: Prepared,
        answer: Answer,
        now: Timestamp,
        segment: &SegmentHeader,
        group: &mut Group,
        durable: &dyn Durable,
    ) {
        if group.is_empty() {
            self.memory.tips.lock().settle();
        }
        match self.decide(&prepared, group, durable) {
            Ok(Decision::Accept(patches)) => {
                self.accept(prepared, answer, now, segment, group, &patches);
            }
            // The first batch under the key is durable, or will be with this group.
            Ok(Decision::Replay(receipt)) => group.answers.push((answer, Ok(receipt))),
            Err(error) => group.answers.push((answer, Err(error))),
        }
    }

    fn decide(
        &mut self,
        prepared: &Prepared,
        group: &Group,
        durable: &dyn Durable,
    ) -> Result<Decision, AppendError> {
        if let Some(key) = &prepared.append.key
            && !self.switch.is(Sabotage::KeyNotChecked)
            && let Some(receipt) = self.receipt(key, &prepared.foresight, group, durable)?
        {
            return Ok(Decision::Replay(receipt));
        }
        // A stream that is ended takes nothing, whatever is expected of it.
        let patches = self.patches(prepared, durable)?;
        for (index, condition) in prepared.append.conditions.iter().enumerate() {
            self.check(index, condition, &prepared.foresight, group, durable)?;
        }
        Ok(Decision::Accept(patches))
    }

    fn receipt(
        &self,
        key: &IdempotencyKey,
        foresight: &Foresight,
        group: &Group,
        durable: &dyn Durable,
    ) -> Result<Option<Receipt>, AppendError> {
        if let Some(receipt) = group.receipt(key)? {
            return Ok(Some(receipt));
        }
        let nowhere_upto = foresight.key_is_new_upto().unwrap_or(Position::START);
        if !self.may_be_after(Term::key(key), nowhere_upto) {
            return Ok(None);
        }
        check_request(key, durable.receipt(key)?)
    }

    /// Whether something with this term may have come after a position.
    fn may_be_after(&self, term: Term, position: Position) -> bool {
        !self.switch.is(Sabotage::ForesightTrusted) && self.recent.last_of(term) > position
    }

    fn check(
        &mut self,
        index: usize,
        condition: &Condition,
        foresight: &Foresight,
        group: &Group,
        durable: &dyn Durable,
    ) -> Result<(), AppendError> {
        let (revision, state, offending) = match condition {
            Condition::Revision { stream, expected } => {
                let tip = self.tip(stream, foresight, durable)?;
                let last = tip.map(|tip| tip.revision);
                let state = self.stream_state(stream, tip, *expected, durable)?;
                if expected.holds(last, state) {
                    return Ok(());
                }
                (last, Some(state), Vec::new())
            }
            Condition::NoMatch { query, after } => {
                let head = self.head.position;
                if *after > head {
                    let problem = format!("is {after}, beyond the head {head}");
                    let field = format!("conditions[{index}].after");
                    return Err(Invalid::new(field, problem).into());
                }
                let from = foresight.holds_upto(index, *after);
                if from > *after && self.switch.is(Sabotage::ForesightTrusted) {
                    return Ok(());
                }
                let offending = self.offending(query, from, group, durable)?;
                if offending.is_empty() {
                    return Ok(());
                }
                (None, None, offending)
            }
        };
        let (failed, head) = (condition.clone(), self.head.position);
        let conflict = Conflict { index, failed, head, revision, state, offending };
        Err(AppendError::Conflict(Box::new(conflict)))
    }

    fn offending(
        &self,
        query: &Query,
        after: Position,
        group: &Group,
        durable: &dyn Durable,
    ) -> Result<Vec<Offence>, AppendError> {
        if self.recent.matches_after(query, after) == Known::None {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        if after < self.synced {
            found = durable.first_matches(query, after, Conflict::OFFENDING_MAX)?;
        }
        if !self.switch.is(Sabotage::ConditionOutsideGroup) {
            group.matches(query, after, &mut found);
        }
        Ok(found)
    }

    fn tip(
        &mut self,
        stream: &StreamName,
        foresight: &Foresight,
        durable: &dyn Durable,
    ) -> Result<Option<Tip>, AppendError> {
        if let Some(known) = self.memory.tips.lock().get(stream) {
            return Ok(Some(known));
        }
        let (seen, upto) = foresight.tip(stream).unwrap_or((None, Position::START));
        if !self.may_be_after(Term::stream(stream), upto) {
            return Ok(self.remembered(stream, seen));
        }
        // What the group added is remembered, so the durable ledger has the last one.
        let found = durable.tip(stream)?;
        Ok(self.remembered(stream, found))
    }

    fn remembered(&self, stream: &StreamName, found: Option<Tip>) -> Option<Tip> {
        if let Some(tip) = found {
            self.memory.tips.lock().put(stream.clone(), tip);
        }
        found
    }

    /// The state of a stream that ends with `tip`. What its metadata says is looked up only where
    /// an answer depends on it.
    fn stream_state(
        &mut self,
        stream: &StreamName,
        tip: Option<Tip>,
        expected: ExpectedRevision,
        durable: &dyn Durable,
    ) -> Result<StreamState, AppendError> {
        let last = tip.map(|tip| tip.revision);
        let ended = tip.is_some_and(|tip| tip.is_end());
        let settled = match expected {
            ExpectedRevision::Any => true,
            ExpectedRevision::Exactly(wanted) => last == Some(wanted),
            ExpectedRevision::None | ExpectedRevision::Exists => last.is_none() || ended,
        };
        let metadata = stream.metadata_stream().ok().filter(|_| !settled);
        let said = match metadata {
            Some(metadata) => self.tip(&metadata, &Foresight::default(), durable)?,
            None => None,
        };
        let retention = || said.map(|said| said.retention()).unwrap_or_default();
        Ok(StreamState::of(last, ended, retention))
    }

    /// The revisions of a batch's events, in the order of the batch.
    fn patches(
        &mut self,
        prepared: &Prepared,
        durable: &dyn Durable,
    ) -> Result<Vec<Patch>, AppendError> {
        let mut next: HashMap<&StreamName, Revision> = HashMap::new();
        let mut patches = Vec::new();
        for (slot, event) in prepared.append.events.iter().enumerate() {
            let Some(stream) = &event.stream else { continue };
            let revision = match next.get(stream) {
                Some(last) => last.next(),
                None => match self.tip(stream, &prepared.foresight, durable)? {
                    Some(Tip { revision, says: Says::Ended })
                        if !self.switch.is(Sabotage::TombstoneIgnored) =>
                    {
                        let stream = stream.clone();
                        return Err(AppendError::StreamTombstoned { stream, revision });
                    }
                    tip => tip.map_or(Revision(0), |tip| tip.revision.next()),
                },
            };
            next.insert(stream, revision);
            patches.push(Patch { slot, revision });
        }
        Ok(patches)
    }

    fn accept(
        &mut self,
        prepared: Prepared,
        answer: Answer,
        now: Timestamp,
        segment: &SegmentHeader,
        group: &mut Group,
        patches: &[Patch],
    ) {
        let (first, count) = (self.head.position.next(), prepared.frame.count() as u64);
        // The wall clock may go back; recorded time does not.
        let recorded_at = now.max(self.head.recorded_at);
        let last = Position(self.head.position.0 + count);
        let stamp = Stamp { first, recorded_at, synced_upto: self.synced };
        let events = prepared.append.events.iter().zip(first.0..);
        for (terms, (event, position)) in prepared.terms.iter().zip(events) {
            // An id comes first, and nothing here is asked for ids.
            let asked = &terms[usize::from(event.id.is_some())..];
            self.recent.push(Position(position), asked);
        }
        self.memory.set_floor(self.recent.floor());
        for Patch { slot, revision } in patches {
            let NewEvent { stream, event_type, tags, .. } = &prepared.append.events[*slot];
            if let Some(stream) = stream {
                self.memory.tips.lock().put(stream.clone(), Tip::of(*revision, event_type, tags));
            }
        }
        let ids = prepared.append.events.iter().zip(first.0..).map(|(event, position)| {
            event.id.unwrap_or_else(|| segment.id_root.id(recorded_at, Position(position)))
        });
        let ids = ids.collect();
        let receipt = Receipt { first, last, recorded_at, ids, replayed: false };
        self.head = Head { position: last, recorded_at };
        let (mut prepared, offset) = (prepared, group.end());
        let frame = std::mem::take(&mut prepared.frame).stamp(segment, offset, stamp, patches);
        group.accept(prepared, &frame, self.head, receipt, answer);
    }
}

enum Decision {
    Accept(Vec<Patch>),
    Replay(Receipt),
}

/// A found receipt answers the same request only.
pub(crate) fn check_request(
    key: &IdempotencyKey,
    found: Option<(Receipt, RequestHash)>,
) -> Result<Option<Receipt>, AppendError> {
    match found {
        Some((receipt, request)) if request != key.request => {
            Err(AppendError::KeyReused { key: key.key.to_string(), position: receipt.first })
        }
        found => Ok(found.map(|(receipt, _)| Receipt { replayed: true, ..receipt })),
    }
}
