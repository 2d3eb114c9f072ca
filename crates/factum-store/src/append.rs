//! [`Append`] and what it answers: [`Receipt`] or [`Conflict`].
//!
//! One operation, a superset of all the others' (DESIGN §4): every condition is checked and every
//! event written, atomically, against the state just before the batch (G1, G4, G5).

use std::fmt;

use bytestring::ByteString;

use crate::{
    EventId, EventType, NewEvent, Position, Query, Revision, StreamName, StreamState, Timestamp,
};

/// A batch of events, and what must hold for it to be appended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Append {
    /// At least one, in order.
    pub events: Vec<NewEvent>,
    /// All must hold.
    pub conditions: Vec<Condition>,
    /// Makes a retry safe.
    pub key: Option<IdempotencyKey>,
}

impl Append {
    /// These events, without conditions.
    #[must_use]
    pub fn new(events: impl IntoIterator<Item = NewEvent>) -> Self {
        Self { events: events.into_iter().collect(), ..Self::default() }
    }

    /// The same with one more condition.
    #[must_use]
    pub fn when(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// The same with an idempotency key.
    #[must_use]
    pub fn keyed(mut self, key: IdempotencyKey) -> Self {
        self.key = Some(key);
        self
    }
}

/// What must hold just before the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// About a stream, written to or not.
    Revision {
        /// The stream.
        stream: StreamName,
        /// What is expected of it.
        expected: ExpectedRevision,
    },
    /// No event after `after` matches. With [`Position::START`]: none exists anywhere. An `after`
    /// beyond the head is [`AppendError::Invalid`](crate::AppendError::Invalid).
    NoMatch {
        /// Which events must not be there.
        query: Query,
        /// Only events after this one are looked at.
        after: Position,
    },
}

/// What is expected of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedRevision {
    /// Anything.
    Any,
    /// It has no event, or was deleted and has none since then.
    None,
    /// It has at least one event, and is not deleted.
    Exists,
    /// Its last event has this revision.
    Exactly(Revision),
}

/// Same key and same request: the first receipt again. Same key, other request: an error. Kept as
/// long as the events are (G5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Who asks. Keys of different principals never meet.
    pub principal: ByteString,
    /// The command's name, or `append`. Keys of different operations never meet.
    pub operation: ByteString,
    /// The key itself.
    pub key: ByteString,
    /// A hash of the canonical request, never of the resulting events.
    pub request: RequestHash,
}

/// 256 bits over the canonical request.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestHash(pub [u8; 32]);

impl fmt::Debug for RequestHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// That, and where, a batch was recorded. It is also the token for reading your own write (G9).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The position of the batch's first event.
    pub first: Position,
    /// The position of the batch's last event: a reader that has this has all of it.
    pub last: Position,
    /// When, by the ledger's clock.
    pub recorded_at: Timestamp,
    /// The events' identities, in order.
    pub ids: Vec<EventId>,
    /// Whether this answers a retry: the batch was recorded by an earlier request.
    pub replayed: bool,
}

/// A condition that did not hold, with what a caller needs to decide whether to try again without
/// another read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("condition {index} does not hold at head {head}: {failed}{}", Offences(.offending))]
pub struct Conflict {
    /// Which condition, counted from 0.
    pub index: usize,
    /// The condition.
    pub failed: Condition,
    /// The head at the time.
    pub head: Position,
    /// The stream's actual revision; for conditions on a stream.
    pub revision: Option<Revision>,
    /// The stream's actual state; for conditions on a stream.
    pub state: Option<StreamState>,
    /// The first 16 events that match; for conditions on a query.
    pub offending: Vec<Offence>,
}

/// An event in the way of an append.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offence {
    /// Where it is.
    pub position: Position,
    /// What it is.
    pub event_type: EventType,
}

impl Conflict {
    /// How many offending events are named at most.
    pub const OFFENDING_MAX: usize = 16;
}

struct Offences<'a>(&'a [Offence]);

impl fmt::Display for Offences<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, offence) in self.0.iter().enumerate() {
            let lead = if i == 0 { "; in the way: " } else { ", " };
            write!(f, "{lead}{} at {}", offence.event_type, offence.position)?;
        }
        Ok(())
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revision { stream, expected } => match expected {
                ExpectedRevision::Any => write!(f, "stream {stream} in any state"),
                ExpectedRevision::None => write!(f, "stream {stream} has no event"),
                ExpectedRevision::Exists => write!(f, "stream {stream} has an event"),
                ExpectedRevision::Exactly(r) => write!(f, "stream {stream} is at revision {r}"),
            },
            Self::NoMatch { after, .. } => write!(f, "no event after {after} matches the query"),
        }
    }
}
