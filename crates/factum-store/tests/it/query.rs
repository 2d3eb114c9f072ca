//! What matches: one definition, here against a table of its own.

use factum_store::{Category, EventType, NewEvent, Query, QueryItem, StreamName, Tag};

fn item(types: &[&str], tags: &[&str]) -> QueryItem {
    QueryItem {
        types: types
            .iter()
            .map(|t| EventType::new((*t).to_owned()).expect("a valid name"))
            .collect(),
        tags: tags.iter().map(|t| Tag::new((*t).to_owned()).expect("a valid name")).collect(),
        ..QueryItem::default()
    }
}

/// Whether `query` matches an event of this type with these tags, in this stream.
fn matches(query: &Query, name: &str, tags: &[&str], stream: Option<&str>) -> bool {
    let tags = tags.iter().map(|t| Tag::new((*t).to_owned()).expect("a valid name"));
    let event_type = EventType::new(name.to_owned()).expect("a valid name");
    let event = NewEvent::new(event_type, "").tagged(tags);
    let stream = stream.map(|name| StreamName::new(name.to_owned()).expect("a valid name"));
    query.matches_named(&NewEvent { stream, ..event })
}

#[test]
fn types_are_or_ed_and_tags_are_and_ed() {
    let query = Query::from(item(&["paid", "sent"], &["a:1", "b:1"]));
    for (name, tags, expected) in [
        ("paid", &["a:1", "b:1"][..], true),
        ("sent", &["a:1", "b:1", "c:1"], true),
        ("placed", &["a:1", "b:1"], false),
        ("paid", &["a:1"], false),
        ("paid", &[], false),
    ] {
        assert_eq!(matches(&query, name, tags, None), expected, "{name} {tags:?}");
    }
}

#[test]
fn items_are_or_ed_and_no_item_matches_nothing() {
    let query = Query { items: vec![item(&["paid"], &[]), item(&[], &["a:1"])] };
    assert!(matches(&query, "paid", &[], None));
    assert!(matches(&query, "sent", &["a:1"], None));
    assert!(!matches(&query, "sent", &["b:1"], None));
    assert!(!matches(&Query::none(), "paid", &["a:1"], Some("s")));
}

#[test]
fn a_stream_and_a_category_must_both_fit() {
    let stream = Some(StreamName::new("order-1").unwrap());
    let in_stream = Query::from(QueryItem { stream: stream.clone(), ..item(&[], &[]) });
    let category = |name: &str| Some(Category::new(name.to_owned()).unwrap());
    let in_orders = Query::from(QueryItem { category: category("order"), ..item(&[], &[]) });
    let neither = Query::from(QueryItem { stream, category: category("user"), ..item(&[], &[]) });
    for (place, one, orders) in [
        (Some("order-1"), true, true),
        (Some("order-2"), false, true),
        (Some("orders-1"), false, false),
        (None, false, false),
    ] {
        assert_eq!(matches(&in_stream, "x", &[], place), one, "{place:?}");
        assert_eq!(matches(&in_orders, "x", &[], place), orders, "{place:?}");
        assert!(!matches(&neither, "x", &[], place), "{place:?}");
    }
}

#[test]
fn the_ledgers_own_events_match_only_by_name_or_with_system() {
    let with_system = Query::from(QueryItem { system: true, ..item(&[], &["a:1"]) });
    for (query, own, ordinary) in [
        (Query::all(), false, true),
        (Query::everything(), true, true),
        (item(&[], &["a:1"]).into(), false, true),
        (with_system, true, true),
        (item(&["$command"], &[]).into(), true, false),
        (item(&["$command", "x"], &["a:1"]).into(), true, true),
    ] {
        assert_eq!(matches(&query, "$command", &["a:1"], None), own, "{query:?}");
        assert_eq!(matches(&query, "x", &["a:1"], None), ordinary, "{query:?}");
    }
}
