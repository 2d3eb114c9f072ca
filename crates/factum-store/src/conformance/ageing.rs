//! Events that grow old: by the ledger's clock at the moment of the read.

use std::sync::Arc;

use futures_lite::future::block_on;

use super::events::*;
use crate::{Ledger, QueryItem, Read, Retention, StreamMetadata, StreamState, Timestamp};

/// A fresh ledger, and what sets its clock.
pub type AgeingLedger = (Arc<dyn Ledger>, Box<dyn Fn(Timestamp)>);

pub(super) fn case((ledger, set_clock): AgeingLedger) {
    let ledger = &*ledger;
    let s = stream("s-1");
    let second = |seconds: u64| Timestamp::from_micros(seconds * 1_000_000);
    let retention = Retention { max_age_seconds: Some(100), ..Retention::default() };
    let info = || block_on(ledger.stream(s.clone())).expect("a stream can be looked up");
    set_clock(second(1_000));
    let set = info().set(&StreamMetadata::keeping(retention)).expect("a name");
    append(ledger, set).expect("metadata is accepted");
    for at in [1_000, 1_050, 1_200] {
        set_clock(second(at));
        put(ledger, [event("x", &[]).in_stream(s.clone())]);
    }
    let seen = || positions(&all(ledger, Read::new(QueryItem::stream(s.clone()).into())));
    // What is old is old for who reads now; a clock that goes back makes nothing young again.
    let cases: [(u64, &[u64]); 4] = [(1_201, &[4]), (1_299, &[4]), (1_302, &[]), (9_000, &[])];
    for (now, expected) in cases {
        set_clock(second(now));
        assert_eq!(seen(), expected, "at second {now}");
        assert_eq!(info().state(), StreamState::Live, "an empty stream is not a deleted one");
    }
    set_clock(second(1_100));
    assert_eq!(seen(), [4], "no earlier than the last event");
}
