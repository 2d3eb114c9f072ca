//! Limits that are configured are the ones that hold.

use factum_store::{Append, Bytes, EventType, Limits, NewEvent, Query, QueryItem, Tag};

fn event(data: usize, tags: usize) -> NewEvent {
    let tags = (0..tags).map(|n| Tag::of("t", format_args!("{n:03}")).expect("a valid name"));
    NewEvent::new(EventType::new("x").expect("a valid name"), Bytes::from(vec![b'x'; data]))
        .tagged(tags)
}

#[test]
fn an_append_fits_exactly_when_each_number_is_within_its_limit() {
    let limits = Limits {
        data_bytes_max: 10,
        tags_max: 4,
        batch_events_max: 3,
        batch_bytes_max: 24,
        ..Limits::default()
    };
    for (sizes, fits) in [
        (vec![], false),
        (vec![(10, 4), (10, 0), (4, 0)], true),
        (vec![(11, 0)], false),
        (vec![(0, 5)], false),
        (vec![(0, 0); 4], false),
        (vec![(10, 0), (10, 0), (5, 0)], false),
    ] {
        let append = Append::new(sizes.iter().map(|(data, tags)| event(*data, *tags)));
        assert_eq!(limits.check_append(&append).is_ok(), fits, "{sizes:?}");
    }
}

#[test]
fn what_is_over_a_limit_is_said_with_the_limit() {
    let limits = Limits { data_bytes_max: 10, query_items_max: 1, ..Limits::default() };
    let append = Append::new([event(10, 0), event(11, 0)]);
    let problem = limits.check_append(&append).unwrap_err().to_string();
    assert_eq!(problem, "events[1].data has 11 bytes; the limit is 10");
    let query = Query { items: vec![QueryItem::default(); 2] };
    let problem = limits.check_query(&query).unwrap_err().to_string();
    assert_eq!(problem, "items has 2 items; the limit is 1");
}

#[test]
fn tags_are_sorted_and_not_repeated() {
    let tag = |text: &str| Tag::new(text.to_owned()).unwrap();
    let event = event(1, 0).tagged([tag("b"), tag("a")]).tagged([tag("c"), tag("a")]);
    assert_eq!(event.tags, [tag("a"), tag("b"), tag("c")]);
    Limits::default().check_event(&event).unwrap();
}
