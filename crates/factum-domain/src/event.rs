//! [`Event`]: a fact as a Rust type, and its way to and from the bytes that are kept.
//!
//! Protects G8: what was written under an old version is read as the current one, and what can't
//! be read is an error that says where it is, never a panic and never skipped.

use std::collections::BTreeSet;

use factum_store::{
    ByteString, ContentType, EventType, NewEvent, Position, RecordedEvent, Schema, StreamName, Tag,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{EventModel, Id};

/// An immutable fact, named in the past tense.
///
/// `#[derive(Event)]` writes all of it; by hand, [`Event::MODEL`] and [`Event::tags`] are enough
/// (and [`Carries`] for each id type that the tags name).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an event",
    label = "an event is expected here",
    note = "write `#[derive(Event)] #[event(\"thing.happened\")]` above the struct"
)]
pub trait Event: Sized + Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its shape.
    const MODEL: EventModel;
    /// Its type: `account.opened`.
    const TYPE: &'static str = Self::MODEL.event_type;
    /// Its version, from 1.
    const VERSION: u32 = Self::MODEL.version;

    /// Its labels.
    fn tags(&self) -> Vec<Tag>;

    /// The stream that it belongs to, if any.
    fn stream(&self) -> Option<StreamName> {
        None
    }

    /// Its shape.
    fn model() -> EventModel {
        Self::MODEL
    }

    /// The event of `data` that was written as `version`.
    ///
    /// # Errors
    /// [`DecodeError`] when the version is newer than this one, or the data is of another shape.
    fn decode(version: u32, data: &[u8]) -> Result<Self, DecodeError> {
        decode_json(version, data)
    }
}

/// Says that an event carries a tag for `I`: a fold keyed by `I` can heed it.
///
/// `#[derive(Event)]` implements it for the id type of each `#[tag]` field. An event that carries
/// two ids carries the pair; every event belongs to the whole ledger, `()`.
#[diagnostic::on_unimplemented(
    message = "event `{Self}` carries no `{I}`, so a fold keyed by `{I}` would never see it",
    label = "this event has no `#[tag]` field of type `{I}`",
    note = "add a field to the event: `#[tag] pub field: {I}`, or key the fold by an id that the event carries"
)]
pub trait Carries<I> {}

impl<E: Event, A: Id, B: Id> Carries<(A, B)> for E where E: Carries<A> + Carries<B> {}
impl<E: Event> Carries<()> for E {}

/// Bytes that are not the event they say they are.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event_type} version {version}{} can't be read: {problem}", At(*.position))]
pub struct DecodeError {
    /// The type.
    pub event_type: String,
    /// The version that it was written as.
    pub version: u32,
    /// Where it is, when it was recorded.
    pub position: Option<Position>,
    /// What is wrong, and what to try.
    pub problem: String,
}

struct At(Option<Position>);

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |position| write!(f, " at position {position}"))
    }
}

impl DecodeError {
    /// An event of type `E`, written as `version`, that has `problem`.
    pub fn new<E: Event>(version: u32, problem: impl Into<String>) -> Self {
        let event_type = E::TYPE.to_owned();
        Self { event_type, version, position: None, problem: problem.into() }
    }
}

/// An event or a command that can't be written as JSON: a mistake in its `Serialize`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name} can't be written as JSON: {problem}; every field must be one that JSON can hold, with text as the keys of maps"
)]
pub struct EncodeError {
    /// The event's type or the command's name.
    pub name: &'static str,
    /// What is wrong.
    pub problem: String,
}

/// Reads JSON as `E`, when it was not written by a newer version.
///
/// # Errors
/// [`DecodeError`].
pub fn decode_json<E: Event>(version: u32, data: &[u8]) -> Result<E, DecodeError> {
    if version > E::VERSION {
        let known = E::VERSION;
        let problem = format!("this program knows it up to version {known}; run a newer program");
        return Err(DecodeError::new::<E>(version, problem));
    }
    serde_json::from_slice(data).map_err(|e| DecodeError::new::<E>(version, e.to_string()))
}

/// The version that a recorded event was written as: 1 when it does not say.
#[must_use]
pub fn version_of(recorded: &RecordedEvent) -> u32 {
    recorded.envelope.schema.as_ref().map_or(1, |schema| schema.version)
}

/// A recorded event as `E`: `None` when it is of another type.
///
/// # Errors
/// [`DecodeError`], with its position.
pub fn read_event<E: Event>(recorded: &RecordedEvent) -> Result<Option<E>, DecodeError> {
    if recorded.event_type.as_str() != E::TYPE {
        return Ok(None);
    }
    let version = version_of(recorded);
    let read = match &recorded.content_type {
        ContentType::Json => E::decode(version, &recorded.data),
        other => {
            let problem = format!("it was written as {}, not as JSON", other.as_str());
            Err(DecodeError::new::<E>(version, problem))
        }
    };
    read.map(Some).map_err(|e| DecodeError { position: Some(recorded.position), ..e })
}

/// An event as it is appended: JSON, tags, stream, and its version when that is not 1.
///
/// # Errors
/// [`EncodeError`].
pub fn new_event<E: Event>(event: &E) -> Result<NewEvent, EncodeError> {
    let data = serde_json::to_vec(event)
        .map_err(|e| EncodeError { name: E::TYPE, problem: e.to_string() })?;
    let mut new = NewEvent::new(event_type(E::TYPE), data).tagged(event.tags());
    new.stream = event.stream();
    new.envelope.schema = (E::VERSION > 1)
        .then(|| Schema { name: ByteString::from_static(E::TYPE), version: E::VERSION });
    Ok(new)
}

/// The checked type of an [`EventModel`], without copying.
pub(crate) fn event_type(text: &'static str) -> EventType {
    EventType::new(ByteString::from_static(text)).expect("EventModel::new has checked the type")
}

/// Reads JSON of an older version after `upcast` has turned it into the current one.
///
/// # Errors
/// [`DecodeError`].
#[doc(hidden)]
pub fn decode_upcast<E: Event>(
    version: u32,
    data: &[u8],
    upcast: fn(u32, Value) -> Result<Value, String>,
) -> Result<E, DecodeError> {
    if version >= E::VERSION {
        return decode_json(version, data);
    }
    let error = |problem| DecodeError::new::<E>(version, problem);
    let old = serde_json::from_slice(data).map_err(|e| error(e.to_string()))?;
    let new = upcast(version, old).map_err(error)?;
    serde_json::from_value(new).map_err(|e| error(e.to_string()))
}

/// A field that puts tags on its event: an id, or an `Option`, `Vec` or `BTreeSet` of ids.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a `#[tag]` field must be an id, not `{Self}`",
    label = "not an id, nor an `Option`, `Vec` or `BTreeSet` of ids",
    note = "make an id type with `id!(pub AccountId, \"account\");` (a UUID) or `id!(pub Sku(String), \"sku\");` (a text), or take `#[tag]` away"
)]
pub trait TagField {
    /// The id.
    type Id: Id;
    /// The kind of its tags.
    const KIND: &'static str = <Self::Id as Id>::KIND;

    /// Adds its tags.
    fn add_to(&self, tags: &mut Vec<Tag>);
}

impl<I: Id> TagField for I {
    type Id = I;

    fn add_to(&self, tags: &mut Vec<Tag>) {
        tags.push(self.tag());
    }
}

impl<I: Id> TagField for Option<I> {
    type Id = I;

    fn add_to(&self, tags: &mut Vec<Tag>) {
        tags.extend(self.iter().map(Id::tag));
    }
}

impl<I: Id> TagField for Vec<I> {
    type Id = I;

    fn add_to(&self, tags: &mut Vec<Tag>) {
        tags.extend(self.iter().map(Id::tag));
    }
}

impl<I: Id> TagField for BTreeSet<I> {
    type Id = I;

    fn add_to(&self, tags: &mut Vec<Tag>) {
        tags.extend(self.iter().map(Id::tag));
    }
}

/// The stream `category-id`, of parts that were checked where they were made.
#[doc(hidden)]
pub fn stream_of<I: Id>(category: &str, id: &I) -> StreamName {
    StreamName::new(format!("{category}-{id}")).expect("the category and the id were checked")
}
