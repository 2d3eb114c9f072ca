//! Sixty-four threads on one bank: what no interleaving may do (G3, G4, G5).

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};

use factum::{
    Event, RunError,
    prelude::*,
    store::{
        EventType,
        memory::{MemoryLedger, MemoryViewStore},
    },
};

use crate::{bank::*, wrappers::Odd};

const THREADS: u64 = 64;
const ACCOUNTS: u64 = 20;
const EACH: u64 = 12;

/// Every thread pays here and there; every second payment has a key that another thread uses too.
async fn race(app: &App) {
    fund(app, ACCOUNTS, 50).await;
    let threads = (0..THREADS).map(|thread| {
        let app = app.clone();
        tokio::spawn(async move {
            let mut outcomes = Vec::new();
            for step in 0..EACH {
                let n = if step % 2 == 0 { thread / 2 } else { thread };
                let payment = pay(
                    (n * 7 + step) % ACCOUNTS,
                    (n * 3 + step * 5 + 1) % ACCOUNTS,
                    9 + (n % 17) as i64,
                );
                let run = app.run(payment);
                let (key, result) = if step % 2 == 0 {
                    let key = format!("{n}/{step}");
                    (Some(key.clone()), run.key(key).await)
                } else {
                    (None, run.await)
                };
                let outcome = match result {
                    Ok(done) => (true, done.position()),
                    Err(RunError::Refused(_)) => (false, Default::default()),
                    Err(RunError::Fault(fault)) => panic!("{fault}"),
                };
                outcomes.push((key, outcome));
            }
            outcomes
        })
    });
    let mut by_key = BTreeMap::new();
    for thread in threads.collect::<Vec<_>>() {
        for (key, outcome) in thread.await.unwrap() {
            let Some(key) = key else { continue };
            let first = *by_key.entry(key.clone()).or_insert(outcome);
            assert_eq!(first, outcome, "key {key} has two outcomes");
        }
    }
    check(app).await;
}

/// Positions have no gap, no prefix of the ledger has a negative balance, and each key is there once.
async fn check(app: &App) {
    let (mut balances, mut keys) = (BTreeMap::<String, i64>::new(), BTreeMap::new());
    let mut total = 0;
    for (i, event) in everything(&**app.ledger()).await.iter().enumerate() {
        assert_eq!(event.position.0, i as u64 + 1, "a gap");
        match event.event_type.as_str() {
            Deposited::TYPE => {
                let e: Deposited = serde_json::from_slice(&event.data).unwrap();
                *balances.entry(e.account.to_string()).or_default() += e.cents;
            }
            Withdrawn::TYPE => {
                let e: Withdrawn = serde_json::from_slice(&event.data).unwrap();
                let balance = balances.entry(e.account.to_string()).or_default();
                *balance -= e.cents;
                assert!(*balance >= 0, "{} is at {balance} at {}", e.account, event.position);
                total += 1;
            }
            EventType::COMMAND => {
                if let Some(key) = &event.envelope.command_id {
                    let before = keys.insert(key.clone(), event.position);
                    assert_eq!(before, None, "key {key} was recorded twice");
                }
            }
            _ => {}
        }
    }
    assert!(total > 50, "the race did something");
    assert_eq!(
        balances.values().sum::<i64>(),
        ACCOUNTS as i64 * 50,
        "money is neither made nor lost"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn g3_g4_g5_no_interleaving_overdraws_doubles_a_key_or_leaves_a_gap() {
    let (app, _) = in_memory().await;
    race(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn g3_g4_g5_the_same_on_the_embedded_ledger() {
    let dir = tempfile::tempdir().unwrap();
    let app = embedded(dir.path()).await;
    race(&app).await;
    app.catch_up(|_, _| {}).await.unwrap();
    let (rows, _) = rows_of(&app, "turnover", None).await;
    assert_eq!(rows.len() as u64, ACCOUNTS);
}

#[test]
fn g4_race_catches_a_ledger_that_ignores_conditions() {
    let problem = what_is_wrong_over(Odd { ignores_conditions: true, ..Odd::default() });
    assert!(problem.contains(" is at -"), "{problem}");
}

#[test]
fn g5_race_catches_a_ledger_that_forgets_keys() {
    let problem = what_is_wrong_over(Odd { forgets_keys: true, ..Odd::default() });
    assert!(problem.contains("key "), "{problem}");
}

/// What the race finds over a ledger with a deliberate bug.
fn what_is_wrong_over(odd: Odd) -> String {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let caught = std::panic::catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(async {
            let odd = odd.over(Arc::new(MemoryLedger::new()));
            let app = over(odd, Arc::new(MemoryViewStore::new()), documents()).await;
            race(&app).await;
        });
    }));
    let panic = caught.expect_err("the deliberate bug was not caught");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}
