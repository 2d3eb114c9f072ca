//! View stores: a batch is applied whole, once, in order (G7); copies are what they were.

use std::sync::Arc;

use bytes::Bytes;
use futures_lite::future::block_on;

use crate::{
    Batch, Change, Checkpoint, Position, RowsRequest, Shape, Timestamp, ViewError, ViewName,
    ViewSpec, ViewStore,
};

pub(super) type Fresh<'a> = &'a dyn Fn() -> Arc<dyn ViewStore>;

pub(super) fn cases(fresh: Fresh<'_>) {
    changes_and_checkpoint_are_one(&*fresh());
    pages_are_the_whole_in_order_of_the_key(&*fresh());
    another_fingerprint_is_another_view(&*fresh());
    a_scratch_copy_is_of_the_last_keyframe(&*fresh());
    an_unknown_view_is_said_to_be_unknown(&*fresh());
}

pub(super) fn spec(name: &str, fingerprint: u64) -> ViewSpec {
    let name = ViewName::new(name).expect("a valid name");
    ViewSpec { name, fingerprint, shape: Shape::Documents }
}

pub(super) fn at(position: u64) -> Checkpoint {
    Checkpoint { position: Position(position), recorded_at: Timestamp::from_micros(position * 7) }
}

fn put(key: &str, number: u64) -> Change {
    Change::Put { key: key.to_owned(), document: Bytes::from(format!("{{\"n\":{number}}}")) }
}

fn apply(store: &dyn ViewStore, from: u64, to: u64, changes: Vec<Change>) -> Result<(), ViewError> {
    let batch = Batch { from: Position(from), to: at(to), changes };
    block_on(store.apply(&spec("v", 1).name, batch))
}

fn rows(store: &dyn ViewStore, limit: usize) -> Vec<(String, String)> {
    let (mut rows, mut cursor) = (Vec::new(), None);
    loop {
        let request = RowsRequest { key: None, cursor, limit };
        let page = block_on(store.rows(&spec("v", 1).name, request)).expect("rows can be read");
        let text = |document: &Bytes| String::from_utf8_lossy(document).into_owned();
        rows.extend(page.rows.iter().map(|row| (row.key.clone(), text(&row.document))));
        cursor = page.next;
        if cursor.is_none() {
            return rows;
        }
    }
}

fn row(key: &str, number: u64) -> (String, String) {
    (key.to_owned(), format!("{{\"n\":{number}}}"))
}

fn changes_and_checkpoint_are_one(store: &dyn ViewStore) {
    assert_eq!(block_on(store.open(&spec("v", 1))), Ok(Checkpoint::default()));
    apply(store, 0, 3, vec![put("a", 1), put("b", 2), put("a", 3)]).expect("the first batch");
    assert_eq!(rows(store, 10), [row("a", 3), row("b", 2)]);
    assert_eq!(block_on(store.checkpoint(&spec("v", 1).name)), Ok(at(3)));
    for from in [0, 2, 4] {
        let refused = apply(store, from, 9, vec![put("c", 1)]);
        assert!(
            matches!(refused, Err(ViewError::Checkpoint { actual: Position(3), .. })),
            "a batch from {from}: {refused:?}"
        );
    }
    apply(store, 3, 5, vec![Change::Delete { key: "a".into() }]).expect("the next batch");
    apply(store, 5, 8, vec![]).expect("a batch without changes");
    assert_eq!(rows(store, 10), [row("b", 2)]);
    assert_eq!(block_on(store.open(&spec("v", 1))), Ok(at(8)), "opened again it stands there");
    assert_eq!(block_on(store.count(&spec("v", 1).name)), Ok(1));
    block_on(store.reset(&spec("v", 1).name)).expect("a reset");
    assert_eq!(rows(store, 10), []);
    apply(store, 0, 1, vec![put("z", 1)]).expect("it begins anew");
}

fn pages_are_the_whole_in_order_of_the_key(store: &dyn ViewStore) {
    block_on(store.open(&spec("v", 1))).expect("a view");
    let keys = ["b", "a", "#x", "ä", "aa", "", "z'\"", "A"];
    apply(store, 0, 8, keys.iter().zip(0..).map(|(key, n)| put(key, n)).collect())
        .expect("a batch");
    let whole = rows(store, 100);
    let mut sorted = keys;
    sorted.sort_unstable();
    assert_eq!(whole.iter().map(|(key, _)| key.as_str()).collect::<Vec<_>>(), sorted);
    for limit in 1..=8 {
        assert_eq!(rows(store, limit), whole, "pages of {limit}");
    }
    for key in keys {
        let request = RowsRequest { key: Some(key.into()), cursor: None, limit: 9 };
        let page = block_on(store.rows(&spec("v", 1).name, request)).expect("a row");
        assert_eq!(page.rows.iter().map(|row| row.key.as_str()).collect::<Vec<_>>(), [key]);
        assert_eq!(page.checkpoint, at(8));
    }
}

fn another_fingerprint_is_another_view(store: &dyn ViewStore) {
    block_on(store.open(&spec("v", 1))).expect("a view");
    apply(store, 0, 3, vec![put("a", 1)]).expect("a batch");
    block_on(store.keep_keyframe(&spec("v", 1).name)).expect("a keyframe");
    assert_eq!(block_on(store.open(&spec("v", 2))), Ok(Checkpoint::default()));
    assert_eq!(rows(store, 9), []);
    assert_eq!(block_on(store.keyframes(&spec("v", 2).name)), Ok(vec![]));
    assert_eq!(block_on(store.open(&spec("w", 9))), Ok(Checkpoint::default()));
}

fn a_scratch_copy_is_of_the_last_keyframe(store: &dyn ViewStore) {
    let name = spec("v", 1).name;
    block_on(store.open(&spec("v", 1))).expect("a view");
    for p in 1..=6 {
        apply(store, p - 1, p, vec![put(&format!("k{p}"), p)]).expect("a batch");
        if p % 2 == 0 {
            let kept = block_on(store.keep_keyframe(&name)).expect("a keyframe");
            assert_eq!((kept.checkpoint, kept.rows), (at(p), p));
        }
    }
    let kept = block_on(store.keyframes(&name)).expect("keyframes");
    assert_eq!(kept.iter().map(|k| k.checkpoint.position.0).collect::<Vec<_>>(), [2, 4, 6]);
    for (wanted, start) in [(0, 0), (1, 0), (2, 2), (5, 4), (6, 6), (99, 6)] {
        let (scratch, checkpoint) =
            block_on(store.scratch(&name, Position(wanted))).expect("a copy");
        assert_eq!(checkpoint.position, Position(start), "as of {wanted}");
        assert_eq!(rows(&*scratch, 9).len() as u64, start);
        apply(&*scratch, start, 50, vec![put("only here", 1)]).expect("it can be written");
        assert_eq!(rows(&*scratch, 9).len() as u64, start + 1);
        assert_eq!(rows(store, 9).len(), 6, "nobody else sees it");
    }
    block_on(store.reset(&name)).expect("a reset");
    assert_eq!(block_on(store.keyframes(&name)), Ok(vec![]), "a reset forgets the keyframes too");
}

fn an_unknown_view_is_said_to_be_unknown(store: &dyn ViewStore) {
    let name = ViewName::new("nobody").expect("a valid name");
    let unknown = Err(ViewError::Unknown("nobody".into()));
    assert_eq!(block_on(store.checkpoint(&name)), unknown);
}
