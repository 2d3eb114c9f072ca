//! What the tests share beside the bank: chances that can be repeated, random histories, and
//! whether views are what the events say.

use factum::{
    App, Fault, ViewRead,
    store::{Append, Ledger, NewEvent, Position},
};
use serde_json::Value;

use crate::{
    bank::*,
    moments::{Chance, expected, values},
};

/// Chances of a new seed each run, printed; `FACTUM_SEED` in the environment repeats one.
pub(crate) fn chance() -> Chance {
    let given = std::env::var("FACTUM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| uuid::Uuid::now_v7().as_u128() as u64 | 1);
    println!("to repeat: FACTUM_SEED={seed}");
    Chance(seed)
}

/// The head of an application's ledger.
pub(crate) async fn head(app: &App) -> Position {
    app.ledger().head().await.unwrap().position
}

/// What a question is answered, as keys and JSON.
pub(crate) async fn answered(read: ViewRead) -> Result<Vec<(String, Value)>, Fault> {
    let answer = read.limit(10_000).await?;
    assert_eq!(answer.next, None, "all of it fits a page");
    let parse = |document: &[u8]| serde_json::from_slice(document).unwrap();
    Ok(answer.rows.into_iter().map(|row| (row.key, parse(&row.document))).collect())
}

/// An event that puts money on an account.
pub(crate) fn deposit(number: u64, cents: i64) -> NewEvent {
    factum::new_event(&Deposited { account: account(number), cents }).unwrap()
}

/// Random events of twenty accounts, in batches of up to ten.
pub(crate) async fn random_history(ledger: &dyn Ledger, chance: &mut Chance, events: usize) {
    let mut recorded = 0;
    if ledger.head().await.unwrap().position == Position::START {
        let first: Vec<_> = (0..20).map(|number| deposit(number, 100)).collect();
        recorded += first.len();
        ledger.append(Append::new(first)).await.unwrap();
    }
    while recorded < events {
        let batch: Vec<_> = (0..=chance.below(9)).map(|_| random_event(chance)).collect();
        recorded += batch.len();
        ledger.append(Append::new(batch)).await.unwrap();
    }
}

fn random_event(chance: &mut Chance) -> NewEvent {
    let account = account(chance.below(20));
    let cents = 1 + chance.below(1_000) as i64;
    let event = match chance.below(10) {
        0 => factum::new_event(&Opened { account }),
        1..=5 => factum::new_event(&Deposited { account, cents }),
        _ => factum::new_event(&Withdrawn { account, cents }),
    };
    event.unwrap()
}

/// Whether every view is the fold of the events up to where it says it stands; what is wrong, if
/// anything.
pub(crate) async fn views_are_the_fold(app: &App) -> Result<(), String> {
    let events = everything(&**app.ledger()).await;
    for view in ["accounts", "turnover"] {
        let Ok(handle) = app.view(view) else { continue };
        let answer = handle.list().limit(10_000).await.unwrap();
        let at = answer.freshness.position;
        let expected = &expected(&events[..at.0 as usize])[view];
        let found = values(&answer.rows.into_iter().map(|row| row.document).collect::<Vec<_>>());
        if found != *expected {
            return Err(format!("{view} at {at} is {found:?}, and should be {expected:?}"));
        }
    }
    Ok(())
}
