//! Appending: whole batches, gap-free numbers, conditions, limits (G1, G3, G4).

use super::{FreshLedger, events::*};
use crate::{
    Append, AppendError, Condition, Conflict, ExpectedRevision, Ledger, NewEvent, Position, Query,
    Read, Revision,
};

pub(super) fn cases(fresh: FreshLedger<'_>) {
    a_batch_is_numbered_without_gaps(&*fresh());
    revisions_follow_the_order_in_the_batch(&*fresh());
    expectations_of_streams_hold_or_conflict(&*fresh());
    no_match_looks_after_its_position_only(&*fresh());
    a_conflict_says_what_is_in_the_way(&*fresh());
    a_condition_beyond_the_head_is_invalid(&*fresh());
    one_condition_that_fails_leaves_nothing(&*fresh());
    what_is_too_large_is_refused_by_name(&*fresh());
}

fn a_batch_is_numbered_without_gaps(ledger: &dyn Ledger) {
    assert_eq!(head(ledger), Position::START, "a fresh ledger is empty");
    let first = put(ledger, [event("a", &[]), event("b", &[])]);
    let second = put(ledger, [event("c", &["t:1"])]);
    assert_eq!((first.first, first.last), (Position(1), Position(2)));
    assert_eq!((second.first, second.last), (Position(3), Position(3)));
    assert!(!first.replayed && first.ids.len() == 2 && first.recorded_at <= second.recorded_at);
    let events = all(ledger, Read::new(Query::all()));
    assert_eq!(positions(&events), [1, 2, 3]);
    assert_eq!(events[0].id, first.ids[0]);
    assert_eq!(events[2].tags, [tag("t:1")]);
    assert_eq!(&events[2].data[..], br#"{"of":"c"}"#);
    assert_eq!(head(ledger), Position(3));
}

fn revisions_follow_the_order_in_the_batch(ledger: &dyn Ledger) {
    let (a, b) = (stream("s-a"), stream("s-b"));
    put(ledger, [event("x", &[]).in_stream(a.clone())]);
    put(
        ledger,
        [
            event("x", &[]).in_stream(a.clone()),
            event("x", &[]).in_stream(b.clone()),
            event("x", &[]),
            event("x", &[]).in_stream(a.clone()),
            event("x", &[]).in_stream(b),
        ],
    );
    let events = all(ledger, Read::new(Query::all()));
    let places =
        events.iter().map(|e| e.stream.as_ref().map(|s| (s.name.to_string(), s.revision.0)));
    let places: Vec<_> = places.collect();
    let at = |name: &str, revision| Some((name.to_owned(), revision));
    assert_eq!(
        places,
        [at("s-a", 0), at("s-a", 1), at("s-b", 0), None, at("s-a", 2), at("s-b", 1)]
    );
}

fn expectations_of_streams_hold_or_conflict(ledger: &dyn Ledger) {
    use ExpectedRevision::{Any, Exactly, Exists, None};
    let (full, empty) = (stream("full"), stream("empty"));
    put(ledger, [0, 1].map(|_| event("x", &[]).in_stream(full.clone())));
    let cases = [
        (&full, Any, true),
        (&full, None, false),
        (&full, Exists, true),
        (&full, Exactly(Revision(1)), true),
        (&full, Exactly(Revision(0)), false),
        (&full, Exactly(Revision(2)), false),
        (&empty, Any, true),
        (&empty, None, true),
        (&empty, Exists, false),
        (&empty, Exactly(Revision(0)), false),
    ];
    for (of, expected, holds) in cases {
        // The batch itself is in another stream: streams not written to are looked at too.
        let other = event("y", &[]).in_stream(stream("other"));
        let condition = Condition::Revision { stream: of.clone(), expected };
        let answer = append(ledger, Append::new([other]).when(condition));
        assert_eq!(answer.is_ok(), holds, "{of} {expected:?}: {answer:?}");
        if let Err(AppendError::Conflict(conflict)) = answer {
            let actual = (*of == full).then_some(Revision(1));
            assert_eq!(conflict.revision, actual, "a conflict says the actual revision");
        }
    }
}

fn no_match_looks_after_its_position_only(ledger: &dyn Ledger) {
    put(ledger, [event("a", &["t:1"]), event("b", &["t:1", "t:2"]), event("c", &[])]);
    let guarded = |query: Query, after| {
        let condition = Condition::NoMatch { query, after: Position(after) };
        append(ledger, Append::new([event("new", &[])]).when(condition)).is_ok()
    };
    assert!(!guarded(tagged("t:1"), 0));
    assert!(!guarded(tagged("t:1"), 1));
    assert!(guarded(tagged("t:1"), 2));
    assert!(guarded(tagged("t:3"), 0), "nothing anywhere");
    assert!(guarded(Query::none(), 0), "a query without items matches nothing");
    assert!(!guarded(Query::all(), 3), "what this case appended itself");
}

fn a_conflict_says_what_is_in_the_way(ledger: &dyn Ledger) {
    put(ledger, (0..30).map(|i| event(if i % 2 == 0 { "even" } else { "odd" }, &["t:1"])));
    let first = Condition::Revision { stream: stream("s"), expected: ExpectedRevision::None };
    let second = Condition::NoMatch { query: tagged("t:1"), after: Position(5) };
    let append_it = Append::new([event("x", &[])]).when(first).when(second.clone());
    let Err(AppendError::Conflict(conflict)) = append(ledger, append_it) else {
        panic!("the second condition does not hold");
    };
    assert_eq!((conflict.index, &conflict.failed), (1, &second));
    assert_eq!(conflict.head, Position(30));
    assert_eq!(conflict.offending.len(), Conflict::OFFENDING_MAX);
    assert_eq!(conflict.offending[0].position, Position(6));
    assert_eq!(conflict.offending[0].event_type, event_type("odd"));
}

fn a_condition_beyond_the_head_is_invalid(ledger: &dyn Ledger) {
    put(ledger, [event("a", &[])]);
    let condition = Condition::NoMatch { query: tagged("t:1"), after: Position(2) };
    let Err(AppendError::Invalid(invalid)) =
        append(ledger, Append::new([event("x", &[])]).when(condition))
    else {
        panic!("a position beyond the head is refused");
    };
    assert_eq!(invalid.field, "conditions[0].after");
    assert_eq!(head(ledger), Position(1));
}

fn one_condition_that_fails_leaves_nothing(ledger: &dyn Ledger) {
    put(ledger, [event("a", &["t:1"])]);
    let condition = Condition::NoMatch { query: tagged("t:1"), after: Position::START };
    let batch = (0..5).map(|_| event("x", &["t:2"]).in_stream(stream("s")));
    assert!(append(ledger, Append::new(batch).when(condition)).is_err());
    assert_eq!(head(ledger), Position(1));
    let next = put(ledger, [event("y", &[]).in_stream(stream("s"))]);
    assert_eq!(next.first, Position(2), "a refused batch takes no position");
    let events = all(ledger, Read::new(Query::all()));
    let place = events[1].stream.as_ref().expect("it is in a stream");
    assert_eq!(place.revision, Revision(0), "a refused batch takes no revision");
}

fn what_is_too_large_is_refused_by_name(ledger: &dyn Ledger) {
    let many_tags: Vec<String> = (0..65).map(|i| format!("t:{i}")).collect();
    let many_tags: Vec<&str> = many_tags.iter().map(String::as_str).collect();
    let unsorted = NewEvent { tags: vec![tag("b:1"), tag("a:1")], ..event("x", &[]) };
    let cases: [(&str, Append); 5] = [
        ("events", Append::new([])),
        ("events", Append::new((0..4_097).map(|_| event("x", &[])))),
        ("events[1].tags", Append::new([event("x", &[]), event("x", &many_tags)])),
        ("events[0].tags", Append::new([unsorted])),
        (
            "events[0].data",
            Append::new([NewEvent::new(event_type("x"), vec![b'1'; (8 << 20) + 1])]),
        ),
    ];
    for (field, append_it) in cases {
        match append(ledger, append_it) {
            Err(AppendError::Invalid(invalid)) => assert_eq!(invalid.field, field, "{invalid}"),
            other => panic!("{field} was to be refused: {other:?}"),
        }
    }
    assert_eq!(head(ledger), Position::START, "nothing was written");
}
