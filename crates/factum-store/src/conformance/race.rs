//! Races: of appends that conflict one is accepted (G4); a key has one outcome (G5); positions have
//! no gaps (G3).

use std::{
    sync::{Arc, Barrier},
    thread,
};

use super::{FreshLedger, events::*};
use crate::{
    Append, AppendError, Condition, ExpectedRevision, Ledger, Position, Query, Read, Receipt,
};

const THREADS: usize = 8;
const ROUNDS: usize = 40;

pub(super) fn cases(fresh: FreshLedger<'_>) {
    of_appends_that_conflict_one_is_accepted(fresh());
    a_key_has_one_outcome(fresh());
}

/// What each thread is answered, round by round, all starting together.
fn race(
    ledger: &Arc<dyn Ledger>,
    request: impl Fn(usize, usize) -> Append + Send + Sync + 'static,
) -> Vec<Vec<Result<Receipt, AppendError>>> {
    let (barrier, request) = (Arc::new(Barrier::new(THREADS)), Arc::new(request));
    let threads: Vec<_> = (0..THREADS)
        .map(|number| {
            let (ledger, barrier, request) =
                (Arc::clone(ledger), Arc::clone(&barrier), Arc::clone(&request));
            thread::spawn(move || {
                let answers = (0..ROUNDS).map(|round| {
                    barrier.wait();
                    append(&*ledger, request(number, round))
                });
                answers.collect::<Vec<_>>()
            })
        })
        .collect();
    let of_threads: Vec<_> =
        threads.into_iter().map(|t| t.join().expect("no thread fails")).collect();
    (0..ROUNDS).map(|round| of_threads.iter().map(|of| of[round].clone()).collect()).collect()
}

fn of_appends_that_conflict_one_is_accepted(ledger: Arc<dyn Ledger>) {
    let rounds = race(&ledger, |number, round| {
        let name = format!("round:{round}");
        if round % 2 == 0 {
            let query = tagged(&name);
            Append::new([event(&format!("by-{number}"), &[&name])])
                .when(Condition::NoMatch { query, after: Position::START })
        } else {
            let stream = stream(&name);
            let expected = ExpectedRevision::None;
            Append::new([event("x", &[]).in_stream(stream.clone())])
                .when(Condition::Revision { stream, expected })
        }
    });
    for (round, answers) in rounds.iter().enumerate() {
        let accepted = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(accepted, 1, "round {round}: {answers:?}");
        let others = answers.iter().filter(|answer| answer.is_err());
        others.for_each(|other| assert!(matches!(other, Err(AppendError::Conflict(_)))));
    }
    let events = all(&*ledger, Read::new(Query::all()));
    assert_eq!(positions(&events), (1..=ROUNDS as u64).collect::<Vec<_>>());
}

fn a_key_has_one_outcome(ledger: Arc<dyn Ledger>) {
    let rounds = race(&ledger, |_, round| {
        Append::new([event("x", &[])]).keyed(key("p", "o", &format!("k{round}"), 1))
    });
    for answers in rounds {
        let first = answers[0].as_ref().expect("a key's request is answered").first;
        let same = answers.iter().flatten().filter(|receipt| receipt.first == first).count();
        assert_eq!(same, THREADS, "{answers:?}");
        let new = answers.iter().flatten().filter(|receipt| !receipt.replayed).count();
        assert_eq!(new, 1, "{answers:?}");
    }
    assert_eq!(head(&*ledger), Position(ROUNDS as u64));
}
