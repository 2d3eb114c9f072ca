//! [`Fold`]: small state keyed by an id, with one method for each event it heeds.
//!
//! Protects G8: the same events give the same state. A fold's fingerprint covers its code and the
//! shapes of its events, so a snapshot or view of other code is never taken for its own.

use std::any::Any;

use factum_store::{Position, Query, QueryItem, RecordedEvent};

use crate::{
    Carries, DecodeError, Event, EventModel, Fingerprint, Key, Parameter, event::event_type,
    read_event,
};

/// State that follows from events. `#[fold(by = …)]` on an `impl` block writes it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a fold",
    label = "a fold is expected here",
    note = "write `#[fold(by = SomeId, version = 1)]` above `impl {Self} {{ … }}`, with one method `fn name(&mut self, e: &SomeEvent)` for each event"
)]
pub trait Fold: Default + Send + Sync + 'static {
    /// What it is keyed by.
    type By: Key;
    /// Its name, in snapshots and models.
    const NAME: &'static str;
    /// Its version; raise it to throw its snapshots and views away.
    const VERSION: u32;
    /// A digest of its code. It can't see the code that it calls elsewhere, nor how older events
    /// are turned into newer ones: when these change what the state is, raise the version.
    const CODE: u64;
    /// The events that it heeds.
    const HEEDS: &'static [EventModel];
    /// A digest of all that decides what its state is.
    const FINGERPRINT: u64 = fingerprint(Self::NAME, Self::VERSION, Self::CODE, Self::HEEDS);

    /// Applies one event; an event that it does not heed changes nothing.
    ///
    /// # Errors
    /// [`ApplyError`] when a heeded event can't be read. The state is then unchanged.
    fn apply(&mut self, event: &RecordedEvent) -> Result<(), ApplyError>;

    /// The state as bytes; `None` when it keeps no snapshots.
    fn to_snapshot(&self) -> Option<Vec<u8>> {
        None
    }

    /// The state of those bytes; `None` when they can't be read, or it keeps no snapshots.
    fn from_snapshot(_bytes: &[u8]) -> Option<Self> {
        None
    }

    /// The events that it heeds.
    fn heeds() -> Vec<EventModel> {
        Self::HEEDS.to_vec()
    }

    /// A digest of all that decides what its state is.
    fn fingerprint() -> u64 {
        Self::FINGERPRINT
    }
}

const fn fingerprint(name: &str, version: u32, code: u64, heeds: &[EventModel]) -> u64 {
    let mut digest = Fingerprint::new().text(name).number(version as u64).number(code);
    let mut at = 0;
    while at < heeds.len() {
        digest = digest.number(heeds[at].fingerprint());
        at += 1;
    }
    digest.finish()
}

/// An event that a fold or a view could not apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{target} can't apply {event_type} version {version} at position {position}: {problem}")]
pub struct ApplyError {
    /// What was to apply it: `fold account`, `view orders`.
    pub target: String,
    /// The event's type.
    pub event_type: String,
    /// The version that it was written as.
    pub version: u32,
    /// Where it is.
    pub position: Position,
    /// What is wrong, and what to try.
    pub problem: String,
}

impl ApplyError {
    /// `target` could not apply `event`, because of `problem`.
    pub fn new(target: String, event: &RecordedEvent, problem: impl Into<String>) -> Self {
        Self {
            target,
            event_type: event.event_type.to_string(),
            version: crate::version_of(event),
            position: event.position,
            problem: problem.into(),
        }
    }

    /// `target` could not apply `event`, because it can't be read.
    #[must_use]
    pub fn unreadable(target: String, event: &RecordedEvent, cause: DecodeError) -> Self {
        Self::new(target, event, cause.problem)
    }
}

/// The query of a fold for one key, without the types in `ignoring`.
#[must_use]
pub fn fold_query<F: Fold>(key: &F::By, ignoring: &[&'static str]) -> Query {
    let heeded = F::HEEDS.iter().map(|model| model.event_type);
    let types: Vec<_> = heeded.filter(|name| !ignoring.contains(name)).map(event_type).collect();
    if types.is_empty() {
        // An item without types would match every type.
        return Query::none();
    }
    let mut item = QueryItem::types(types);
    item.types.sort_unstable();
    item.types.dedup();
    item.tags = key.tags();
    item.into()
}

/// A fold whose type is not known: what a runtime loads.
pub trait AnyFold: Send + Sync {
    /// Applies one event.
    ///
    /// # Errors
    /// [`ApplyError`] when a heeded event can't be read.
    fn apply(&mut self, event: &RecordedEvent) -> Result<(), ApplyError>;

    /// The state as bytes; `None` when it keeps no snapshots.
    fn snapshot(&self) -> Option<Vec<u8>>;

    /// Becomes the state of a snapshot. `false`, and nothing changed, when it can't be read.
    fn restore(&mut self, bytes: &[u8]) -> bool;

    /// Becomes the state before any event.
    fn reset(&mut self);

    /// The fold itself, to be downcast.
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send + Sync>;
}

impl<F: Fold> AnyFold for F {
    fn apply(&mut self, event: &RecordedEvent) -> Result<(), ApplyError> {
        Fold::apply(self, event)
    }

    fn snapshot(&self) -> Option<Vec<u8>> {
        self.to_snapshot()
    }

    fn restore(&mut self, bytes: &[u8]) -> bool {
        match F::from_snapshot(bytes) {
            Some(state) => {
                *self = state;
                true
            }
            None => false,
        }
    }

    fn reset(&mut self) {
        *self = F::default();
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send + Sync> {
        self
    }
}

/// A recorded event as `E`, for the fold `F`.
///
/// # Errors
/// [`ApplyError`] when it is an `E` and can't be read.
#[doc(hidden)]
pub fn read_for<F: Fold, E: Event>(event: &RecordedEvent) -> Result<Option<E>, ApplyError> {
    read_event(event).map_err(|e| ApplyError::unreadable(format!("fold {}", F::NAME), event, e))
}

/// An event that a fold can heed; only here so that the compiler's message names the fold.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "fold `{F}` is keyed by `{By}`, which event `{Self}` does not carry, so it would never see one",
    label = "this event has no `#[tag]` field for it",
    note = "add a `#[tag]` field of type `{By}` to the event (for a pair, one of each type), key the fold by an id that the event carries, or take the method out"
)]
pub trait HeededBy<F, By> {}

impl<E: Event + Carries<By>, F, By> HeededBy<F, By> for E {}

/// Says, at the place where it is called, that an event lacks the id of a fold.
#[doc(hidden)]
pub const fn carries<E: HeededBy<F, By>, F, By>() {}

/// Whether a parameter's fold heeds an event.
#[doc(hidden)]
#[must_use]
pub const fn heeds<P: Parameter, E: Event>() -> bool {
    let mut at = 0;
    while at < <P::Fold as Fold>::HEEDS.len() {
        if same(<P::Fold as Fold>::HEEDS[at].event_type, E::TYPE) {
            return true;
        }
        at += 1;
    }
    false
}

/// Whether two texts are equal, in a constant.
pub(crate) const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut at = 0;
    while at < a.len() && at < b.len() && a[at] == b[at] {
        at += 1;
    }
    at == a.len() && at == b.len()
}
