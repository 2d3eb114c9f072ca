//! The planner against `Query::matches`: what it leaves out must not match, in either direction and
//! any range, over the tail and over a sealed file; and a rare term must not pay for a hot one.

use std::sync::Arc;

use factum_store::{
    Direction, EventId, EventType, NewEvent, Position, Query, QueryItem, StreamName, Tag, Timestamp,
};
use proptest::prelude::*;

use super::{
    Entry, IndexCache, Indexed, Part, Role, Sealed, Tail, Tally, View,
    planner::{Asked, Candidates},
    push_terms,
    tests::Bytes,
};

#[derive(Clone, Debug)]
struct Event {
    event_type: EventType,
    tags: Vec<Tag>,
    stream: Option<StreamName>,
}

impl Event {
    fn named(&self) -> NewEvent {
        let Self { event_type, tags, stream } = self.clone();
        NewEvent { stream, ..NewEvent::new(event_type, "").tagged(tags) }
    }
}

fn some_type() -> impl Strategy<Value = EventType> {
    prop::sample::select(vec!["a", "b", "c", "$command"]).prop_map(|t| t.parse().unwrap())
}

fn some_tag() -> impl Strategy<Value = Tag> {
    prop::sample::select(vec!["k:1", "k:2", "k:3", "hot:1"]).prop_map(|t| t.parse().unwrap())
}

fn some_stream() -> impl Strategy<Value = StreamName> {
    prop::sample::select(vec!["s-1", "s-2", "t-1", "t"]).prop_map(|t| t.parse().unwrap())
}

fn some_event() -> impl Strategy<Value = Event> {
    let tags = prop::collection::btree_set(some_tag(), 0..3);
    (some_type(), tags, prop::option::of(some_stream())).prop_map(|(event_type, tags, stream)| {
        Event { event_type, tags: tags.into_iter().collect(), stream }
    })
}

fn some_item() -> impl Strategy<Value = QueryItem> {
    let types = prop::collection::vec(some_type(), 0..3);
    let tags = prop::collection::vec(some_tag(), 0..3);
    let stream = prop::option::weighted(0.2, some_stream());
    let category = prop::option::weighted(0.2, some_stream().prop_map(|s| s.category()));
    (types, tags, stream, category, any::<bool>()).prop_map(
        |(types, tags, stream, category, system)| QueryItem {
            types,
            tags,
            stream,
            category,
            system,
        },
    )
}

const FIRST: u64 = 100;

fn tail_of(events: &[Event]) -> Tail {
    let (tail, mut terms) = (Tail::new(Position(FIRST)), Vec::new());
    for (i, event) in (0..).zip(events) {
        let id = EventId(uuid::Uuid::from_u128(i));
        let Event { event_type, tags, stream } = event;
        let (event_type, stream) = (event_type.as_str(), stream.as_ref().map(StreamName::as_str));
        let indexed = Indexed { own_id: Some(id), event_type, stream, key: None };
        terms.clear();
        push_terms(indexed, tags.iter().map(Tag::as_str), &mut terms);
        tail.push(&Entry {
            position: Position(FIRST + i as u64),
            recorded_at: Timestamp::from_micros(1),
            offset: 64 + 8 * i as u64,
            opens_frame: true,
            terms: &terms,
        });
    }
    tail
}

fn sealed_of(tail: &Tail) -> Sealed {
    Sealed::open(Arc::new(Bytes(tail.seal())), &IndexCache::with_bytes(1 << 20)).unwrap()
}

/// Everything from `from` on, in the direction of the plan.
fn walk(candidates: &mut Candidates<'_>, from: Position, to: Direction) -> Vec<Position> {
    let (mut target, mut found) = (from, Vec::new());
    while let Some(position) = candidates.seek(target).unwrap() {
        found.push(position);
        target = match to {
            Direction::Forward => position.next(),
            Direction::Backward => position.prev(),
        };
    }
    found
}

fn check(view: View<'_>, events: &[Event], query: &Query, from: Position, to: Direction) {
    let Part::Candidates(mut candidates) = Part::plan(view, &Asked::of(query), to).unwrap() else {
        let bare =
            |item: &QueryItem| *item == QueryItem { system: item.system, ..Default::default() };
        assert!(query.items.iter().any(bare), "only an item without terms asks for a scan");
        return;
    };
    let matches = |position: &Position| {
        let event = &events[(position.0 - FIRST) as usize];
        query.matches_named(&event.named())
    };
    let seen = (FIRST..=view.last().0).map(Position).filter(matches);
    let mut expected: Vec<_> = match to {
        Direction::Forward => seen.filter(|position| *position >= from).collect(),
        Direction::Backward => seen.filter(|position| *position <= from).collect(),
    };
    if to == Direction::Backward {
        expected.reverse();
    }
    let mut found = walk(&mut candidates, from, to);
    let sorted = match to {
        Direction::Forward => found.is_sorted_by(|a, b| a < b),
        Direction::Backward => found.is_sorted_by(|a, b| a > b),
    };
    assert!(sorted, "in order and without repetition: {found:?}");
    found.retain(matches);
    assert_eq!(found, expected, "{query:?} {to:?} from {from}");
}

proptest! {
    #[test]
    fn no_match_is_left_out(
        events in prop::collection::vec(some_event(), 1..60),
        items in prop::collection::vec(some_item(), 0..4),
        from in 95_u64..165,
        seen in 0_usize..60,
    ) {
        let (tail, query, tally) = (tail_of(&events), Query { items }, Tally::default());
        let sealed = sealed_of(&tail);
        let upto = Position(FIRST + seen.min(events.len() - 1) as u64);
        for to in [Direction::Forward, Direction::Backward] {
            let view = View::Tail { tail: &tail, upto };
            check(view, &events, &query, Position(from), to);
            let view = View::Sealed { sealed: &sealed, tally: &tally };
            check(view, &events, &query, Position(from), to);
        }
    }
}

/// 30,000 events: `hot` on each, `warm` on every third, `cool` on every fourth, `rare` on five.
fn skewed() -> Vec<Event> {
    let tag = |text: &str| text.parse::<Tag>().unwrap();
    let events = (0..30_000).map(|i| {
        let mut tags = vec![tag("hot:1")];
        tags.extend((i % 4 == 0).then(|| tag("cool:1")));
        tags.extend((i % 6_000 == 0).then(|| tag("rare:1")));
        tags.extend((i % 3 == 0).then(|| tag("warm:1")));
        Event { event_type: "a".parse().unwrap(), tags, stream: None }
    });
    events.collect()
}

fn cost(sealed: &Sealed, tags: &[&str]) -> (u64, usize, Vec<Role>) {
    let item = QueryItem::tags(tags.iter().map(|tag| tag.parse().unwrap()));
    let tally = Tally::default();
    let view = View::Sealed { sealed, tally: &tally };
    let part = Part::plan(view, &Asked::of(&item.into()), Direction::Forward).unwrap();
    let Part::Candidates(mut candidates) = part else { panic!("tags are terms") };
    let found = walk(&mut candidates, Position::START, Direction::Forward);
    let roles = candidates.plans[0].explain().terms.iter().map(|term| term.role).collect();
    (tally.pages(), found.len(), roles)
}

#[test]
fn a_rare_tag_does_not_pay_for_a_hot_one() {
    let sealed = sealed_of(&tail_of(&skewed()));
    let (alone, found, _) = cost(&sealed, &["rare:1"]);
    assert_eq!(found, 5);
    let (with_hot, found, roles) = cost(&sealed, &["hot:1", "rare:1"]);
    assert_eq!((found, roles), (5, vec![Role::Leads, Role::Compared]));
    assert!(with_hot <= alone + 1, "{with_hot} pages, {alone} without the hot tag");
    let (with_warm, found, roles) = cost(&sealed, &["rare:1", "warm:1"]);
    assert_eq!((found, roles), (5, vec![Role::Leads, Role::Narrows]));
    assert!(with_warm <= alone + 2 + 5, "{with_warm} pages: one for each of the rare at most");
    let (_, found, roles) = cost(&sealed, &["warm:1", "cool:1"]);
    assert_eq!(roles, [Role::Leads, Role::Narrows]);
    assert_eq!(found, 30_000 / 12, "only what has both comes out");
    let (absent, found, roles) = cost(&sealed, &["absent:1", "hot:1"]);
    assert_eq!((absent, found, roles), (0, 0, vec![Role::Leads]), "the filter knows");
}
