//! [`StreamInfo`]: a stream's end and what is kept of it, and all that follows: its state, what of
//! it a reader sees, and the appends that change it.
//!
//! ```text
//!   revision   0   1   2   3   4   5 │ 6
//!             [ hidden ][  visible  ]│ next            from = max(truncate before, last + 1 − count)
//! ```
//! Protects one rule for every ledger: hidden is hidden for the readers of the stream, at once;
//! revisions go on as if nothing had been hidden.

use super::{Retention, StreamMetadata};
use crate::{
    Append, Condition, EventType, ExpectedRevision, Invalid, NewEvent, Revision, StreamName,
    Timestamp,
};

/// What a stream is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// It never had an event.
    NeverExisted,
    /// It has events; those of it that are visible may still be none.
    Live,
    /// It was deleted, and has no event since then. It can be appended to.
    Deleted,
    /// It is ended for ever.
    Tombstoned,
}

/// A stream's end, and what is kept of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamInfo {
    /// Which stream.
    pub stream: StreamName,
    /// The revision of its last event, hidden or not; `None` when it never had one.
    pub last: Option<Revision>,
    /// Whether its last event is a tombstone.
    pub tombstoned: bool,
    /// What its metadata says; the default where it has none.
    pub metadata: StreamMetadata,
    /// The revision of its metadata in the metadata's own stream; `None` where it has none.
    pub metadata_revision: Option<Revision>,
}

/// Which events of a stream its readers see: those from a revision on that were recorded after a
/// moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Only events from this revision on.
    pub from: Revision,
    /// Only events that were recorded after this.
    pub after: Option<Timestamp>,
}

impl Window {
    /// Whether an event is visible.
    #[must_use]
    pub fn shows(&self, revision: Revision, recorded_at: Timestamp) -> bool {
        revision >= self.from && self.after.is_none_or(|after| recorded_at > after)
    }

    /// Whether every event is visible.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        *self == Self::default()
    }
}

impl Retention {
    /// Of every stream that says what is kept of another only the last event counts.
    const OF_METADATA: Self =
        Self { truncate_before: None, max_count: Some(1), max_age_seconds: None, deleted: false };

    /// Whether a stream whose last event has this revision counts as deleted.
    #[must_use]
    pub fn deletes(&self, last: Revision) -> bool {
        self.deleted && self.truncate_before.is_some_and(|before| last < before)
    }
}

impl StreamInfo {
    /// A stream that never had an event and has no metadata.
    #[must_use]
    pub fn never_existed(stream: StreamName) -> Self {
        Self {
            stream,
            last: None,
            tombstoned: false,
            metadata: StreamMetadata::default(),
            metadata_revision: None,
        }
    }

    /// What the stream is.
    #[must_use]
    pub fn state(&self) -> StreamState {
        StreamState::of(self.last, self.tombstoned, || self.metadata.retention)
    }

    /// The revision that its next event gets.
    #[must_use]
    pub fn next(&self) -> Revision {
        self.last.map_or(Revision(0), Revision::next)
    }

    /// Which of its events a reader sees at a moment. Of a tombstoned stream that is the tombstone.
    #[must_use]
    pub fn window(&self, now: Timestamp) -> Window {
        if self.tombstoned {
            return Window { from: self.last.unwrap_or_default(), after: None };
        }
        let retention = match self.stream.is_metadata_stream() {
            true => Retention::OF_METADATA,
            false => self.metadata.retention,
        };
        let count = retention.max_count.unwrap_or(u64::MAX);
        let counted = Revision(self.next().0.saturating_sub(count));
        let from = retention.truncate_before.unwrap_or_default().max(counted);
        let age = retention.max_age_seconds.map(|seconds| seconds.saturating_mul(1_000_000));
        // Before the clock began nothing was recorded: nothing is too old.
        let after = age.and_then(|age| now.micros.checked_sub(age)).map(Timestamp::from_micros);
        Window { from, after }
    }

    /// The append that gives the stream this metadata, unless its metadata changed meanwhile.
    ///
    /// # Errors
    /// [`Invalid`] when the stream can have no metadata.
    pub fn set(&self, metadata: &StreamMetadata) -> Result<Append, Invalid> {
        let expected = expected(self.metadata_revision);
        let stream = self.stream.metadata_stream()?;
        let event = metadata.event(&self.stream)?;
        Ok(Append::new([event]).when(Condition::Revision { stream, expected }))
    }

    /// The append that hides every event before a revision, and leaves the rest of the metadata as
    /// it is.
    ///
    /// # Errors
    /// As [`StreamInfo::set`].
    pub fn truncate(&self, before: Revision) -> Result<Append, Invalid> {
        let mut metadata = self.metadata.clone();
        metadata.retention.truncate_before = Some(before);
        self.set(&metadata)
    }

    /// The append that deletes the stream, unless it gets another event meanwhile, and leaves the
    /// rest of its metadata as it is. The stream can be written again, and goes on with the next
    /// revision.
    ///
    /// # Errors
    /// As [`StreamInfo::set`].
    pub fn delete(&self) -> Result<Append, Invalid> {
        let mut metadata = self.metadata.clone();
        metadata.retention.truncate_before = Some(self.next());
        metadata.retention.deleted = true;
        Ok(self.set(&metadata)?.when(self.unchanged()))
    }

    /// The append that ends the stream for ever, unless it gets another event meanwhile.
    #[must_use]
    pub fn tombstone(&self) -> Append {
        // The type is valid, so it is there.
        let event_type = EventType::new(EventType::TOMBSTONE);
        let events =
            event_type.map(|name| NewEvent::new(name, "{}").in_stream(self.stream.clone()));
        Append::new(events).when(self.unchanged())
    }

    /// The condition that the stream still ends where it ended.
    fn unchanged(&self) -> Condition {
        let expected = expected(self.last);
        Condition::Revision { stream: self.stream.clone(), expected }
    }
}

fn expected(last: Option<Revision>) -> ExpectedRevision {
    last.map_or(ExpectedRevision::None, ExpectedRevision::Exactly)
}

impl StreamState {
    /// Its name, in snake case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverExisted => "never_existed",
            Self::Live => "live",
            Self::Deleted => "deleted",
            Self::Tombstoned => "tombstoned",
        }
    }

    /// The state of a stream: its last event, whether that is a tombstone, and what its metadata
    /// says, which is asked for only when it matters.
    #[must_use]
    pub fn of(
        last: Option<Revision>,
        tombstoned: bool,
        retention: impl FnOnce() -> Retention,
    ) -> Self {
        match last {
            None => Self::NeverExisted,
            Some(_) if tombstoned => Self::Tombstoned,
            Some(last) if retention().deletes(last) => Self::Deleted,
            Some(_) => Self::Live,
        }
    }
}

impl ExpectedRevision {
    /// Whether it holds for a stream whose last event has this revision and which is in this state.
    ///
    /// | | never existed | live | deleted | tombstoned |
    /// |---|---|---|---|---|
    /// | any | holds | holds | holds | holds |
    /// | none | holds | | holds | holds |
    /// | exists | | holds | | |
    /// | exactly N | | if N is the last | if N is the last | |
    ///
    /// An append *to* a tombstoned stream is refused whatever is expected.
    #[must_use]
    pub fn holds(self, last: Option<Revision>, state: StreamState) -> bool {
        match self {
            Self::Any => true,
            Self::None => state != StreamState::Live,
            Self::Exists => state == StreamState::Live,
            Self::Exactly(wanted) => last == Some(wanted) && state != StreamState::Tombstoned,
        }
    }
}
