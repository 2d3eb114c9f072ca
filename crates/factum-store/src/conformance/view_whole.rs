//! View stores: what fails leaves nothing, of rivals one wins, and a page is of one moment (G7).

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use bytes::Bytes;
use futures_lite::future::block_on;

use super::view::{Fresh, at, spec};
use crate::{
    Batch, Change, Checkpoint, Position, Row, RowsRequest, Statement, ViewError, ViewName,
    ViewStore,
};

pub(super) fn cases(fresh: Fresh<'_>) {
    a_batch_that_fails_leaves_nothing(&*fresh());
    of_rivals_from_one_checkpoint_one_wins(&*fresh());
    rows_and_checkpoint_are_of_one_moment(&*fresh());
    two_keyframes_at_a_place_are_one(&*fresh());
    every_call_says_that_a_view_is_unknown(&*fresh());
    a_limit_may_be_anything_but_nothing(&*fresh());
}

fn name() -> ViewName {
    spec("v", 1).name
}

fn set(key: &str, number: u64) -> Change {
    Change::Put { key: key.to_owned(), document: Bytes::from(number.to_string()) }
}

fn apply(store: &dyn ViewStore, from: u64, to: u64, changes: Vec<Change>) -> Result<(), ViewError> {
    block_on(store.apply(&name(), Batch { from: Position(from), to: at(to), changes }))
}

fn rows(store: &dyn ViewStore, limit: usize) -> Vec<Row> {
    let request = RowsRequest { limit, ..RowsRequest::default() };
    block_on(store.rows(&name(), request)).expect("rows can be read").rows
}

fn a_batch_that_fails_leaves_nothing(store: &dyn ViewStore) {
    block_on(store.open(&spec("v", 1))).expect("a view");
    apply(store, 0, 1, vec![set("a", 1), set("b", 1)]).expect("the first batch");
    let before = rows(store, 9);
    for place in 0..=3 {
        let mut changes = vec![set("a", 2), Change::Delete { key: "b".into() }, set("c", 2)];
        // What no store can do, before, between and after what it can.
        let sql = "this is not a statement";
        changes.insert(place, Change::Execute(Statement { sql, parameters: Vec::new() }));
        let failed = apply(store, 1, 2, changes);
        assert!(matches!(failed, Err(ViewError::Statement { .. })), "{failed:?}");
        assert_eq!(rows(store, 9), before, "failed at change {place}");
        assert_eq!(block_on(store.checkpoint(&name())), Ok(at(1)));
    }
    apply(store, 1, 2, vec![set("a", 3)]).expect("it goes on where it stood");
}

fn of_rivals_from_one_checkpoint_one_wins(store: &dyn ViewStore) {
    block_on(store.open(&spec("v", 1))).expect("a view");
    for round in 0..20 {
        let won: Vec<_> = thread::scope(|scope| {
            let rivals = [1, 2, 3, 4].map(|who| {
                let apply = move || apply(store, round, round + 1, vec![set("who", who)]);
                (who, scope.spawn(apply))
            });
            let answers = rivals.map(|(who, rival)| (who, rival.join().expect("no thread fails")));
            answers.into_iter().filter(|(_, answer)| answer.is_ok()).map(|(who, _)| who).collect()
        });
        assert_eq!(won.len(), 1, "round {round}: {won:?} won");
        assert_eq!(rows(store, 9)[0].document, won[0].to_string(), "the winner's row");
    }
}

/// Every document says the position it was written at, so a page that was read in two pieces shows.
fn rows_and_checkpoint_are_of_one_moment(store: &dyn ViewStore) {
    block_on(store.open(&spec("v", 1))).expect("a view");
    let writing = AtomicBool::new(true);
    thread::scope(|scope| {
        let read = || {
            while writing.load(Ordering::Acquire) {
                let request = RowsRequest { limit: 9, ..RowsRequest::default() };
                let page = block_on(store.rows(&name(), request)).expect("rows can be read");
                let position = page.checkpoint.position.to_string();
                assert!(page.rows.iter().all(|row| row.document == position), "{page:?}");
            }
        };
        let readers = [scope.spawn(read), scope.spawn(read)];
        let written = (1..=100).try_for_each(|n| {
            apply(store, n - 1, n, ["a", "b", "c"].map(|key| set(key, n)).to_vec())
        });
        // Before anything is asserted: the readers must end, whatever became of the writer.
        writing.store(false, Ordering::Release);
        assert_eq!(written, Ok(()), "every batch is applied beside readers");
        readers.into_iter().for_each(|reader| reader.join().expect("no thread fails"));
    });
}

fn two_keyframes_at_a_place_are_one(store: &dyn ViewStore) {
    block_on(store.open(&spec("v", 1))).expect("a view");
    apply(store, 0, 5, vec![set("a", 1)]).expect("a batch");
    let first = block_on(store.keep_keyframe(&name())).expect("a keyframe");
    assert_eq!(block_on(store.keep_keyframe(&name())), Ok(first));
    assert_eq!(block_on(store.keyframes(&name())), Ok(vec![first]));
}

fn every_call_says_that_a_view_is_unknown(store: &dyn ViewStore) {
    block_on(store.open(&spec("other", 1))).expect("another view");
    let unknown = Some(ViewError::Unknown("v".into()));
    let request = RowsRequest { limit: 1, ..RowsRequest::default() };
    assert_eq!(apply(store, 0, 1, vec![]).err(), unknown);
    assert_eq!(block_on(store.rows(&name(), request)).err(), unknown);
    assert_eq!(block_on(store.count(&name())).err(), unknown);
    assert_eq!(block_on(store.reset(&name())).err(), unknown);
    assert_eq!(block_on(store.keep_keyframe(&name())).err(), unknown);
    assert_eq!(block_on(store.keyframes(&name())).err(), unknown);
    assert_eq!(block_on(store.scratch(&name(), Position(1))).err(), unknown);
}

fn a_limit_may_be_anything_but_nothing(store: &dyn ViewStore) {
    assert_eq!(block_on(store.open(&spec("v", 1))), Ok(Checkpoint::default()));
    apply(store, 0, 1, vec![set("a", 1), set("b", 1)]).expect("a batch");
    for limit in [2, 3, 1_000_000, usize::MAX] {
        assert_eq!(rows(store, limit).len(), 2, "at most {limit}");
    }
    // An empty page without a next would say that there are no rows.
    match block_on(store.rows(&name(), RowsRequest::default())) {
        Err(ViewError::Invalid(invalid)) => assert_eq!(invalid.field, "limit"),
        other => panic!("a limit of 0 was to be refused: {other:?}"),
    }
}
