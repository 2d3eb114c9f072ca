//! What is kept of a stream: metadata, truncation, counts, deletion, tombstones, and the state that
//! each expectation of a revision is checked against.

use bytes::Bytes;
use futures_lite::{StreamExt, future::block_on};

use super::{FreshLedger, events::*};
use crate::{
    Append, AppendError, Condition, EventType, ExpectedRevision, Ledger, NewEvent, Position, Query,
    QueryItem, Read, Retention, Revision, Signal, StreamInfo, StreamMetadata, StreamName,
    StreamState, Subscribe,
};

pub(super) fn cases(fresh: FreshLedger<'_>) {
    a_streams_readers_see_what_is_kept_at_once(&*fresh());
    the_last_metadata_counts_and_carries_what_the_user_says(&*fresh());
    a_deleted_stream_goes_on_where_it_ended(&*fresh());
    a_tombstone_ends_a_stream_for_ever(&*fresh());
    expectations_look_at_the_state(&*fresh());
    changes_of_a_stream_do_not_cross(&*fresh());
    what_does_not_name_a_stream_finds_hidden_events(&*fresh());
    conditions_look_at_what_is_there(&*fresh());
    nonsense_about_a_stream_is_refused_by_name(&*fresh());
}

fn fill(ledger: &dyn Ledger, name: &StreamName, count: u64) {
    put(ledger, (0..count).map(|_| event("x", &["t:1"]).in_stream(name.clone())));
}

fn info(ledger: &dyn Ledger, name: &StreamName) -> StreamInfo {
    block_on(ledger.stream(name.clone())).expect("a stream can be looked up")
}

fn state(ledger: &dyn Ledger, name: &StreamName) -> (StreamState, Option<u64>) {
    let info = info(ledger, name);
    (info.state(), info.last.map(|last| last.0))
}

fn keep(ledger: &dyn Ledger, name: &StreamName, retention: Retention) {
    let set = info(ledger, name).set(&StreamMetadata::keeping(retention));
    append(ledger, set.expect("a stream with metadata")).expect("metadata is accepted");
}

/// The revisions that a reader of the stream sees, which are the same in both directions and for a
/// subscriber that comes now.
fn seen(ledger: &dyn Ledger, name: &StreamName) -> Vec<u64> {
    let of = |query: QueryItem| {
        let read = || Read::new(query.clone().into()).limit(3);
        let revision = |event: crate::RecordedEvent| {
            event.stream.expect("it is in the stream that was asked for").revision.0
        };
        let forward: Vec<_> = all(ledger, read()).into_iter().map(revision).collect();
        let mut backward: Vec<_> =
            all(ledger, read().backward()).into_iter().map(revision).collect();
        backward.reverse();
        assert_eq!(forward, backward, "{name}: one direction sees what the other does not");
        let query = Query::from(query.clone());
        let mut signals = ledger.subscribe(Subscribe { query, after: Position::START });
        let mut followed = Vec::new();
        while let Some(Ok(signal)) = block_on(signals.next()) {
            match signal {
                Signal::Event(event) => followed.push(revision(*event)),
                Signal::CaughtUp(_) => break,
                Signal::Progress(_) => {}
            }
        }
        assert_eq!(forward, followed, "{name}: a subscriber sees what a reader does not");
        forward
    };
    of(QueryItem::stream(name.clone()))
}

fn keeping(change: impl FnOnce(&mut Retention)) -> Retention {
    let mut retention = Retention::default();
    change(&mut retention);
    retention
}

fn a_streams_readers_see_what_is_kept_at_once(ledger: &dyn Ledger) {
    let (s, other) = (stream("s-1"), stream("s-2"));
    fill(ledger, &s, 6);
    fill(ledger, &other, 3);
    assert_eq!(seen(ledger, &s), [0, 1, 2, 3, 4, 5]);
    let before = |revision| keeping(|kept| kept.truncate_before = Some(Revision(revision)));
    let count = |count| keeping(|kept| kept.max_count = Some(count));
    let both = Retention { max_count: Some(2), ..before(3) };
    let cases: [(Retention, &[u64]); 8] = [
        (before(0), &[0, 1, 2, 3, 4, 5]),
        (before(2), &[2, 3, 4, 5]),
        (before(6), &[]),
        (count(1), &[5]),
        (count(6), &[0, 1, 2, 3, 4, 5]),
        (count(u64::MAX), &[0, 1, 2, 3, 4, 5]),
        (both, &[4, 5]),
        (keeping(|kept| kept.max_age_seconds = Some(u64::MAX)), &[0, 1, 2, 3, 4, 5]),
    ];
    for (retention, expected) in cases {
        keep(ledger, &s, retention);
        assert_eq!(seen(ledger, &s), expected, "{retention:?}");
        assert_eq!(state(ledger, &s), (StreamState::Live, Some(5)), "{retention:?}");
    }
    keep(ledger, &s, count(2));
    fill(ledger, &s, 1);
    assert_eq!(seen(ledger, &s), [5, 6], "what is counted is counted from the end");
    assert_eq!(seen(ledger, &other), [0, 1, 2], "another stream is another matter");
}

fn the_last_metadata_counts_and_carries_what_the_user_says(ledger: &dyn Ledger) {
    let s = stream("s-1");
    assert_eq!(info(ledger, &s), StreamInfo::never_existed(s.clone()));
    let data = Bytes::from_static(b"{\"owner\": \"ann\"}");
    let said = StreamMetadata { retention: keeping(|k| k.max_count = Some(3)), data };
    let set = info(ledger, &s).set(&said).expect("a stream with metadata");
    append(ledger, set).expect("a stream may have metadata before it has events");
    assert_eq!(state(ledger, &s), (StreamState::NeverExisted, None));
    fill(ledger, &s, 5);
    assert_eq!((seen(ledger, &s), info(ledger, &s).metadata), (vec![2, 3, 4], said.clone()));
    let truncate = info(ledger, &s).truncate(Revision(4)).expect("a stream with metadata");
    append(ledger, truncate).expect("it is as it was");
    let now = info(ledger, &s);
    assert_eq!((seen(ledger, &s), &now.metadata.data), (vec![4], &said.data));
    assert_eq!(
        (now.metadata.retention.max_count, now.metadata_revision),
        (Some(3), Some(Revision(1)))
    );
    let metadata = s.metadata_stream().expect("a name");
    let item = QueryItem { system: true, ..QueryItem::stream(metadata.clone()) };
    let found = all(ledger, Read::new(item.into()));
    assert_eq!(found.len(), 1, "of metadata only the last is seen");
    assert_eq!(found[0].data, said.data);
    assert_eq!(info(ledger, &metadata).last, Some(Revision(1)));
}

fn a_deleted_stream_goes_on_where_it_ended(ledger: &dyn Ledger) {
    let s = stream("s-1");
    fill(ledger, &s, 3);
    append(ledger, info(ledger, &s).delete().expect("it can have metadata")).expect("deleted");
    assert_eq!(state(ledger, &s), (StreamState::Deleted, Some(2)));
    assert_eq!(seen(ledger, &s), [0; 0]);
    append(ledger, info(ledger, &s).delete().expect("it can have metadata")).expect("again");
    fill(ledger, &s, 2);
    assert_eq!(state(ledger, &s), (StreamState::Live, Some(4)));
    assert_eq!(seen(ledger, &s), [3, 4], "only what is new is seen");
    // Within one batch too: the deletion, and what comes after it.
    let mut batch = info(ledger, &s).delete().expect("it can have metadata");
    batch.events.push(event("x", &[]).in_stream(s.clone()));
    append(ledger, batch).expect("deleted and written");
    assert_eq!((state(ledger, &s), seen(ledger, &s)), ((StreamState::Live, Some(5)), vec![5]));
}

fn a_tombstone_ends_a_stream_for_ever(ledger: &dyn Ledger) {
    let (s, never) = (stream("s-1"), stream("s-2"));
    fill(ledger, &s, 3);
    for (name, last) in [(&s, 3), (&never, 0)] {
        append(ledger, info(ledger, name).tombstone()).expect("any stream can be ended");
        assert_eq!(state(ledger, name), (StreamState::Tombstoned, Some(last)));
        assert_eq!(seen(ledger, name), [0; 0]);
        let named = QueryItem { system: true, ..QueryItem::stream(name.clone()) };
        let found = all(ledger, Read::new(named.into()));
        assert_eq!(found.len(), 1, "what is left is the tombstone, for who asks for it");
        assert_eq!(found[0].event_type.as_str(), EventType::TOMBSTONE);
    }
    let before = head(ledger);
    for expected in every_expectation() {
        let condition = Condition::Revision { stream: s.clone(), expected };
        let batch = [event("a", &[]), event("x", &[]).in_stream(s.clone())];
        let ended = AppendError::StreamTombstoned { stream: s.clone(), revision: Revision(3) };
        assert_eq!(append(ledger, Append::new(batch).when(condition)), Err(ended), "{expected:?}");
    }
    assert!(append(ledger, info(ledger, &s).tombstone()).is_err(), "it is ended already");
    assert_eq!(head(ledger), before, "nothing was written");
    keep(ledger, &s, keeping(|kept| kept.max_count = Some(9)));
    assert_eq!(state(ledger, &s).0, StreamState::Tombstoned, "metadata brings nothing back");
}

fn every_expectation() -> [ExpectedRevision; 5] {
    use ExpectedRevision::{Any, Exactly, Exists, None};
    [Any, None, Exists, Exactly(Revision(2)), Exactly(Revision(3))]
}

fn expectations_look_at_the_state(ledger: &dyn Ledger) {
    let [never, live, deleted, tombstoned] = ["never", "live", "deleted", "tombstoned"].map(stream);
    for name in [&live, &deleted, &tombstoned] {
        fill(ledger, name, 3);
    }
    append(ledger, info(ledger, &deleted).delete().expect("a name")).expect("deleted");
    append(ledger, info(ledger, &tombstoned).tombstone()).expect("tombstoned");
    // any, none, exists, exactly 2, exactly 3
    let table = [
        (&never, StreamState::NeverExisted, [true, true, false, false, false]),
        (&live, StreamState::Live, [true, false, true, true, false]),
        (&deleted, StreamState::Deleted, [true, true, false, true, false]),
        (&tombstoned, StreamState::Tombstoned, [true, true, false, false, false]),
    ];
    for (of, is, holds) in table {
        for (expected, holds) in every_expectation().into_iter().zip(holds) {
            let condition = Condition::Revision { stream: of.clone(), expected };
            // The batch itself is in no stream: what is expected of the stream is all that counts.
            let answer = append(ledger, Append::new([event("y", &[])]).when(condition));
            assert_eq!(answer.is_ok(), holds, "{of} {expected:?}: {answer:?}");
            if let Err(AppendError::Conflict(conflict)) = answer {
                assert_eq!(conflict.state, Some(is), "a conflict says the state");
                assert_eq!(conflict.revision, info(ledger, of).last);
            }
        }
    }
}

fn changes_of_a_stream_do_not_cross(ledger: &dyn Ledger) {
    let s = stream("s-1");
    fill(ledger, &s, 3);
    let old = info(ledger, &s);
    fill(ledger, &s, 1);
    let delete = old.delete().expect("a name");
    assert!(matches!(append(ledger, delete), Err(AppendError::Conflict(_))), "it has grown");
    assert!(matches!(append(ledger, old.tombstone()), Err(AppendError::Conflict(_))));
    keep(ledger, &s, keeping(|kept| kept.max_count = Some(9)));
    let truncate = old.truncate(Revision(1)).expect("a name");
    assert!(matches!(append(ledger, truncate), Err(AppendError::Conflict(_))), "it was set");
    assert_eq!(seen(ledger, &s), [0, 1, 2, 3]);
}

fn what_does_not_name_a_stream_finds_hidden_events(ledger: &dyn Ledger) {
    let s = stream("s-1");
    fill(ledger, &s, 4);
    put(ledger, [event("y", &["t:1"])]);
    append(ledger, info(ledger, &s).truncate(Revision(3)).expect("a name")).expect("truncated");
    let found = |items: Vec<QueryItem>| positions(&all(ledger, Read::new(Query { items })));
    assert_eq!(found(vec![QueryItem::default()]), [1, 2, 3, 4, 5]);
    assert_eq!(found(vec![QueryItem::tags([tag("t:1")])]), [1, 2, 3, 4, 5]);
    let tagged = QueryItem { tags: vec![tag("t:1")], ..QueryItem::stream(s.clone()) };
    assert_eq!(found(vec![tagged]), [4], "an item that names the stream finds what is visible");
    let y = QueryItem::types([event_type("y")]);
    assert_eq!(found(vec![QueryItem::stream(s.clone()), y]), [4, 5], "each item by itself");
    let past = Read::new(QueryItem::stream(s).into()).up_to(Position(4));
    assert_eq!(positions(&all(ledger, past)), [4], "hidden is hidden in the past too");
}

fn conditions_look_at_what_is_there(ledger: &dyn Ledger) {
    let s = stream("s-1");
    fill(ledger, &s, 2);
    append(ledger, info(ledger, &s).delete().expect("a name")).expect("deleted");
    let query: Query = QueryItem::stream(s).into();
    let guarded = |after| {
        let condition = Condition::NoMatch { query: query.clone(), after: Position(after) };
        append(ledger, Append::new([event("y", &[])]).when(condition)).is_ok()
    };
    assert!(guarded(2), "nothing came after it");
    let last = head(ledger);
    assert!(!guarded(0), "hidden is not gone");
    assert_eq!(head(ledger), last);
}

fn nonsense_about_a_stream_is_refused_by_name(ledger: &dyn Ledger) {
    let metadata = |tags: &[&str]| event(EventType::METADATA, tags).in_stream(stream("$$s"));
    let ended = || event(EventType::TOMBSTONE, &[]);
    let cases: Vec<(&str, Vec<NewEvent>)> = vec![
        ("events[0].stream", vec![event(EventType::METADATA, &[])]),
        ("events[0].stream", vec![event(EventType::METADATA, &[]).in_stream(stream("s"))]),
        ("events[0].stream", vec![event(EventType::METADATA, &[]).in_stream(stream("$$"))]),
        ("events[0].stream", vec![event(EventType::METADATA, &[]).in_stream(stream("$$$$s"))]),
        ("events[1].stream", vec![event("x", &[]), event("x", &[]).in_stream(stream("$$s"))]),
        ("events[0].stream", vec![ended()]),
        ("events[0].stream", vec![ended().in_stream(stream("$$s"))]),
        (
            "events[2].stream",
            vec![
                ended().in_stream(stream("s")),
                event("x", &[]).in_stream(stream("other")),
                event("x", &[]).in_stream(stream("s")),
            ],
        ),
        ("events[0].tags[0]", vec![metadata(&["$max-cuont:1"])]),
        ("events[0].tags[0]", vec![metadata(&["$max-count:0"])]),
        ("events[0].tags[0]", vec![metadata(&["$max-count:"])]),
        ("events[0].tags[0]", vec![metadata(&["$max-count:+1"])]),
        ("events[0].tags[0]", vec![metadata(&["$max-age:0"])]),
        ("events[0].tags[0]", vec![metadata(&["$max-age:1.5"])]),
        ("events[0].tags[1]", vec![metadata(&["$max-count:1", "$max-count:2"])]),
        ("events[0].tags[0]", vec![metadata(&["$truncate-before:-1"])]),
        ("events[0].tags", vec![metadata(&["$deleted"])]),
    ];
    for (field, events) in cases {
        match append(ledger, Append::new(events)) {
            Err(AppendError::Invalid(invalid)) => assert_eq!(invalid.field, field, "{invalid}"),
            other => panic!("{field} was to be refused: {other:?}"),
        }
    }
    assert_eq!(head(ledger), Position::START, "nothing was written");
    put(ledger, [metadata(&["$truncate-before:0", "mine:1", "$max-age:1"])]);
    put(ledger, [event("x", &["$max-cuont:1"])]);
    let long = "s".repeat(255);
    assert!(stream(&long).metadata_stream().is_err(), "its name has no room for metadata");
}
