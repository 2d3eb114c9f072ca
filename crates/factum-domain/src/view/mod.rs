//! [`View`]: a read model as data and pure functions. What applies it to a store is elsewhere.
//!
//! Protects G7 and G8: a view's rows follow from the events alone, and its fingerprint covers
//! everything that decides them, so rows of another definition are never taken for its own.

mod document;
mod rows;
mod sql;

use factum_store::{Invalid, Query, QueryItem, ViewName, ViewSpec};

use crate::{EventModel, event::event_type};

pub use document::{AnyDocument, DocumentBuilder, Documents, document};
pub use rows::{Rows, RowsBuilder, rows};

/// Positions between two keyframes, unless a view says otherwise.
pub const KEYFRAME_EVERY: u64 = 1_000;

/// A read model: which events it heeds and what they do to its rows.
pub struct View {
    spec: ViewSpec,
    heeds: Vec<EventModel>,
    query: Query,
    keyframe_every: u64,
    projection: Projection,
}

/// What events do to a view.
pub enum Projection {
    /// A fold kept as one JSON document for each key.
    Documents(Documents),
    /// SQL statements for each event type.
    Rows(Rows),
}

impl View {
    fn new(spec: ViewSpec, heeds: Vec<EventModel>, every: u64, projection: Projection) -> Self {
        let mut item = QueryItem::types(heeds.iter().map(|model| event_type(model.event_type)));
        item.types.sort_unstable();
        item.types.dedup();
        let keyframe_every = every.max(1);
        Self { spec, heeds, query: item.into(), keyframe_every, projection }
    }

    /// What a store needs to know to keep it.
    #[must_use]
    pub fn spec(&self) -> &ViewSpec {
        &self.spec
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &ViewName {
        &self.spec.name
    }

    /// The shapes of the events that it heeds.
    #[must_use]
    pub fn heeds(&self) -> &[EventModel] {
        &self.heeds
    }

    /// The events that it heeds.
    #[must_use]
    pub fn query(&self) -> &Query {
        &self.query
    }

    /// At least so many positions lie between two keyframes.
    #[must_use]
    pub fn keyframe_every(&self) -> u64 {
        self.keyframe_every
    }

    /// What events do to it.
    #[must_use]
    pub fn projection(&self) -> &Projection {
        &self.projection
    }
}

/// What can be registered as a view.
pub trait IntoView {
    /// The view, checked.
    ///
    /// # Errors
    /// [`Invalid`] with what is wrong in its definition.
    fn into_view(self) -> Result<View, Invalid>;
}

impl IntoView for View {
    fn into_view(self) -> Result<View, Invalid> {
        Ok(self)
    }
}

impl<V: IntoView> IntoView for Result<V, Invalid> {
    fn into_view(self) -> Result<View, Invalid> {
        self?.into_view()
    }
}
