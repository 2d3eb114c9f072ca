//! [`Group`]: the batches that go into one write and one sync.

use std::collections::HashMap;

use factum_store::{
    AppendError, Conflict, Head, IdempotencyKey, Offence, Position, Query, Receipt, Timestamp,
};

use super::{inbox::Answer, prepare::Prepared};
use crate::index::{Entry, Tail};

/// Batches that were accepted and are not durable yet.
pub(crate) struct Group {
    /// Where its bytes go in the segment.
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
    /// The last event of the group, or before it while it is empty.
    pub(crate) head: Head,
    batches: Vec<Accepted>,
    keys: HashMap<[String; 3], usize>,
    /// What to answer once the group is durable. A refusal may rest on batches of the group, so it
    /// waits for them too: nobody is told of events that may never be there.
    pub(crate) answers: Vec<(Answer, Result<Receipt, AppendError>)>,
}

struct Accepted {
    prepared: Prepared,
    first: Position,
    recorded_at: Timestamp,
    offset: u64,
    receipt: Receipt,
}

fn parts(key: &IdempotencyKey) -> [String; 3] {
    [&key.principal, &key.operation, &key.key].map(|text| text.to_string())
}

impl Group {
    pub(crate) fn new(offset: u64, head: Head) -> Self {
        Self {
            offset,
            bytes: Vec::new(),
            head,
            batches: Vec::new(),
            keys: HashMap::new(),
            answers: Vec::new(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Where the next frame goes.
    pub(crate) fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }

    /// Adds a batch whose frame is finished.
    pub(crate) fn accept(
        &mut self,
        prepared: Prepared,
        frame: &[u8],
        head: Head,
        receipt: Receipt,
        answer: Answer,
    ) {
        let offset = self.end();
        self.bytes.extend_from_slice(frame);
        self.head = head;
        if let Some(key) = &prepared.append.key {
            self.keys.insert(parts(key), self.batches.len());
        }
        self.answers.push((answer, Ok(receipt.clone())));
        let (first, recorded_at) = (receipt.first, receipt.recorded_at);
        self.batches.push(Accepted { prepared, first, recorded_at, offset, receipt });
    }

    /// The receipt of a batch of this group under the same key.
    pub(crate) fn receipt(&self, key: &IdempotencyKey) -> Result<Option<Receipt>, AppendError> {
        let Some(batch) = self.keys.get(&parts(key)).map(|at| &self.batches[*at]) else {
            return Ok(None);
        };
        let request = batch.prepared.append.key.as_ref().map(|kept| kept.request);
        if request != Some(key.request) {
            let key = key.key.to_string();
            return Err(AppendError::KeyReused { key, position: batch.first });
        }
        Ok(Some(Receipt { replayed: true, ..batch.receipt.clone() }))
    }

    /// The first events of this group that match after a position, added to those found before.
    pub(crate) fn matches(&self, query: &Query, after: Position, found: &mut Vec<Offence>) {
        for batch in self.batches.iter().filter(|batch| batch.receipt.last > after) {
            for (slot, event) in batch.prepared.append.events.iter().enumerate() {
                let position = Position(batch.first.0 + slot as u64);
                if found.len() < Conflict::OFFENDING_MAX
                    && position > after
                    && query.matches_named(event)
                {
                    found.push(Offence { position, event_type: event.event_type.clone() });
                }
            }
        }
    }

    /// Tells the index of the segment of all its events.
    pub(crate) fn index(&self, tail: &Tail) {
        for batch in &self.batches {
            for (slot, terms) in batch.prepared.terms.iter().enumerate() {
                tail.push(&Entry {
                    position: Position(batch.first.0 + slot as u64),
                    recorded_at: batch.recorded_at,
                    offset: batch.offset,
                    opens_frame: slot == 0,
                    terms,
                });
            }
        }
    }
}
