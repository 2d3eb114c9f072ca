//! The history, and the decision over it.

use factum_store::{EventId, NewEvent, Position, RecordedEvent, Revision, StreamPlace, Timestamp};
use std::collections::HashMap;

use crate::{Decide, Emits, Reads, testing::When};

/// What has happened: an event, or a tuple, `Option` or `Vec` of events; `()` for nothing.
///
/// # Panics
/// When an event can't be written as JSON.
#[must_use]
pub fn given(history: impl Emits) -> Given {
    let mut events = Vec::new();
    if let Err(e) = history.emit(&mut events) {
        panic!("given: {e}");
    }
    Given { history: recorded(events) }
}

/// A history.
pub struct Given {
    history: Vec<RecordedEvent>,
}

impl Given {
    /// And, after that, these events.
    ///
    /// # Panics
    /// When an event can't be written as JSON.
    #[must_use]
    pub fn and(self, more: impl Emits) -> Self {
        let mut events: Vec<NewEvent> = self.history.into_iter().map(as_new).collect();
        if let Err(e) = more.emit(&mut events) {
            panic!("given: {e}");
        }
        Self { history: recorded(events) }
    }

    /// The history.
    #[must_use]
    pub fn history(&self) -> &[RecordedEvent] {
        &self.history
    }

    /// Decides a command over the history, each fold through its own query.
    ///
    /// # Panics
    /// When an event of the history can't be read, or the decision keeps asking for more after
    /// all that it asked for was provided.
    #[must_use]
    pub fn when<C: Decide>(self, command: C) -> When<C> {
        // Each round but the last provides a state that was asked for; a decider has few.
        const ROUNDS_MAX: usize = 256;
        let mut reads = Reads::new();
        for _ in 0..ROUNDS_MAX {
            if let Ok(decided) = command.decide(&mut reads) {
                return When::new(command, decided, reads);
            }
            for mut need in reads.take_needs() {
                for event in self.history.iter().filter(|e| need.slice.query.matches(e)) {
                    if let Err(e) = need.fold.apply(event) {
                        panic!("when {}: {e}", C::NAME);
                    }
                }
                reads.provide(need);
            }
        }
        panic!(
            "when {}: it asks for more after {ROUNDS_MAX} rounds; a decider must be pure",
            C::NAME
        )
    }
}

fn as_new(event: RecordedEvent) -> NewEvent {
    NewEvent {
        id: Some(event.id),
        stream: event.stream.map(|place| place.name),
        event_type: event.event_type,
        tags: event.tags,
        data: event.data,
        content_type: event.content_type,
        metadata: event.metadata,
        envelope: event.envelope,
    }
}

/// The events as an empty ledger would record them: positions from 1, a microsecond each.
#[must_use]
pub fn recorded(events: Vec<NewEvent>) -> Vec<RecordedEvent> {
    let mut revisions: HashMap<_, u64> = HashMap::new();
    let places = events.into_iter().zip(1_u64..);
    let recorded = places.map(|(event, place)| RecordedEvent {
        position: Position(place),
        recorded_at: Timestamp::from_micros(place),
        id: event.id.unwrap_or(EventId(uuid::Uuid::from_u128(place.into()))),
        stream: event.stream.map(|name| {
            let next = revisions.entry(name.clone()).or_default();
            let revision = Revision(*next);
            *next += 1;
            StreamPlace { name, revision }
        }),
        event_type: event.event_type,
        tags: event.tags,
        data: event.data,
        content_type: event.content_type,
        metadata: event.metadata,
        envelope: event.envelope,
    });
    recorded.collect()
}
