//! Subscribers that sleep: one append wakes every one of them (G6).

use std::{
    sync::{Arc, mpsc},
    thread,
};

use futures_lite::{StreamExt, future::block_on};

use super::{FreshLedger, events::*};
use crate::{Ledger, Position, Query, Signal, Subscribe};

const FOLLOWERS: usize = 4;
const ROUNDS: u64 = 10;

pub(super) fn cases(fresh: FreshLedger<'_>) {
    one_append_wakes_all_who_wait(fresh());
}

/// Each round is one append, and the next waits until every follower has caught up with it: a
/// follower that were not woken would keep the case from ending.
fn one_append_wakes_all_who_wait(ledger: Arc<dyn Ledger>) {
    let (say, heard) = mpsc::channel();
    let followers: Vec<_> = (0..FOLLOWERS)
        .map(|_| {
            let (ledger, say) = (Arc::clone(&ledger), say.clone());
            thread::spawn(move || {
                let subscribe = Subscribe { query: Query::all(), after: Position::START };
                let (mut signals, mut events) = (ledger.subscribe(subscribe), 0);
                loop {
                    match block_on(signals.next()).expect("no end").expect("no failure") {
                        Signal::Event(event) => {
                            events += 1;
                            assert_eq!(event.position, Position(events), "each once, in order");
                        }
                        Signal::CaughtUp(head) => {
                            say.send(head.position).expect("the case listens");
                            if head.position == Position(ROUNDS) {
                                return;
                            }
                        }
                        Signal::Progress(_) => {}
                    }
                }
            })
        })
        .collect();
    for round in 0..=ROUNDS {
        for _ in 0..FOLLOWERS {
            assert_eq!(heard.recv().expect("a follower"), Position(round));
        }
        if round < ROUNDS {
            put(&*ledger, [event("x", &[])]);
        }
    }
    followers.into_iter().for_each(|follower| follower.join().expect("no thread fails"));
}
