//! Views at any moment, however they came to be: live, rebuilt, replayed, after a crash (G7, G8).

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use factum::{
    Event,
    prelude::*,
    store::{Bytes, Position, RecordedEvent, Timestamp, ViewStore, memory::MemoryViewStore},
};
use serde_json::{Value, json};

use crate::{
    bank::*,
    ports::TwistedStore,
    wrappers::{Habit, Unreliable},
};

/// A step of xorshift64*.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8) % bound
    }
}

async fn busy(app: &App, payments: u64, chance: &mut Chance) {
    for _ in 0..payments {
        let payment = pay(chance.below(12), chance.below(12), chance.below(40) as i64);
        let _ = app.run(payment).await;
    }
}

/// What each view must show of some events, worked out by other means.
pub(crate) fn expected(events: &[RecordedEvent]) -> BTreeMap<&'static str, Vec<Value>> {
    let mut accounts = BTreeMap::<String, (bool, i64)>::new();
    let mut turnover = BTreeMap::<String, [i64; 4]>::new();
    for event in events {
        let data: Value = serde_json::from_slice(&event.data).unwrap();
        let name = data["account"].as_str().unwrap_or_default().to_owned();
        let (cents, position) = (data["cents"].as_i64().unwrap_or(0), event.position.0 as i64);
        match event.event_type.as_str() {
            Opened::TYPE => accounts.entry(name).or_default().0 = true,
            Deposited::TYPE => {
                accounts.entry(name.clone()).or_default().1 += cents;
                let row = turnover.entry(name).or_default();
                *row = [row[0] + 1, row[1] + cents, row[2], position];
            }
            Withdrawn::TYPE => {
                accounts.entry(name.clone()).or_default().1 -= cents;
                let row = turnover.entry(name).or_default();
                *row = [row[0] + 1, row[1], row[2] + cents, position];
            }
            _ => {}
        }
    }
    let documents = accounts.values().map(|(open, cents)| json!({"open": open, "cents": cents}));
    let mut rows: Vec<_> = turnover.into_iter().collect();
    rows.sort_by(|(a, x), (b, y)| y[2].cmp(&x[2]).then(a.cmp(b)));
    let rows = rows.into_iter().map(|(account, [moves, came_in, went_out, last])| {
        json!({"account": account, "moves": moves, "came_in": came_in, "went_out": went_out, "last_position": last})
    });
    BTreeMap::from([("accounts", documents.collect()), ("turnover", rows.collect())])
}

pub(crate) fn values(rows: &[Bytes]) -> Vec<Value> {
    rows.iter().map(|row| serde_json::from_slice(row).unwrap()).collect()
}

async fn check_now(app: &App, what: &str) {
    app.catch_up(|_, _| {}).await.unwrap();
    let expected = expected(&everything(&**app.ledger()).await);
    for (view, expected) in expected {
        let (rows, answer) = rows_of(app, view, None).await;
        assert_eq!(values(&rows), expected, "{what}: {view}");
        assert_eq!(answer.freshness.lag_events, 0, "{what}: {view}");
    }
}

#[tokio::test]
async fn g7_g8_a_view_at_any_position_is_the_fold_of_the_events_up_to_it() {
    let seed = 20_261_121;
    eprintln!("seed {seed}");
    let mut chance = Chance(seed);
    let dir = tempfile::tempdir().unwrap();
    let app = embedded(dir.path()).await;
    fund(&app, 12, 100).await;
    busy(&app, 500, &mut chance).await;
    check_now(&app, "live").await;
    let events = everything(&**app.ledger()).await;
    let head = events.len() as u64;
    assert!(head > 1_000, "{head}");
    let mut replayed = [0; 2];
    for _ in 0..200 {
        let p = chance.below(head + 1);
        let expected = expected(&events[..p as usize]);
        for (i, (view, interval)) in [("accounts", 50), ("turnover", 70)].into_iter().enumerate() {
            let (rows, answer) = rows_of(&app, view, Some(AsOf::Position(Position(p)))).await;
            assert_eq!(values(&rows), expected[view], "seed {seed}: {view} as of {p}");
            assert_eq!(answer.freshness.position, Position(p));
            assert!(answer.replayed <= interval, "{view} as of {p}: {} replayed", answer.replayed);
            replayed[i] += answer.replayed;
        }
    }
    assert!(replayed.iter().all(|replayed| *replayed > 0), "moments between keyframes were asked");
}

#[tokio::test]
async fn a_moment_is_a_time_too_and_one_beyond_the_head_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let app = embedded(dir.path()).await;
    fund(&app, 3, 100).await;
    app.run(pay(0, 1, 60)).await.unwrap();
    let events = everything(&**app.ledger()).await;
    let paid = events.last().unwrap();
    let before = AsOf::Time(Timestamp::from_micros(paid.recorded_at.micros - 1));
    assert_eq!(app.get::<Account>(account(0)).as_of(before).await.unwrap().cents, 100);
    assert_eq!(app.get::<Account>(account(0)).as_of(paid.recorded_at).await.unwrap().cents, 40);
    let (rows, _) = rows_of(&app, "accounts", Some(before)).await;
    assert_eq!(values(&rows)[0]["cents"], 100);
    let beyond = app.view("accounts").unwrap().list().as_of(Position(99)).await.unwrap_err();
    assert!(beyond.to_string().starts_with("as_of is 99, beyond the head"), "{beyond}");
    let nothing = rows_of(&app, "turnover", Some(AsOf::Time(Timestamp::from_micros(1)))).await;
    assert!(nothing.0.is_empty());
}

#[tokio::test]
async fn g8_deleted_and_rebuilt_views_have_equal_rows() {
    let mut chance = Chance(7);
    let dir = tempfile::tempdir().unwrap();
    let app = embedded(dir.path()).await;
    fund(&app, 12, 100).await;
    busy(&app, 150, &mut chance).await;
    check_now(&app, "live").await;
    let live = [rows_of(&app, "accounts", None).await.0, rows_of(&app, "turnover", None).await.0];
    for view in ["accounts", "turnover"] {
        let mut last = Position(0);
        app.rebuild(view, |position, goal| {
            assert!(position <= goal);
            last = position;
        })
        .await
        .unwrap();
        assert!(last > Position(0));
    }
    check_now(&app, "rebuilt").await;
    app.close().await;
    drop(app);
    std::fs::remove_dir_all(dir.path().join("views")).unwrap();
    let app = embedded(dir.path()).await;
    check_now(&app, "deleted").await;
    let again = [rows_of(&app, "accounts", None).await.0, rows_of(&app, "turnover", None).await.0];
    assert_eq!(live, again, "byte for byte");
}

#[tokio::test]
async fn g7_an_application_that_is_dropped_at_any_moment_goes_on_where_it_was() {
    let mut chance = Chance(99);
    let dir = tempfile::tempdir().unwrap();
    let app = embedded(dir.path()).await;
    fund(&app, 12, 1_000).await;
    drop(app);
    for round in 0..25 {
        let app = embedded(dir.path()).await;
        busy(&app, chance.below(30), &mut chance).await;
        if round % 5 == 4 {
            check_now(&app, &format!("round {round}")).await;
        }
    }
    check_now(&embedded(dir.path()).await, "at the end").await;
}

#[tokio::test]
async fn a_view_of_another_ledger_is_built_anew() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut chance = Chance(5);
    for dir in [&one, &two] {
        let app = embedded(dir.path()).await;
        fund(&app, 12, 100 + chance.below(100) as i64).await;
        busy(&app, 60, &mut chance).await;
        check_now(&app, "its own").await;
        app.close().await;
    }
    std::fs::remove_dir_all(two.path().join("views")).unwrap();
    std::fs::rename(one.path().join("views"), two.path().join("views")).unwrap();
    let app = embedded(two.path()).await;
    check_now(&app, "another's files").await;
    let events = everything(&**app.ledger()).await;
    for p in (0..events.len()).step_by(17) {
        let (rows, _) = rows_of(&app, "accounts", Some(AsOf::Position(Position(p as u64)))).await;
        assert_eq!(values(&rows), expected(&events[..p])["accounts"], "as of {p}");
    }
}

/// A view store that breaks G7 is caught by the comparison.
#[tokio::test]
async fn g7_the_fold_catches_rows_committed_without_their_checkpoint() {
    let (_, ledger) = in_memory().await;
    let on = Arc::new(Mutex::new(true));
    let inner: Arc<dyn ViewStore> = Arc::new(MemoryViewStore::new());
    let twist = Unreliable { habit: Habit::LosesCheckpoints, on: on.clone(), view: "accounts" };
    let store = TwistedStore { inner: inner.clone(), twist };
    let app = over(ledger.clone(), Arc::new(store), documents()).await;
    fund(&app, 3, 100).await;
    // The second batch does not begin where the store says it stands: it is refused, and rows are
    // projected a second time from there.
    let _ = app.run(pay(0, 1, 10)).await;
    let stuck =
        tokio::time::timeout(std::time::Duration::from_millis(300), app.catch_up(|_, _| {})).await;
    drop(app);
    *on.lock().unwrap() = false;
    let app = over(ledger.clone(), inner, documents()).await;
    app.catch_up(|_, _| {}).await.unwrap();
    let (rows, _) = rows_of(&app, "accounts", None).await;
    let expected = &expected(&everything(&*ledger).await)["accounts"];
    let caught = !matches!(stuck, Ok(Ok(()))) || values(&rows) != *expected;
    assert!(caught, "the deliberate bug was not caught");
}
