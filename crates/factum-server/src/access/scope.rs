//! [`Scope`]: which events of a ledger somebody may see or write, and how a query becomes one for
//! those events only.
//!
//! What an event is, its type and tags say. Factum's own types (`$…`) are meant only by a pattern
//! that begins with `$`: a `$command` carries what the command was told, and what it read.

use factum_store::{EventType, Limits, Query, QueryItem, Tag};

use super::{Pattern, Principal, Verb, principal::Extent};

/// Which events.
#[derive(Clone, Debug)]
pub(crate) enum Scope {
    All,
    /// Those that fit one of these; none when there are none.
    Some(Vec<Part>),
}

/// Events of one of the types, with a tag for each of the tags.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    types: Vec<Pattern>,
    tags: Vec<Pattern>,
}

/// A query for what may be seen of what was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Narrowed {
    pub(crate) query: Query,
    /// Whether it matches nothing that may not be seen.
    pub(crate) exactly: bool,
}

impl Scope {
    /// What the rights of somebody come to.
    pub(crate) fn of(principal: &Principal, verb: Verb, ledger: &str) -> Self {
        if principal.extent(verb, ledger) == Extent::All {
            return Self::All;
        }
        let part =
            |right: &super::Right| Part { types: right.types.clone(), tags: right.tags.clone() };
        Self::Some(principal.rights(verb, ledger).map(part).collect())
    }

    pub(crate) fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Whether an event may be seen.
    pub(crate) fn has(&self, event_type: &EventType, tags: &[Tag]) -> bool {
        match self {
            Self::All => true,
            Self::Some(parts) => parts.iter().any(|part| part.has(event_type, tags)),
        }
    }

    /// Whether an event may be written. It may not carry another tag of a kind that is limited:
    /// with `tenant:7` allowed, an event of `tenant:7` and `tenant:8` would be seen by both.
    pub(crate) fn takes(&self, event_type: &EventType, tags: &[Tag]) -> bool {
        match self {
            Self::All => true,
            Self::Some(parts) => parts
                .iter()
                .any(|part| part.has(event_type, tags) && part.has_no_other_of_a_kind(tags)),
        }
    }

    /// Whether nothing that a query matches is hidden.
    pub(crate) fn covers(&self, query: &Query) -> bool {
        match self {
            Self::All => true,
            Self::Some(parts) => {
                query.items.iter().all(|item| parts.iter().any(|part| part.covers(item)))
            }
        }
    }

    /// The query, for what may be seen.
    pub(crate) fn narrow(&self, query: &Query) -> Narrowed {
        let Self::Some(parts) = self else {
            return Narrowed { query: query.clone(), exactly: true };
        };
        let mut narrowed = Narrowed { query: Query::none(), exactly: true };
        for item in &query.items {
            for part in parts {
                let Some((item, exactly)) = part.narrow(item) else { continue };
                narrowed.exactly &= exactly;
                narrowed.query.items.push(item);
            }
        }
        let limits = Limits::default();
        let fits =
            |item: &QueryItem| item.types.len().max(item.tags.len()) <= limits.query_terms_max;
        match narrowed.query.items.len() <= limits.query_items_max
            && narrowed.query.items.iter().all(fits)
        {
            true => narrowed,
            false => Narrowed { query: query.clone(), exactly: false },
        }
    }

    /// Everything that may be seen, and more where a pattern can't be said in a query: nothing of
    /// what somebody asked for is in it.
    pub(crate) fn query(&self) -> Query {
        self.narrow(&Query::everything()).query
    }
}

impl Part {
    fn has(&self, event_type: &EventType, tags: &[Tag]) -> bool {
        let tagged = |wanted: &Pattern| tags.iter().any(|tag| wanted.fits(tag.as_str()));
        self.has_type(event_type) && self.tags.iter().all(tagged)
    }

    fn has_type(&self, event_type: &EventType) -> bool {
        let name = event_type.as_str();
        match event_type.is_system() {
            true => self.types.iter().any(|wanted| names_system(wanted) && wanted.fits(name)),
            false => self.types.is_empty() || self.types.iter().any(|wanted| wanted.fits(name)),
        }
    }

    fn has_no_other_of_a_kind(&self, tags: &[Tag]) -> bool {
        let kind = |text: &str| text.split_once(':').map(|(kind, _)| kind.to_owned());
        let limited = |tag: &Tag| {
            let of = kind(tag.as_str());
            of.is_some() && self.tags.iter().any(|wanted| kind(wanted.as_str()) == of)
        };
        let allowed = |tag: &Tag| self.tags.iter().any(|wanted| wanted.fits(tag.as_str()));
        tags.iter().all(|tag| !limited(tag) || allowed(tag))
    }

    fn covers(&self, item: &QueryItem) -> bool {
        let types = match item.types.is_empty() {
            true => !item.system && self.has_every_own_type(),
            false => item.types.iter().all(|wanted| self.has_type(wanted)),
        };
        let carried = |wanted: &Pattern| item.tags.iter().any(|tag| wanted.fits(tag.as_str()));
        types && self.tags.iter().all(carried)
    }

    /// Whether it leaves no type of the application out.
    fn has_every_own_type(&self) -> bool {
        self.types.is_empty() || self.types.iter().any(Pattern::is_any)
    }

    /// The item, for what may be seen, and whether it matches nothing else. `None`: nothing of it
    /// may be seen.
    fn narrow(&self, item: &QueryItem) -> Option<(QueryItem, bool)> {
        let (mut narrowed, mut exactly) = (item.clone(), true);
        if !item.types.is_empty() {
            narrowed.types.retain(|wanted| self.has_type(wanted));
            if narrowed.types.is_empty() {
                return None;
            }
        } else if self.has_every_own_type() && !self.types.iter().any(names_system) {
            narrowed.system = false;
        } else {
            match self.types.iter().map(Pattern::exact).collect::<Option<Vec<_>>>() {
                None => exactly = false,
                Some(types) => {
                    let names = types.into_iter().filter_map(|name| EventType::new(name).ok());
                    narrowed.types =
                        names.filter(|name| item.system || !name.is_system()).collect();
                    if narrowed.types.is_empty() {
                        return None;
                    }
                }
            }
        }
        for wanted in &self.tags {
            match wanted.exact().and_then(|name| Tag::new(name).ok()) {
                Some(tag) => narrowed.tags.push(tag),
                None => exactly = false,
            }
        }
        narrowed.tags.sort_unstable();
        narrowed.tags.dedup();
        Some((narrowed, exactly))
    }
}

fn names_system(pattern: &Pattern) -> bool {
    pattern.as_str().starts_with('$')
}

#[cfg(test)]
mod tests {
    use factum_store::{NewEvent, StreamName};

    use super::*;

    fn scope(rights: &[&str]) -> Scope {
        let rights = rights.iter().map(|right| right.parse().expect("a right")).collect();
        Scope::of(&Principal::new("p", rights), Verb::Read, "l")
    }

    fn event(event_type: &str, tags: &[&str]) -> NewEvent {
        let tags = tags.iter().map(|tag| Tag::new(*tag).expect("a tag"));
        NewEvent::new(EventType::new(event_type).expect("a type"), "1").tagged(tags)
    }

    fn has(scope: &Scope, event_type: &str, tags: &[&str]) -> bool {
        let event = event(event_type, tags);
        scope.has(&event.event_type, &event.tags)
    }

    fn takes(scope: &Scope, event_type: &str, tags: &[&str]) -> bool {
        let event = event(event_type, tags);
        scope.takes(&event.event_type, &event.tags)
    }

    #[test]
    fn an_event_needs_one_of_the_types_and_all_of_the_tags_of_one_right() {
        let some = scope(&["read on l types order.*,a tags t:1,u:*", "read on l types b"]);
        assert!(has(&some, "order.placed", &["t:1", "u:7", "x"]) && has(&some, "b", &[]));
        for (event_type, tags) in
            [("order.placed", &["t:1"][..]), ("order.placed", &["t:12", "u:1"]), ("c", &["t:1"])]
        {
            assert!(!has(&some, event_type, tags), "{event_type} {tags:?}");
        }
        assert!(!has(&scope(&[]), "a", &[]) && has(&scope(&["read on l"]), "$command", &[]));
    }

    #[test]
    fn factums_own_types_are_meant_by_name_only() {
        for right in ["read on l types *", "read on l tags t:1", "read on l types *command"] {
            assert!(!has(&scope(&[right]), "$command", &["t:1"]), "{right}");
        }
        assert!(has(&scope(&["read on l types $*"]), "$command", &[]));
        assert!(!has(&scope(&["read on l types $*"]), "a", &[]));
    }

    #[test]
    fn a_writer_that_is_limited_to_a_tag_writes_no_other_of_its_kind() {
        let seven = scope(&["read on l tags tenant:7"]);
        assert!(takes(&seven, "a", &["tenant:7", "order:1"]));
        assert!(!takes(&seven, "a", &["tenant:7", "tenant:8"]) && !takes(&seven, "a", &[]));
        assert!(has(&seven, "a", &["tenant:7", "tenant:8"]));
        let two = scope(&["read on l tags tenant:7", "read on l tags tenant:8"]);
        assert!(takes(&two, "a", &["tenant:8"]) && !takes(&two, "a", &["tenant:7", "tenant:8"]));
    }

    /// Every query, narrowed by every scope, over every event: what is matched and may be seen is
    /// what was asked for and may be seen; and nothing else is matched when it says so.
    #[test]
    fn a_narrowed_query_is_sound() {
        let (types, tags) = (["a", "a.b", "$c"], ["t:1", "t:2", "u:1"]);
        let some_of = |names: &[&'static str; 3]| -> Vec<Vec<&'static str>> {
            (0..8)
                .map(|bits| (0..3).filter(|i| bits >> i & 1 == 1).map(|i| names[i]).collect())
                .collect()
        };
        let events: Vec<_> = types
            .iter()
            .flat_map(|name| some_of(&tags).into_iter().map(|tags| event(name, &tags)))
            .collect();
        let mut items = Vec::new();
        for types in some_of(&types) {
            for tags in some_of(&tags) {
                for system in [false, true] {
                    let types = types.iter().map(|name| EventType::new(*name).expect("a type"));
                    let tags = tags.iter().map(|name| Tag::new(*name).expect("a tag"));
                    let (types, tags) = (types.collect(), tags.collect());
                    let (stream, category) = (None::<StreamName>, None);
                    items.push(QueryItem { types, tags, stream, category, system });
                }
            }
        }
        let mut rights = Vec::new();
        for types in ["", " types a", " types a*", " types a,$c", " types *", " types $*,a"] {
            for tags in ["", " tags t:1", " tags t:*", " tags t:1,u:*"] {
                rights.push(format!("read on l{types}{tags}"));
            }
        }
        let mut exact = 0;
        for right in &rights {
            let scope = scope(&[right, "read on l types a.b tags u:1"]);
            for item in &items {
                let query = Query::from(item.clone());
                let Narrowed { query: narrowed, exactly } = scope.narrow(&query);
                exact += u32::from(exactly);
                let mut all_seen = true;
                for event in &events {
                    let seen = scope.has(&event.event_type, &event.tags);
                    let asked = query.matches_named(event);
                    let matched = narrowed.matches_named(event);
                    assert_eq!(matched && seen, asked && seen, "{right}: {item:?} on {event:?}");
                    assert!(asked || !matched, "{right}: {item:?} on {event:?}");
                    assert!(seen || !matched || !exactly, "{right}: {item:?} on {event:?}");
                    assert!(!seen || scope.query().matches_named(event), "{right}: {event:?}");
                    all_seen &= seen || !asked;
                }
                assert!(all_seen || !scope.covers(&query), "{right} does not cover {item:?}");
            }
        }
        assert!(exact > 500, "{exact}");
    }
}
