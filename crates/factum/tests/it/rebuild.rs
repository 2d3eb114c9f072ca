//! G7: rows and checkpoint stay together through failures and crashes. G8: what is built anew is
//! the same.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use factum::{
    Fault,
    prelude::*,
    store::{
        Batch, BoxFuture, Bytes, Change, Ledger, Page, Position, Read, ReadError, Row, ViewError,
        ViewName, ViewStore,
        memory::{MemoryLedger, MemoryViewStore},
    },
};
use factum_sqlite::SqliteViews;
use serde::{Deserialize, Serialize};

use crate::{
    bank::*,
    moments::{Chance, expected, values},
    ports::*,
    world::*,
};

/// The rows of both views, byte for byte.
async fn bytes_of(app: &App) -> Vec<Row> {
    let mut all = Vec::new();
    for view in ["accounts", "turnover"] {
        all.extend(app.view(view).unwrap().list().limit(10_000).await.unwrap().rows);
    }
    all
}

#[tokio::test]
async fn g8_a_rebuild_repairs_rows_and_keyframes() {
    let dir = tempfile::tempdir().unwrap();
    let views = Arc::new(SqliteViews::open(dir.path()).unwrap());
    let ledger = Arc::new(MemoryLedger::new());
    let over = App::over(ledger, Arc::clone(&views) as _).domain(bank());
    let app = over.await.unwrap();
    random_history(&**app.ledger(), &mut chance(), 600).await;
    app.catch_up(|_, _| {}).await.unwrap();
    let before = bytes_of(&app).await;

    // Somebody writes into the view, and a copy is kept of it.
    let name = ViewName::new("accounts").unwrap();
    let at = views.checkpoint(&name).await.unwrap();
    let put = |number| Change::Put {
        key: account(number).to_string(),
        document: Bytes::from_static(br#"{"open":true,"cents":-1}"#),
    };
    let changes = vec![put(0), put(99)];
    views.apply(&name, Batch { from: at.position, to: at, changes }).await.unwrap();
    views.keep_keyframe(&name).await.unwrap();
    views_are_the_fold(&app).await.unwrap_err();

    let mut told = Vec::new();
    app.rebuild("accounts", |position, goal| told.push((position, goal))).await.unwrap();
    app.rebuild("turnover", |_, _| {}).await.unwrap();
    assert_eq!(bytes_of(&app).await, before);
    views_are_the_fold(&app).await.unwrap();
    assert!(told.is_sorted() && told.iter().all(|(_, goal)| *goal == at_head(&told)));
    let all = everything(&**app.ledger()).await;
    let (past, _) = rows_of(&app, "accounts", Some(at.position.into())).await;
    assert_eq!(values(&past), expected(&all[..at.position.0 as usize])["accounts"]);
}

/// Where a progress ended.
fn at_head(told: &[(Position, Position)]) -> Position {
    told.last().unwrap().0
}

/// Another definition of the view `accounts`.
#[derive(Default, Serialize, Deserialize)]
struct Moves {
    moves: u32,
}

#[fold(by = AccountId)]
impl Moves {
    fn deposited(&mut self, _: &Deposited) {
        self.moves += 1;
    }
}

#[tokio::test]
async fn g8_a_view_of_another_definition_is_built_anew() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Arc::new(MemoryLedger::new());
    let views: Arc<dyn ViewStore> = Arc::new(SqliteViews::open(dir.path()).unwrap());
    let app = over(ledger.clone(), Arc::clone(&views), documents()).await;
    fund(&app, 1, 100).await;
    app.catch_up(|_, _| {}).await.unwrap();
    drop(app);
    let other = Domain::new("bank").view(document::<Moves>("accounts"));
    let app = over(ledger, views, other).await;
    app.catch_up(|_, _| {}).await.unwrap();
    let found = answered(app.view("accounts").unwrap().list()).await.unwrap();
    assert_eq!(found, [("a00".to_owned(), serde_json::json!({ "moves": 1 }))]);
}

/// A ledger that can't be read until it is told to.
struct Silent(AtomicU32);

impl LedgerTwist for Silent {
    fn read<'a>(
        &'a self,
        inner: &'a dyn Ledger,
        read: Read,
    ) -> BoxFuture<'a, Result<Page, ReadError>> {
        Box::pin(async move {
            match self.0.load(Ordering::SeqCst) {
                0 => inner.read(read).await,
                _ => Err(ReadError::Unavailable("it is away".into())),
            }
        })
    }
}

#[tokio::test]
async fn g9_rows_of_another_ledger_are_never_answered() {
    let views = Arc::new(MemoryViewStore::new());
    let open = async |ledger: Arc<dyn Ledger>| {
        App::over(ledger, Arc::clone(&views) as _).domain(documents()).await
    };
    let foreign = open(Arc::new(MemoryLedger::new())).await.unwrap();
    foreign.run(Open { account: account(0), cents: 100 }).await.unwrap();
    foreign.catch_up(|_, _| {}).await.unwrap();
    drop(foreign);

    // While nobody can say whose rows they are, they are not shown.
    let ledger = MemoryLedger::new();
    ledger.set_time(factum::store::Timestamp::from_micros(1));
    let own = deposit(1, 7);
    ledger.append(factum::store::Append::new(vec![own; 5])).await.unwrap();
    let ledger = TwistedLedger::new(ledger, Silent(AtomicU32::new(1)));
    if let Ok(app) = open(ledger.clone()).await {
        let found = answered(app.view("accounts").unwrap().list().after(Position(3))).await;
        assert_ne!(found.map(|rows| rows[0].0.clone()), Ok(account(0).to_string()));
    }
    ledger.twist.0.store(0, Ordering::SeqCst);
    let app = open(ledger).await.unwrap();
    let found = answered(app.view("accounts").unwrap().list().after(Position(3))).await.unwrap();
    assert_eq!(found[0].0, account(1).to_string());
    app.catch_up(|_, _| {}).await.unwrap();
    views_are_the_fold(&app).await.unwrap();
}

/// When the connection to a view store breaks.
#[derive(Clone, Copy, PartialEq)]
enum Breaks {
    /// At random, before or after the whole batch is applied.
    AroundBatches,
    /// Breaks G7: the rows are written, and then the checkpoint is not.
    BetweenRowsAndCheckpoint,
}

struct Crashes {
    breaks: Breaks,
    chance: Mutex<Chance>,
    crashes: AtomicU32,
}

impl StoreTwist for Crashes {
    fn apply<'a>(
        &'a self,
        inner: &'a dyn ViewStore,
        view: &ViewName,
        batch: Batch,
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        let view = view.clone();
        Box::pin(async move {
            let crash = self.chance.lock().unwrap().below(8);
            if crash > 1 || self.crashes.fetch_add(1, Ordering::SeqCst) > 30 {
                return inner.apply(&view, batch).await;
            }
            if self.breaks == Breaks::BetweenRowsAndCheckpoint {
                let unmoved = inner.checkpoint(&view).await?;
                inner.apply(&view, Batch { to: unmoved, ..batch }).await?;
            } else if crash == 0 {
                inner.apply(&view, batch).await?;
            }
            Err(ViewError::Unavailable("the connection broke".into()))
        })
    }
}

/// Projects a random history over a store that breaks; what is wrong afterwards, if anything.
async fn crashes_lose_and_double_nothing(breaks: Breaks) -> Result<(), String> {
    let twist = Crashes { breaks, chance: Mutex::new(chance()), crashes: AtomicU32::new(0) };
    let dir = tempfile::tempdir().unwrap();
    let views = TwistedStore::new(SqliteViews::open(dir.path()).unwrap(), twist);
    let over = App::over(Arc::new(MemoryLedger::new()), Arc::clone(&views) as _);
    let app = over.domain(bank()).await.unwrap();
    let mut chance = chance();
    while views.twist.crashes.load(Ordering::SeqCst) < 10 {
        random_history(&**app.ledger(), &mut chance, 5).await;
        let _ = app.catch_up(|_, _| {}).await;
        views_are_the_fold(&app).await?;
    }
    while app.catch_up(|_, _| {}).await.is_err() {
        tokio::task::yield_now().await;
    }
    views_are_the_fold(&app).await
}

#[tokio::test]
async fn g7_a_store_that_breaks_loses_and_doubles_nothing() {
    crashes_lose_and_double_nothing(Breaks::AroundBatches).await.unwrap();
}

#[tokio::test]
async fn g7_crashes_catches_rows_without_their_checkpoint() {
    let problem = crashes_lose_and_double_nothing(Breaks::BetweenRowsAndCheckpoint).await;
    assert!(problem.is_err(), "rows that were applied twice were not noticed");
}

/// A store that forgets nothing when it is told to, as often as it says.
struct Stubborn(AtomicU32);

impl StoreTwist for Stubborn {
    fn reset<'a>(
        &'a self,
        inner: &'a dyn ViewStore,
        view: &ViewName,
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        if self.0.load(Ordering::SeqCst) == 0 {
            return inner.reset(view);
        }
        self.0.fetch_sub(1, Ordering::SeqCst);
        let problem = "its files can't be removed".to_owned();
        Box::pin(std::future::ready(Err(ViewError::Unavailable(problem))))
    }
}

#[tokio::test]
async fn a_rebuild_that_cant_begin_says_why_and_is_done_later() {
    let views = TwistedStore::new(MemoryViewStore::new(), Stubborn(AtomicU32::new(1)));
    let over = App::over(Arc::new(MemoryLedger::new()), Arc::clone(&views) as _);
    let app = over.domain(documents()).await.unwrap();
    app.run(Open { account: account(0), cents: 100 }).await.unwrap();
    app.catch_up(|_, _| {}).await.unwrap();
    let name = ViewName::new("accounts").unwrap();
    let at = views.checkpoint(&name).await.unwrap();
    let put = Change::Put { key: "a77".into(), document: Bytes::from_static(b"{}") };
    let nonsense = Batch { from: at.position, to: at, changes: vec![put] };
    views.apply(&name, nonsense).await.unwrap();
    let fault = app.rebuild("accounts", |_, _| {}).await.unwrap_err();
    assert!(
        matches!(&fault, Fault::View { problem, .. } if problem.contains("removed")),
        "{fault}"
    );
    // It goes on trying, and the rows that were to go are gone.
    let read = app.view("accounts").unwrap().list().after(head(&app).await);
    assert_eq!(answered(read).await.unwrap().len(), 1);
    views_are_the_fold(&app).await.unwrap();
}

#[tokio::test]
async fn a_rebuild_cures_a_view_that_stands_still() {
    let views = Arc::new(MemoryViewStore::new());
    let over = App::over(Arc::new(MemoryLedger::new()), Arc::clone(&views) as _);
    let app = over.domain(documents()).await.unwrap();
    app.run(Open { account: account(0), cents: 100 }).await.unwrap();
    app.catch_up(|_, _| {}).await.unwrap();
    app.close().await;

    // A document that nobody can read.
    let name = ViewName::new("accounts").unwrap();
    let at = views.checkpoint(&name).await.unwrap();
    let key = account(0).to_string();
    let changes = vec![Change::Put { key, document: Bytes::from_static(b"{") }];
    views.apply(&name, Batch { from: at.position, to: at, changes }).await.unwrap();
    let over = App::over(Arc::clone(app.ledger()), Arc::clone(&views) as _);
    let app = over.domain(documents()).await.unwrap();
    app.ledger().append(factum::store::Append::new([deposit(0, 5)])).await.unwrap();
    let fault = app.catch_up(|_, _| {}).await.unwrap_err();
    assert!(fault.to_string().contains("rebuild it"), "{fault}");

    app.rebuild("accounts", |_, _| {}).await.unwrap();
    views_are_the_fold(&app).await.unwrap();
    assert_eq!(app.views().await.unwrap()[0].error, None);
}

#[tokio::test]
async fn catching_up_tells_the_least_that_all_views_have_reached() {
    let dir = tempfile::tempdir().unwrap();
    let app = embedded(dir.path()).await;
    random_history(&**app.ledger(), &mut chance(), 2_000).await;
    let goal = head(&app).await;
    let mut told = Vec::new();
    app.catch_up(|position, goal| told.push((position, goal))).await.unwrap();
    assert!(told.is_sorted(), "{told:?}");
    assert!(told.iter().all(|(position, of)| position <= of && *of == goal));
    assert_eq!(told.last(), Some(&(goal, goal)));
}
