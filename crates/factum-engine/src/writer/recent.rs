//! [`Recent`]: the last position of each term of late, in bounded memory.
//!
//! Conditions are nearly always about the recent past: "no event with this tag after that position"
//! is answered from here without touching a file. What is not here was last seen at or before the
//! floor, so "not here" is an answer too when the question begins after the floor. Protects G12
//! (two generations, each bounded) and G4 (when it can't know it says so).

use factum_store::{Position, Query, QueryItem};

use crate::index::{Term, TermMap};

/// Terms of one generation. Two of them take about 8 MiB.
const TERMS_MAX: usize = 131_072;

/// The last position of each term of late.
pub(crate) struct Recent {
    young: TermMap<Position>,
    old: TermMap<Position>,
    /// Every term that is not here was last seen at or before this.
    floor: Position,
    /// Where `young` began.
    young_from: Position,
    last: Position,
}

/// Whether events match after a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    /// Certainly none does.
    None,
    /// Some may.
    Perhaps,
}

impl Recent {
    /// Nothing is known of the events up to `floor`.
    pub(crate) fn new(floor: Position) -> Self {
        let (young, old) = Default::default();
        Self { young, old, floor, young_from: floor, last: floor }
    }

    /// An event with these terms was accepted.
    pub(crate) fn push(&mut self, position: Position, terms: &[Term]) {
        if self.young.len() >= TERMS_MAX {
            self.old = std::mem::take(&mut self.young);
            self.floor = self.young_from;
            self.young_from = self.last;
        }
        self.young.extend(terms.iter().map(|term| (*term, position)));
        self.last = position;
    }

    /// The last position that a term can have been seen at.
    pub(crate) fn last_of(&self, term: Term) -> Position {
        let seen = self.young.get(&term).or_else(|| self.old.get(&term));
        seen.copied().unwrap_or(self.floor)
    }

    /// What was last seen at or before this may not be here.
    pub(crate) fn floor(&self) -> Position {
        self.floor
    }

    /// Whether events after `after` match.
    pub(crate) fn matches_after(&self, query: &Query, after: Position) -> Known {
        let possible = |item: &QueryItem| self.last_match(item) > after;
        if query.items.iter().any(possible) { Known::Perhaps } else { Known::None }
    }

    /// No event after this position can match: an event has all the tags, and one of the types.
    fn last_match(&self, item: &QueryItem) -> Position {
        let mut last = self.last;
        let all = (item.tags.iter().map(Term::tag))
            .chain(item.stream.iter().map(Term::stream))
            .chain(item.category.iter().map(Term::category));
        for term in all {
            last = last.min(self.last_of(term));
        }
        let types = item.types.iter().map(|name| self.last_of(Term::event_type(name)));
        types.max().map_or(last, |of_types| last.min(of_types))
    }
}

#[cfg(test)]
mod tests {
    use factum_store::{EventType, Tag};

    use super::*;

    fn item(types: &[&str], tags: &[&str]) -> Query {
        let types = types.iter().map(|t| EventType::new(*t).unwrap());
        let tags = tags.iter().map(|t| Tag::new(*t).unwrap()).collect();
        QueryItem { tags, ..QueryItem::types(types) }.into()
    }

    #[test]
    fn g4_it_says_none_only_when_that_is_certain() {
        let mut recent = Recent::new(Position(10));
        let terms = |t: &str, tag: &str| {
            [Term::event_type(&EventType::new(t).unwrap()), Term::tag(&Tag::new(tag).unwrap())]
        };
        recent.push(Position(11), &terms("a", "x"));
        recent.push(Position(12), &terms("b", "y"));
        let known = |query: &Query, after| recent.matches_after(query, Position(after));
        assert_eq!(known(&item(&[], &["x"]), 10), Known::Perhaps);
        assert_eq!(known(&item(&[], &["x"]), 11), Known::None);
        assert_eq!(known(&item(&["b"], &["x"]), 11), Known::None);
        assert_eq!(known(&item(&["a", "b"], &[]), 11), Known::Perhaps);
        assert_eq!(known(&item(&[], &["z"]), 10), Known::None);
        assert_eq!(known(&item(&[], &["z"]), 9), Known::Perhaps);
        assert_eq!(known(&Query::all(), 12), Known::None);
        assert_eq!(known(&Query::all(), 11), Known::Perhaps);
    }

    #[test]
    fn g12_it_forgets_and_knows_that_it_forgot() {
        let mut recent = Recent::new(Position::START);
        let term = |i: u64| Term::tag(&Tag::new(format!("k:{i}")).unwrap());
        let count = 3 * TERMS_MAX as u64;
        for i in 1..=count {
            recent.push(Position(i), &[term(i)]);
        }
        assert!(recent.young.len() + recent.old.len() <= 2 * TERMS_MAX);
        for i in (1..=count).step_by(997) {
            assert!(recent.last_of(term(i)) >= Position(i), "term {i}");
        }
        assert_eq!(recent.last_of(term(count)), Position(count));
    }
}
