//! What an event of this protocol has beside an event of ours, kept in its metadata, a JSON object:
//! pairs of texts; and under names that begin with `$`, only where there is something to say, the
//! order of its tags, and what the API notes. Tags of ours are a sorted set, and some clients count
//! on the order that they gave.

use std::{borrow::Cow, fmt};

use factum_store::{Bytes, EventId, Tag};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{MapAccess, Visitor},
    ser::SerializeMap,
};
use serde_json::value::RawValue;

use crate::api::{GIVEN_ID, Tracking};

/// Each tag's place in the sorted set, in the order that was given.
pub(super) const TAG_ORDER: &str = "$tag_order";
/// What a client can't have as a key of its own.
pub(super) const RESERVED: [&str; 3] = [TAG_ORDER, GIVEN_ID, Tracking::METADATA];

/// The notes about an event.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Notes<'a> {
    pub(super) entries: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// Noted by the API.
    pub(super) tracking: Option<Tracking>,
    /// An id that identifies nothing, noted by the API.
    pub(super) id: Option<EventId>,
    /// Empty when the tags were given sorted, each once.
    pub(super) tag_order: Vec<u16>,
}

impl<'a> Notes<'a> {
    /// As the metadata of an event: empty when there is nothing to say.
    pub(super) fn to_metadata(&self) -> Bytes {
        if *self == Self::default() {
            return Bytes::new();
        }
        serde_json::to_vec(self).expect("texts and numbers can be written as JSON").into()
    }

    /// From the metadata of an event, whoever wrote it. What is no JSON object says nothing.
    pub(super) fn of_metadata(metadata: &'a [u8]) -> Self {
        if metadata.is_empty() {
            return Self::default();
        }
        serde_json::from_slice(metadata).unwrap_or_default()
    }

    /// The tags of an event in the order that was given, without the one that a source is found by.
    pub(super) fn ordered<'t>(&'t self, tags: &'t [Tag]) -> impl Iterator<Item = &'t Tag> + 't {
        let hidden = self.tracking.as_ref().and_then(|_| tags.iter().position(Tracking::is_tag));
        let count = tags.len() - usize::from(hidden.is_some());
        // A writer of another face can have noted anything.
        let fits = |place: &u16| usize::from(*place) < count;
        let noted = self.tag_order.len() >= count && self.tag_order.iter().all(fits);
        let (order, plain) = if noted { (&*self.tag_order, 0) } else { (&[][..], count) };
        let at = move |place| place + usize::from(hidden.is_some_and(|hidden| place >= hidden));
        order.iter().map(|p| usize::from(*p)).chain(0..plain).map(move |place| &tags[at(place)])
    }
}

/// Tags as a sorted set, and the order in which they were given, if it is another.
pub(super) fn sorted(given: Vec<Tag>) -> (Vec<Tag>, Vec<u16>) {
    if given.is_sorted_by(|a, b| a < b) {
        return (given, Vec::new());
    }
    let mut tags = given.clone();
    tags.sort_unstable();
    tags.dedup();
    let place = |tag| tags.binary_search(tag).ok().and_then(|place| u16::try_from(place).ok());
    let order = given.iter().filter_map(place).collect();
    (tags, order)
}

impl Serialize for Notes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (key, value) in &self.entries {
            map.serialize_entry(key, value)?;
        }
        if !self.tag_order.is_empty() {
            map.serialize_entry(TAG_ORDER, &self.tag_order)?;
        }
        map.end()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Notes<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(NotesVisitor)
    }
}

struct NotesVisitor;

impl<'de> Visitor<'de> for NotesVisitor {
    type Value = Notes<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Notes<'de>, A::Error> {
        let mut notes = Notes::default();
        while let Some((Text(key), value)) = map.next_entry::<Text<'_>, &RawValue>()? {
            match &*key {
                TAG_ORDER => {
                    notes.tag_order = serde_json::from_str(value.get()).unwrap_or_default();
                }
                GIVEN_ID => notes.id = serde_json::from_str(value.get()).ok(),
                Tracking::METADATA => notes.tracking = serde_json::from_str(value.get()).ok(),
                _ => notes.entries.push((key, text(value.get()))),
            }
        }
        Ok(notes)
    }
}

/// A text, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// A value as text: what a string says, or else the JSON.
fn text(json: &str) -> Cow<'_, str> {
    match serde_json::from_str(json) {
        Ok(Text(text)) => text,
        Err(_) => Cow::Borrowed(json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Tag {
        Tag::new(text.to_owned()).expect("a tag")
    }

    #[test]
    fn notes_come_back_and_nothing_takes_no_room() {
        assert_eq!(Notes::default().to_metadata(), "");
        let notes = Notes {
            entries: vec![("b".into(), "\"1\"\n".into()), ("a".into(), "".into())],
            tracking: None,
            id: None,
            tag_order: vec![1, 0],
        };
        let metadata = notes.to_metadata();
        assert_eq!(Notes::of_metadata(&metadata), notes);
    }

    #[test]
    fn metadata_of_other_writers_become_texts() {
        let notes = Notes::of_metadata(br#"{"a": {"b": [1]}, "n": 1, "$tag_order": "x"}"#);
        let entries = [("a", r#"{"b": [1]}"#), ("n", "1")].map(|(k, v)| (k.into(), v.into()));
        assert_eq!(notes, Notes { entries: entries.into(), ..Notes::default() });
        assert_eq!(Notes::of_metadata(b"[1]"), Notes::default());
    }

    #[test]
    fn tags_keep_their_order_and_their_repetitions() {
        let given = ["b", "a", "c", "a"].map(tag).to_vec();
        let (tags, tag_order) = sorted(given.clone());
        assert_eq!(tags, ["a", "b", "c"].map(tag));
        let notes = Notes { tag_order, ..Notes::default() };
        assert!(notes.ordered(&tags).eq(&given));
        assert_eq!(sorted(tags.clone()), (tags, Vec::new()));
    }

    #[test]
    fn an_order_that_does_not_fit_the_tags_is_none() {
        let tags = ["a", "b"].map(tag);
        for tag_order in [vec![0, 2], vec![0]] {
            let notes = Notes { tag_order, ..Notes::default() };
            assert!(notes.ordered(&tags).eq(&tags));
        }
    }

    #[test]
    fn the_tag_that_a_source_is_found_by_is_not_shown() {
        let tags = ["!", "$tracking:s", "a"].map(tag);
        let tracking = Some(Tracking { source: "s".into(), position: 1 });
        let notes = Notes { tracking, tag_order: vec![1, 0], ..Notes::default() };
        assert!(notes.ordered(&tags).eq(&["a", "!"].map(tag)));
        assert!(Notes::default().ordered(&tags).eq(&tags), "of another writer");
    }
}
