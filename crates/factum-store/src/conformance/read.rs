//! Reading: ranges, directions, pages, what matches, look-ups.

use futures_lite::future::block_on;

use super::{FreshLedger, events::*};
use crate::{
    Append, Category, EventId, EventType, Ledger, Position, Query, QueryItem, Read, ReadError,
    Timestamp,
};

pub(super) fn cases(fresh: FreshLedger<'_>) {
    ranges_directions_and_pages(&*fresh());
    what_matches(&*fresh());
    look_ups(&*fresh());
    what_is_wrong_is_refused_by_name(&*fresh());
}

fn ranges_directions_and_pages(ledger: &dyn Ledger) {
    for i in 1..=40 {
        put(ledger, [event(if i % 3 == 0 { "third" } else { "other" }, &[])]);
    }
    let thirds = || Query::from(QueryItem::types([event_type("third")]));
    for limit in [1, 2, 7, 100] {
        let read = || Read::new(thirds()).after(Position(6)).up_to(Position(31)).limit(limit);
        assert_eq!(positions(&all(ledger, read())), [9, 12, 15, 18, 21, 24, 27, 30]);
        assert_eq!(positions(&all(ledger, read().backward())), [30, 27, 24, 21, 18, 15, 12, 9]);
    }
    let page = block_on(ledger.read(Read::new(Query::all()).limit(5))).expect("a page");
    assert!(page.events.len() <= 5 && page.next.is_some());
    assert_eq!(page.head.position, Position(40));
    assert!(all(ledger, Read::new(Query::all()).after(Position(40))).is_empty());
    assert!(all(ledger, Read::new(Query::all()).after(Position(9)).up_to(Position(9))).is_empty());
    assert_eq!(all(ledger, Read::new(Query::all()).up_to(Position(u64::MAX))).len(), 40);
}

fn what_matches(ledger: &dyn Ledger) {
    put(
        ledger,
        [
            event("a", &["t:1", "t:2"]).in_stream(stream("cat-1")),
            event("b", &["t:1"]).in_stream(stream("cat-2")),
            event("c", &["t:2"]).in_stream(stream("cat")),
            event("a", &[]).in_stream(stream("cats-1")),
            event(EventType::COMMAND, &[]),
            event(EventType::COMMAND, &["t:1"]).in_stream(stream("cat-1")),
        ],
    );
    let found = |items: Vec<QueryItem>| positions(&all(ledger, Read::new(Query { items })));
    let category = |name: &str| Category::new(name.to_owned()).expect("a category");
    assert_eq!(found(vec![QueryItem::default()]), [1, 2, 3, 4], "`$` types are not asked for");
    assert_eq!(found(vec![QueryItem { system: true, ..QueryItem::default() }]), [1, 2, 3, 4, 5, 6]);
    assert_eq!(found(vec![QueryItem::types([event_type(EventType::COMMAND)])]), [5, 6]);
    assert_eq!(found(vec![QueryItem::tags([tag("t:1")])]), [1, 2]);
    assert_eq!(found(vec![QueryItem::tags([tag("t:1"), tag("t:2")])]), [1]);
    assert_eq!(found(vec![QueryItem::types([event_type("a"), event_type("b")])]), [1, 2, 4]);
    assert_eq!(found(vec![QueryItem::stream(stream("cat-1"))]), [1]);
    let in_category = QueryItem { category: Some(category("cat")), ..QueryItem::default() };
    assert_eq!(found(vec![in_category]), [1, 2, 3]);
    let two = vec![QueryItem::tags([tag("t:2")]), QueryItem::types([event_type("a")])];
    assert_eq!(found(two), [1, 3, 4], "items are OR-ed, each event comes once");
    assert_eq!(found(vec![]), [0; 0], "a query without items matches nothing");
    let both = QueryItem { tags: vec![tag("t:1")], ..QueryItem::types([event_type("c")]) };
    assert_eq!(found(vec![both]), [0; 0]);
}

fn look_ups(ledger: &dyn Ledger) {
    let receipts: Vec<_> =
        (0..5).map(|_| put(ledger, [event("a", &[]), event("b", &[])])).collect();
    let third = block_on(ledger.event(receipts[2].ids[1])).expect("a look-up");
    assert_eq!(third.map(|event| event.position), Some(Position(6)));
    let nobody = EventId(uuid::Uuid::from_u128(u128::MAX / 3));
    assert_eq!(block_on(ledger.event(nobody)), Ok(None));
    let at = |time| block_on(ledger.position_at(time)).expect("a look-up");
    for receipt in &receipts {
        // Ties are allowed: the greatest position of that time.
        let last = receipts.iter().rev().find(|r| r.recorded_at == receipt.recorded_at);
        assert_eq!(Some(at(receipt.recorded_at)), last.map(|r| r.last));
    }
    let before = Timestamp::from_micros(receipts[0].recorded_at.micros - 1);
    assert_eq!(at(before), Position::START);
    assert_eq!(at(Timestamp::from_micros(u64::MAX)), Position(10));
}

fn what_is_wrong_is_refused_by_name(ledger: &dyn Ledger) {
    put(ledger, [event("a", &[])]);
    let query = Query { items: vec![QueryItem::default(); 257] };
    for (field, read) in [("limit", Read::new(Query::all()).limit(0)), ("items", Read::new(query))]
    {
        match block_on(ledger.read(read)) {
            Err(ReadError::Invalid(invalid)) => assert_eq!(invalid.field, field),
            other => panic!("{field} was to be refused: {other:?}"),
        }
    }
    assert!(append(ledger, Append::new([event("b", &[])])).is_ok());
}
