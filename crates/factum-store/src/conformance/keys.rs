//! Idempotency keys: one outcome each, however often and by whom it is asked (G5).

use super::{FreshLedger, events::*};
use crate::{Append, AppendError, Condition, Ledger, Position};
use futures_lite::future::block_on;

pub(super) fn cases(fresh: FreshLedger<'_>) {
    the_same_request_has_the_same_receipt(&*fresh());
    another_request_under_the_key_is_an_error(&*fresh());
    keys_meet_only_within_principal_and_operation(&*fresh());
    a_refused_request_leaves_its_key_free(&*fresh());
}

fn the_same_request_has_the_same_receipt(ledger: &dyn Ledger) {
    let once = || Append::new([event("a", &["t:1"]), event("b", &[])]).keyed(key("p", "o", "k", 1));
    let first = append(ledger, once()).expect("the first time");
    put(ledger, (0..10).map(|_| event("between", &["t:1"])));
    // Its condition would not hold any more: the key is looked at first.
    let condition = Condition::NoMatch { query: tagged("t:1"), after: Position::START };
    let again = append(ledger, once().when(condition)).expect("the same again");
    assert!(again.replayed && !first.replayed);
    assert_eq!((again.first, again.last, &again.ids), (first.first, first.last, &first.ids));
    assert_eq!(again.recorded_at, first.recorded_at);
    assert_eq!(head(ledger), Position(12));
    let found = block_on(ledger.receipt(key("p", "o", "k", 1))).expect("it can be looked up");
    assert_eq!(found.map(|receipt| receipt.first), Some(first.first));
    assert_eq!(block_on(ledger.receipt(key("p", "o", "other", 1))), Ok(None));
}

fn another_request_under_the_key_is_an_error(ledger: &dyn Ledger) {
    let with = |request| Append::new([event("a", &[])]).keyed(key("", "append", "k", request));
    append(ledger, with(1)).expect("the first time");
    match append(ledger, with(2)) {
        Err(AppendError::KeyReused { key, position }) => {
            assert_eq!((key.as_str(), position), ("k", Position(1)));
        }
        other => panic!("another request under the same key: {other:?}"),
    }
    assert!(matches!(
        block_on(ledger.receipt(key("", "append", "k", 2))),
        Err(AppendError::KeyReused { .. })
    ));
    assert_eq!(head(ledger), Position(1));
}

fn keys_meet_only_within_principal_and_operation(ledger: &dyn Ledger) {
    // Parts that read the same when they are put one after the other.
    for (principal, operation, name) in [
        ("a", "b", "c"),
        ("", "b", "c"),
        ("a", "", "c"),
        ("ab", "", "c"),
        ("", "ab", "c"),
        ("a", "bc", "x"),
    ] {
        let keyed = Append::new([event("a", &[])]).keyed(key(principal, operation, name, 1));
        let receipt = append(ledger, keyed).expect("a key of its own");
        assert!(!receipt.replayed, "{principal}/{operation}/{name} met another key");
    }
}

fn a_refused_request_leaves_its_key_free(ledger: &dyn Ledger) {
    put(ledger, [event("a", &["t:1"])]);
    let keyed = || Append::new([event("b", &[])]).keyed(key("", "o", "k", 1));
    let condition = Condition::NoMatch { query: tagged("t:1"), after: Position::START };
    assert!(append(ledger, keyed().when(condition)).is_err());
    assert!(!append(ledger, keyed()).expect("nothing was recorded under the key").replayed);
}
