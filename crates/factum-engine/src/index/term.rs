//! [`Term`]: what an index is asked for, as 64 bits.
//!
//! A term is XXH3-64 (a published, frozen function) of the text, seeded with the kind of the term.
//! The same text as a stream and as a tag are different terms. Two texts may share a term: whatever
//! an index finds is compared with the event itself, so a collision costs time, never correctness.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use factum_store::{Category, EventId, EventType, IdempotencyKey, StreamName, Tag};
use twox_hash::XxHash3_64;

/// A term of the index. Part of the file format: see FORMAT.md before changing how it is made.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Term(pub(crate) u64);

/// A table of terms. Small, and quick to ask: terms are hashes already.
pub(crate) type TermMap<V> = HashMap<Term, V, BuildHasherDefault<AsIs>>;

/// A term as its own hash.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AsIs(u64);

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a term is hashed as one number")
    }

    fn write_u64(&mut self, term: u64) {
        self.0 = term;
    }
}

/// The seed of each kind of term.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Kind {
    Stream = 1,
    Tag = 2,
    Type = 3,
    Category = 4,
    Key = 5,
    Id = 6,
}

impl Term {
    fn of(kind: Kind, text: &[u8]) -> Self {
        Self(XxHash3_64::oneshot_with_seed(kind as u64, text))
    }

    pub(crate) fn stream(stream: &StreamName) -> Self {
        Self::of(Kind::Stream, stream.as_str().as_bytes())
    }

    pub(crate) fn tag(tag: &Tag) -> Self {
        Self::of(Kind::Tag, tag.as_str().as_bytes())
    }

    pub(crate) fn event_type(event_type: &EventType) -> Self {
        Self::of(Kind::Type, event_type.as_str().as_bytes())
    }

    pub(crate) fn category(category: &Category) -> Self {
        Self::of(Kind::Category, category.as_str().as_bytes())
    }

    /// Each text is preceded by its length, so that ("a", "bc") and ("ab", "c") differ.
    pub(crate) fn key(key: &IdempotencyKey) -> Self {
        Self::key_parts(&key.principal, &key.operation, &key.key)
    }

    pub(crate) fn key_parts(principal: &str, operation: &str, key: &str) -> Self {
        let mut text = Vec::with_capacity(64);
        for part in [principal, operation, key] {
            text.extend_from_slice(&(part.len() as u32).to_le_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        Self::of(Kind::Key, &text)
    }

    pub(crate) fn id(id: EventId) -> Self {
        Self::of(Kind::Id, id.0.as_bytes())
    }
}

/// The parts of an event that are indexed, but for its tags.
#[derive(Clone, Copy)]
pub(crate) struct Indexed<'a> {
    /// Its id, unless the ledger made it: then the id itself says where the event is.
    pub(crate) own_id: Option<EventId>,
    pub(crate) event_type: &'a str,
    pub(crate) stream: Option<&'a str>,
    /// The key of the batch, with its first event.
    pub(crate) key: Option<&'a IdempotencyKey>,
}

/// Adds the terms of an event.
pub(crate) fn push_terms<'a>(
    event: Indexed<'_>,
    tags: impl Iterator<Item = &'a str>,
    terms: &mut Vec<Term>,
) {
    terms.extend(event.own_id.map(Term::id));
    terms.push(Term::of(Kind::Type, event.event_type.as_bytes()));
    terms.extend(tags.map(|tag| Term::of(Kind::Tag, tag.as_bytes())));
    if let Some(stream) = event.stream {
        terms.push(Term::of(Kind::Stream, stream.as_bytes()));
        terms.push(Term::of(Kind::Category, Category::of(stream).as_bytes()));
    }
    terms.extend(event.key.map(Term::key));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_frozen() {
        let tag = Term::tag(&"order:W123".parse().unwrap());
        let stream = Term::stream(&"order-W123".parse().unwrap());
        let id = Term::id(EventId(uuid::Uuid::from_u128(7)));
        let key = Term::key_parts("ann", "append", "req-42");
        assert_eq!([tag, stream, id, key].map(|term| term.0), FROZEN);
    }

    /// Index files hold these numbers: a change here is a new version of the format.
    const FROZEN: [u64; 4] = [
        10_854_934_540_497_981_251,
        4_341_569_418_248_174_978,
        16_071_594_937_575_777_664,
        7_459_320_060_050_755_305,
    ];

    #[test]
    fn the_kind_and_the_borders_of_the_parts_count() {
        let tag = Term::tag(&"same".parse().unwrap());
        assert_ne!(tag, Term::stream(&"same".parse().unwrap()));
        assert_ne!(tag, Term::event_type(&"same".parse().unwrap()));
        assert_ne!(Term::key_parts("a", "bc", "d"), Term::key_parts("ab", "c", "d"));
    }
}
