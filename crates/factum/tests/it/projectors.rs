//! Projectors: reading one's own writes (G9), standing still without stopping others (G11).

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use factum::{
    Fault,
    prelude::*,
    store::memory::{MemoryLedger, MemoryViewStore},
};
use factum_sqlite::SqliteViews;

use crate::{
    bank::*,
    ports::TwistedStore,
    wrappers::{Habit, Unreliable},
};

#[tokio::test]
async fn g9_a_read_after_a_receipt_sees_the_write() {
    let dir = tempfile::tempdir().unwrap();
    let app = embedded(dir.path()).await;
    fund(&app, 2, 10_000).await;
    for paid in 1..=200 {
        let done = app.run(pay(0, 1, 1)).await.unwrap();
        let answer = app.view("accounts").unwrap().get("a01").after(&done).await.unwrap();
        let shown: Account = serde_json::from_slice(&answer.rows[0].document).unwrap();
        assert_eq!(shown.cents, 10_000 + paid);
        assert!(answer.freshness.position >= done.position());
        let live = app.get::<Account>(account(1)).after(&done).await.unwrap();
        assert_eq!(live.cents, 10_000 + paid);
    }
}

async fn unreliable(
    habit: Habit,
    on: &Arc<Mutex<bool>>,
) -> (App, Arc<MemoryLedger>, tempfile::TempDir) {
    let (dir, ledger) = (tempfile::tempdir().unwrap(), Arc::new(MemoryLedger::new()));
    let twist = Unreliable { habit, on: Arc::clone(on), view: "accounts" };
    let store = TwistedStore::new(SqliteViews::open(dir.path()).unwrap(), twist);
    (over(ledger.clone(), store, bank()).await, ledger, dir)
}

#[tokio::test]
async fn g9_a_view_that_cant_apply_it_in_time_says_where_it_stands() {
    let on = Arc::new(Mutex::new(true));
    let (app, _, _dir) = unreliable(Habit::Fails, &on).await;
    fund(&app, 2, 100).await;
    let done = app.run(pay(0, 1, 1)).await.unwrap();
    let accounts = app.view("accounts").unwrap();
    let late = accounts.get("a00").after(&done).deadline(Duration::from_millis(50)).await;
    assert!(matches!(late, Err(Fault::Timeout { ref view, .. }) if view == "accounts"), "{late:?}");
    *on.lock().unwrap() = false;
    let answer = accounts.get("a00").after(&done).deadline(Duration::from_secs(60)).await.unwrap();
    assert_eq!(&answer.rows[0].document[..], br#"{"open":true,"cents":99}"#);
}

#[tokio::test]
async fn g9_reading_back_catches_an_answer_that_lacks_the_write() {
    let on = Arc::new(Mutex::new(true));
    let (app, _, _dir) = unreliable(Habit::Pretends, &on).await;
    fund(&app, 2, 100).await;
    let done = app.run(pay(0, 1, 1)).await.unwrap();
    let answer = app.view("accounts").unwrap().get("a00").after(&done).await.unwrap();
    let right = answer.rows.first().is_some_and(|row| row.document.ends_with(b"99}"));
    assert!(!right, "the deliberate bug was not caught");
}

#[tokio::test]
async fn g11_a_view_that_stands_still_stops_neither_commands_nor_other_views() {
    let on = Arc::new(Mutex::new(true));
    let (app, _, _dir) = unreliable(Habit::Fails, &on).await;
    fund(&app, 12, 10_000).await;
    for number in 0..1_000 {
        app.run(pay(number % 12, (number + 1) % 12, 1)).await.unwrap();
    }
    let head = app.ledger().head().await.unwrap().position;
    let turnover = app.view("turnover").unwrap();
    let answer = turnover.list().after(head).deadline(Duration::from_secs(60)).await.unwrap();
    assert_eq!((answer.rows.len(), answer.freshness.stale), (12, false));
    let status = app.views().await.unwrap();
    let accounts = status.iter().find(|view| view.name == "accounts").unwrap();
    assert!(accounts.error.as_deref().unwrap().contains("the store is down"), "{accounts:?}");
    assert!(accounts.lag_events > 0);
    let stale = app.view("accounts").unwrap().list().await.unwrap();
    assert!(stale.freshness.stale && stale.freshness.lag_events > 0);
    let fault = app.catch_up(|_, _| {}).await.unwrap_err();
    assert!(matches!(fault, Fault::View { ref view, .. } if view == "accounts"), "{fault}");
    // Once the cause is gone it goes on, and skips nothing.
    *on.lock().unwrap() = false;
    let accounts = app.view("accounts").unwrap();
    let answer = accounts.list().after(head).deadline(Duration::from_secs(60)).await.unwrap();
    let cents = answer
        .rows
        .iter()
        .map(|row| serde_json::from_slice::<Account>(&row.document).unwrap().cents);
    assert_eq!((cents.sum::<i64>(), answer.freshness.stale), (120_000, false));
}

#[tokio::test]
async fn what_there_is_not_is_named_with_what_there_is() {
    let (app, _) = in_memory().await;
    let unknown = app.view("acounts").err().unwrap().to_string();
    assert_eq!(unknown, "there is no view \"acounts\"; there is accounts");
    for (limit, fits) in [(0, false), (1, true), (10_000, true), (10_001, false)] {
        let answer = app.view("accounts").unwrap().list().limit(limit).await;
        assert_eq!(answer.is_ok(), fits, "{limit}");
    }
    let twice = over_twice().await;
    assert!(twice.contains("registered twice"), "{twice}");
}

async fn over_twice() -> String {
    let domain = documents().view(document::<Account>("accounts"));
    let app = App::over(Arc::new(MemoryLedger::new()), Arc::new(MemoryViewStore::new()));
    app.domain(domain).await.err().unwrap().to_string()
}
