//! G11: a view that hangs, or can't read an event, or panics, stops neither commands nor another
//! view, says why, and goes on without skipping once the cause is gone.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use factum::{
    Fault,
    prelude::*,
    store::{
        Append, Batch, BoxFuture, EventType, NewEvent, Position, ViewError, ViewName, ViewStore,
        memory::{MemoryLedger, MemoryViewStore},
    },
};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, watch};

use crate::{bank::*, ports::*, world::*};

/// Nothing is applied to one view until it is let go.
pub(crate) struct Stuck {
    view: &'static str,
    going: watch::Sender<bool>,
}

impl Stuck {
    pub(crate) fn on(view: &'static str) -> Self {
        Self { view, going: watch::Sender::new(false) }
    }

    pub(crate) fn hold(&self) {
        self.going.send_replace(false);
    }

    pub(crate) fn let_go(&self) {
        self.going.send_replace(true);
    }

    async fn pass(&self, view: &ViewName) {
        if view.as_str() == self.view {
            let _ = self.going.subscribe().wait_for(|going| *going).await;
        }
    }
}

impl StoreTwist for Stuck {
    fn apply<'a>(
        &'a self,
        inner: &'a dyn ViewStore,
        view: &ViewName,
        batch: Batch,
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        let view = view.clone();
        Box::pin(async move {
            self.pass(&view).await;
            inner.apply(&view, batch).await
        })
    }
}

/// Breaks G11: one view's batch is applied at a time, so a view that hangs holds up all others.
struct OneAtATime {
    stuck: Stuck,
    turn: Semaphore,
    begun: watch::Sender<bool>,
}

impl StoreTwist for OneAtATime {
    fn apply<'a>(
        &'a self,
        inner: &'a dyn ViewStore,
        view: &ViewName,
        batch: Batch,
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        let view = view.clone();
        Box::pin(async move {
            if view.as_str() != self.stuck.view {
                // The view that hangs comes first.
                let _ = self.begun.subscribe().wait_for(|begun| *begun).await;
            }
            let _turn = self.turn.acquire().await;
            self.begun.send_replace(true);
            self.stuck.pass(&view).await;
            inner.apply(&view, batch).await
        })
    }
}

/// Whether an account is there. It does not care for money.
#[derive(Default, Serialize, Deserialize)]
struct Existence {
    open: bool,
}

#[fold(by = AccountId)]
impl Existence {
    fn opened(&mut self, _: &Opened) {
        self.open = true;
    }
}

/// An application with a view of accounts, and one that does not look at deposits.
pub(crate) async fn app_over(views: Arc<dyn ViewStore>) -> App {
    let domain = documents().view(document::<Existence>("existence"));
    over(Arc::new(MemoryLedger::new()), views, domain).await
}

/// What views say of themselves: the error of one.
async fn error_of(app: &App, view: &str) -> Option<String> {
    app.views().await.unwrap().into_iter().find(|status| status.name == view).unwrap().error
}

/// Waits until a view says that it stands still, and returns why.
async fn stands_still(app: &App, view: &str) -> String {
    loop {
        if let Some(error) = error_of(app, view).await {
            return error;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Commands, each seen by the view that is well; what is wrong, if anything.
async fn others_are_not_held_up(
    app: &App,
    well: &str,
    commands: u64,
    deadline: Duration,
) -> Result<(), String> {
    for number in 0..commands {
        let open = Open { account: account(number), cents: 1 };
        let done = app.run(open).await.map_err(|e| e.to_string())?;
        let read = app.view(well).unwrap().get(account(number).to_string()).after(&done);
        let answer = read.deadline(deadline).await.map_err(|e| e.to_string())?;
        if answer.rows.len() != 1 {
            return Err(format!("{well} has {} rows of account {number}", answer.rows.len()));
        }
    }
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn g11_a_view_that_hangs_stops_nobody() {
    let views = TwistedStore::new(MemoryViewStore::new(), Stuck::on("accounts"));
    let app = app_over(views.clone()).await;
    others_are_not_held_up(&app, "existence", 200, PATIENCE).await.unwrap();
    views.twist.let_go();
    app.catch_up(|_, _| {}).await.unwrap();
    assert_eq!(answered(app.view("accounts").unwrap().list()).await.unwrap().len(), 200);
}

#[tokio::test]
async fn g11_isolation_catches_a_store_that_serves_one_view_at_a_time() {
    let twist = OneAtATime {
        stuck: Stuck::on("accounts"),
        turn: Semaphore::new(1),
        begun: watch::Sender::new(false),
    };
    let views = TwistedStore::new(MemoryViewStore::new(), twist);
    let app = app_over(views.clone()).await;
    let short = Duration::from_millis(50);
    let problem = others_are_not_held_up(&app, "existence", 1, short).await.unwrap_err();
    assert!(problem.starts_with("view existence stands at"), "{problem}");
    views.twist.stuck.let_go();
}

/// An event of a known type that can't be read.
fn garbled(number: u64) -> NewEvent {
    NewEvent::new(EventType::new("account.deposited").unwrap(), r#"{"cents":"many"}"#)
        .tagged([account(number).tag()])
}

#[tokio::test]
async fn g11_an_event_that_cant_be_read_stops_its_views_just_before_it() {
    let app = app_over(Arc::new(MemoryViewStore::new())).await;
    app.ledger().append(Append::new([deposit(0, 5), deposit(1, 5), garbled(0)])).await.unwrap();
    app.run(Open { account: account(2), cents: 7 }).await.unwrap();

    let why = stands_still(&app, "accounts").await;
    assert!(why.contains("account.deposited version 1 at position 3"), "{why}");
    // What came before it in the same batch is applied, and it stays at that.
    let accounts = app.view("accounts").unwrap();
    let known = accounts.list().after(Position(2)).await.unwrap();
    assert_eq!((known.rows.len(), known.freshness.position), (2, Position(2)));
    stands_still(&app, "accounts").await;
    let known = accounts.list().await.unwrap();
    assert_eq!((known.freshness.stale, known.freshness.position), (true, Position(2)));
    // Views that do not heed it go on, and so do commands that do not read it.
    let others = app.view("existence").unwrap().list().after(head(&app).await).await.unwrap();
    assert_eq!(others.rows.len(), 1);
    let fault = app.run(pay(0, 2, 1)).await.unwrap_err();
    assert!(matches!(fault, factum::RunError::Fault(Fault::Unreadable(_))), "{fault:?}");
    app.run(Look { account: account(2) }).await.unwrap();
}

/// Panics at an odd amount, for as long as it is told to.
#[derive(Default, Serialize, Deserialize)]
struct Fragile {
    cents: i64,
}

static FRAGILE: AtomicBool = AtomicBool::new(true);

#[fold(by = AccountId)]
impl Fragile {
    fn deposited(&mut self, e: &Deposited) {
        assert!(e.cents % 2 == 0 || !FRAGILE.load(Ordering::SeqCst), "odd cents");
        self.cents += e.cents;
    }
}

#[tokio::test]
async fn g11_a_fold_that_panics_is_a_view_that_stands_still() {
    let domain = Domain::new("bank").view(document::<Fragile>("fragile"));
    let ledger = Arc::new(MemoryLedger::new());
    let app = over(ledger, Arc::new(MemoryViewStore::new()), domain).await;
    app.ledger().append(Append::new([deposit(0, 2), deposit(0, 3)])).await.unwrap();
    let why = stands_still(&app, "fragile").await;
    assert!(why.contains("odd cents"), "{why}");
    FRAGILE.store(false, Ordering::SeqCst);
    let read = app.view("fragile").unwrap().list().after(head(&app).await).deadline(PATIENCE);
    assert_eq!(answered(read).await.unwrap()[0].1, serde_json::json!({ "cents": 5 }));
}
