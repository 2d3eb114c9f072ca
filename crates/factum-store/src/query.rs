//! [`Query`]: which events. [`Query::matches`] is the single definition of what matches; every
//! index and every adapter is compared with it.

use crate::{Category, EventType, NewEvent, RecordedEvent, StreamName, Tag};

/// Items OR-ed together (the DCB specification, <https://dcb.events/specification/>). A query
/// without items matches nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Query {
    /// An event matches when any of these does.
    pub items: Vec<QueryItem>,
}

/// An event matches when its type is one of `types` (or `types` is empty) AND it carries all of
/// `tags` AND it is in `stream` and `category`, where given.
///
/// Factum's own events (type begins with `$`) match only an item that names their type, or one
/// with `system` set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(deny_unknown_fields))]
pub struct QueryItem {
    /// One of these; any when empty.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub types: Vec<EventType>,
    /// All of these.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub tags: Vec<Tag>,
    /// In this stream, and visible there.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub stream: Option<StreamName>,
    /// In a stream of this category.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub category: Option<Category>,
    /// Factum's own events too, even though `types` does not name them.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "std::ops::Not::not"))]
    pub system: bool,
}

impl Query {
    /// Every event of the application: all but Factum's own.
    #[must_use]
    pub fn all() -> Self {
        QueryItem::default().into()
    }

    /// Every event without exception.
    #[must_use]
    pub fn everything() -> Self {
        QueryItem { system: true, ..QueryItem::default() }.into()
    }

    /// Nothing.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Whether `event` is one of those asked for.
    #[must_use]
    pub fn matches(&self, event: &RecordedEvent) -> bool {
        self.matches_named(event)
    }

    /// The same, from the parts of an event that a query looks at.
    #[must_use]
    pub fn matches_named(&self, event: &impl Named) -> bool {
        self.items.iter().any(|item| item.matches_named(event))
    }
}

/// The parts of an event that a query looks at, wherever they lie.
pub trait Named {
    /// What kind of fact it is.
    fn event_type(&self) -> &str;

    /// Whether it carries a label.
    fn has_tag(&self, tag: &str) -> bool;

    /// The stream it is in.
    fn stream(&self) -> Option<&str>;
}

impl Named for RecordedEvent {
    fn event_type(&self) -> &str {
        self.event_type.as_str()
    }

    fn has_tag(&self, tag: &str) -> bool {
        self.tags.binary_search_by(|mine| mine.as_str().cmp(tag)).is_ok()
    }

    fn stream(&self) -> Option<&str> {
        self.stream.as_ref().map(|place| place.name.as_str())
    }
}

impl Named for NewEvent {
    fn event_type(&self) -> &str {
        self.event_type.as_str()
    }

    fn has_tag(&self, tag: &str) -> bool {
        self.tags.binary_search_by(|mine| mine.as_str().cmp(tag)).is_ok()
    }

    fn stream(&self) -> Option<&str> {
        self.stream.as_ref().map(StreamName::as_str)
    }
}

impl QueryItem {
    /// An item for any of `types`.
    #[must_use]
    pub fn types(types: impl IntoIterator<Item = EventType>) -> Self {
        Self { types: types.into_iter().collect(), ..Self::default() }
    }

    /// An item for all of `tags`.
    #[must_use]
    pub fn tags(tags: impl IntoIterator<Item = Tag>) -> Self {
        Self { tags: tags.into_iter().collect(), ..Self::default() }
    }

    /// An item for one stream.
    #[must_use]
    pub fn stream(stream: StreamName) -> Self {
        Self { stream: Some(stream), ..Self::default() }
    }

    /// As [`Query::matches_named`], of this item alone.
    #[must_use]
    pub fn matches_named(&self, event: &impl Named) -> bool {
        let event_type = event.event_type();
        let named = self.types.iter().any(|wanted| wanted.as_str() == event_type);
        let system = event_type.starts_with('$');
        let type_fits = named || (self.types.is_empty() && (self.system || !system));
        type_fits
            && self.tags.iter().all(|tag| event.has_tag(tag.as_str()))
            && self.stream.as_ref().is_none_or(|wanted| event.stream() == Some(wanted.as_str()))
            && self.category.as_ref().is_none_or(|wanted| {
                event.stream().is_some_and(|s| Category::of(s) == wanted.as_str())
            })
    }
}

impl From<QueryItem> for Query {
    fn from(item: QueryItem) -> Self {
        Self { items: vec![item] }
    }
}
