//! Subscribing: every matching event once, in order, and word of how far it has come (G6).

use std::{sync::Arc, thread};

use futures_lite::{StreamExt, future::block_on};

use super::{FreshLedger, events::*};
use crate::{BoxStream, Ledger, Position, Query, QueryItem, ReadError, Signal, Subscribe};

pub(super) fn cases(fresh: FreshLedger<'_>) {
    first_what_is_there_then_what_comes(&*fresh());
    it_begins_after_a_position(&*fresh());
    it_says_how_far_it_has_looked(&*fresh());
    a_query_beyond_the_limits_is_refused(&*fresh());
    many_follow_while_others_append(fresh());
}

type Signals = BoxStream<Result<Signal, ReadError>>;

fn follow(ledger: &dyn Ledger, query: Query, after: u64) -> Signals {
    ledger.subscribe(Subscribe { query, after: Position(after) })
}

/// The next event's position, or how far it has caught up (negative); progress is passed over.
fn next(signals: &mut Signals) -> i64 {
    loop {
        match block_on(signals.next()).expect("it does not end").expect("it does not fail") {
            Signal::Event(event) => return event.position.0.cast_signed(),
            Signal::CaughtUp(head) => return -head.position.0.cast_signed(),
            Signal::Progress(_) => {}
        }
    }
}

fn first_what_is_there_then_what_comes(ledger: &dyn Ledger) {
    put(ledger, [event("a", &["t:1"]), event("b", &[]), event("c", &["t:1"])]);
    let mut signals = follow(ledger, tagged("t:1"), 0);
    assert_eq!([next(&mut signals), next(&mut signals), next(&mut signals)], [1, 3, -3]);
    put(ledger, [event("d", &["t:1"]), event("e", &["t:1"])]);
    assert_eq!([next(&mut signals), next(&mut signals), next(&mut signals)], [4, 5, -5]);
    put(ledger, [event("f", &[])]);
    assert_eq!(next(&mut signals), -6, "it says that it has caught up though nothing matched");
}

fn it_begins_after_a_position(ledger: &dyn Ledger) {
    put(ledger, (0..5).map(|_| event("a", &[])));
    let mut signals = follow(ledger, Query::all(), 3);
    assert_eq!([next(&mut signals), next(&mut signals), next(&mut signals)], [4, 5, -5]);
    let mut empty = follow(ledger, Query::all(), 5);
    assert_eq!(next(&mut empty), -5);
}

fn it_says_how_far_it_has_looked(ledger: &dyn Ledger) {
    for _ in 0..5 {
        put(ledger, (0..2_000).map(|_| event("dull", &[])));
    }
    put(ledger, [event("rare", &[])]);
    let mut signals = follow(ledger, QueryItem::types([event_type("rare")]).into(), 0);
    let mut told = Position::START;
    loop {
        match block_on(signals.next()).expect("it does not end").expect("it does not fail") {
            Signal::Progress(position) => {
                assert!(position > told && position.0 - told.0 <= Signal::PROGRESS_EVERY);
                told = position;
            }
            Signal::Event(event) => {
                assert_eq!(event.position, Position(10_001));
                assert!(10_001 - told.0 <= Signal::PROGRESS_EVERY + 1, "progress was due");
                return;
            }
            Signal::CaughtUp(head) => panic!("caught up at {head:?} before the event"),
        }
    }
}

/// Whoever follows pays for each item with each event.
fn a_query_beyond_the_limits_is_refused(ledger: &dyn Ledger) {
    let query = Query { items: vec![QueryItem::default(); 257] };
    let mut signals = follow(ledger, query, 0);
    let first = block_on(signals.next());
    assert!(matches!(first, Some(Err(ReadError::Invalid(_)))), "{first:?}");
}

fn many_follow_while_others_append(ledger: Arc<dyn Ledger>) {
    const EVENTS: i64 = 600;
    let appending: Vec<_> = (0..3)
        .map(|_| {
            let ledger = Arc::clone(&ledger);
            thread::spawn(move || {
                for _ in 0..EVENTS / 6 {
                    put(&*ledger, [event("a", &[]), event("b", &[])]);
                }
            })
        })
        .collect();
    let following: Vec<_> = (0..4)
        .map(|_| {
            let mut signals = follow(&*ledger, Query::all(), 0);
            thread::spawn(move || {
                let (mut expected, mut caught_up) = (1, 0);
                while expected <= EVENTS || caught_up < EVENTS {
                    match next(&mut signals) {
                        signal if signal <= 0 => caught_up = -signal,
                        position => {
                            assert_eq!(position, expected, "each once, in order");
                            expected += 1;
                        }
                    }
                }
            })
        })
        .collect();
    for thread in appending.into_iter().chain(following) {
        thread.join().expect("no thread fails");
    }
}
