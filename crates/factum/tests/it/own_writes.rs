//! G9 where it is hardest: while the view is built anew, while it hangs, and when the store answers
//! with what it answered before.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use factum::{
    App, Fault,
    store::{
        Batch, BoxFuture, Position, RowsPage, RowsRequest, ViewError, ViewName, ViewStore,
        memory::{MemoryLedger, MemoryViewStore},
    },
};
use factum_sqlite::SqliteViews;
use serde_json::json;
use tokio::sync::Semaphore;

use crate::{bank::*, isolation::Stuck, ports::*, world::*};

async fn app_over(views: Arc<dyn ViewStore>) -> App {
    over(Arc::new(MemoryLedger::new()), views, documents()).await
}

#[tokio::test]
async fn g9_own_writes_are_seen_in_memory() {
    writes_are_seen(&app_over(Arc::new(MemoryViewStore::new())).await).await.unwrap();
}

#[tokio::test]
async fn g9_own_writes_catches_a_stale_read() {
    let views = TwistedStore::new(MemoryViewStore::new(), AnswersAgain::default());
    let problem = writes_are_seen(&app_over(views).await).await.unwrap_err();
    assert!(problem.contains("after payment 2"), "{problem}");
}

/// Breaks G9: what was answered once is answered again.
#[derive(Default)]
struct AnswersAgain(Mutex<Option<RowsPage>>);

impl StoreTwist for AnswersAgain {
    fn rows<'a>(
        &'a self,
        inner: &'a dyn ViewStore,
        view: &ViewName,
        request: RowsRequest,
    ) -> BoxFuture<'a, Result<RowsPage, ViewError>> {
        let view = view.clone();
        Box::pin(async move {
            let fresh = inner.rows(&view, request).await?;
            // The projector asks too, before there is a document.
            if fresh.rows.is_empty() {
                return Ok(fresh);
            }
            Ok(self.0.lock().unwrap().get_or_insert(fresh).clone())
        })
    }
}

/// Writes and reads back, many times; what is wrong, if anything.
async fn writes_are_seen(app: &App) -> Result<(), String> {
    fund(app, 2, 1_000).await;
    let view = app.view("accounts").unwrap();
    for paid in 1..=100 {
        let done = app.run(pay(0, 1, 7)).await.unwrap();
        let found = answered(view.get("a01").after(&done)).await.unwrap();
        if found[0].1 != json!({ "open": true, "cents": 1_000 + paid * 7 }) {
            return Err(format!("{} after payment {paid}", found[0].1));
        }
        // A receipt and a position are tokens too.
        view.list().after(done.receipt().unwrap()).await.unwrap();
        view.list().after(done.position()).await.unwrap();
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g9_holds_while_the_view_is_built_anew() {
    let dir = tempfile::tempdir().unwrap();
    let app = app_over(Arc::new(SqliteViews::open(dir.path()).unwrap())).await;
    fund(&app, 30, 5).await;
    let last = head(&app).await;
    let builds = tokio::spawn({
        let app = app.clone();
        async move {
            for _ in 0..25 {
                app.rebuild("accounts", |_, _| {}).await.unwrap();
            }
        }
    });
    let view = app.view("accounts").unwrap();
    let mut reads = 0;
    while !builds.is_finished() || reads < 25 {
        let answer = view.list().after(last).await.unwrap();
        assert_eq!((answer.rows.len(), answer.freshness.position), (30, last));
        reads += 1;
    }
    builds.await.unwrap();
}

/// Lets one reader in only after the rows were thrown away, and nothing is applied until then.
struct Between {
    stuck: Stuck,
    armed: AtomicBool,
    reading: Semaphore,
    emptied: Semaphore,
}

impl StoreTwist for Between {
    fn apply<'a>(
        &'a self,
        inner: &'a dyn ViewStore,
        view: &ViewName,
        batch: Batch,
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        self.stuck.apply(inner, view, batch)
    }

    fn rows<'a>(
        &'a self,
        inner: &'a dyn ViewStore,
        view: &ViewName,
        request: RowsRequest,
    ) -> BoxFuture<'a, Result<RowsPage, ViewError>> {
        let view = view.clone();
        Box::pin(async move {
            if self.armed.swap(false, Ordering::SeqCst) {
                self.reading.add_permits(1);
                self.emptied.acquire().await.unwrap().forget();
            }
            inner.rows(&view, request).await
        })
    }

    fn reset<'a>(
        &'a self,
        inner: &'a dyn ViewStore,
        view: &ViewName,
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        let view = view.clone();
        Box::pin(async move {
            inner.reset(&view).await?;
            self.emptied.add_permits(1);
            Ok(())
        })
    }
}

#[tokio::test]
async fn g9_rows_that_go_while_they_are_read_are_read_again() {
    let stuck = Stuck::on("accounts");
    stuck.let_go();
    let (reading, emptied) = (Semaphore::new(0), Semaphore::new(0));
    let twist = Between { stuck, armed: AtomicBool::new(false), reading, emptied };
    let views = TwistedStore::new(MemoryViewStore::new(), twist);
    let app = app_over(views.clone()).await;
    fund(&app, 30, 5).await;
    app.catch_up(|_, _| {}).await.unwrap();

    let twist = &views.twist;
    twist.stuck.hold();
    twist.armed.store(true, Ordering::SeqCst);
    let read = answered(app.view("accounts").unwrap().list().after(head(&app).await));
    let rebuild = async {
        // The reader has seen where the view stands, and not yet the rows.
        twist.reading.acquire().await.unwrap().forget();
        app.rebuild("accounts", |_, _| {}).await
    };
    let let_go = async {
        while app.views().await.unwrap()[0].checkpoint.position != Position::START {
            tokio::task::yield_now().await;
        }
        // Long enough for a reader that does not look again to have answered.
        tokio::time::sleep(Duration::from_millis(20)).await;
        twist.stuck.let_go();
    };
    let (rows, rebuilt, ()) = tokio::join!(read, rebuild, let_go);
    rebuilt.unwrap();
    assert_eq!(rows.unwrap().len(), 30);
}

#[tokio::test]
async fn g9_a_view_that_hangs_is_a_timeout_that_says_where_it_stands() {
    let views = TwistedStore::new(MemoryViewStore::new(), Stuck::on("accounts"));
    let app = app_over(views.clone()).await;
    fund(&app, 1, 5).await;
    let wanted = head(&app).await;
    let view = app.view("accounts").unwrap();
    let read = view.get("a00").after(wanted).deadline(Duration::from_millis(20));
    let fault = read.await.unwrap_err();
    let position = Position::START;
    assert_eq!(fault, Fault::Timeout { view: "accounts".into(), position, wanted });
    assert!(fault.to_string().contains("ask again"), "{fault}");
    // Who does not insist is answered with what there is, and told how old it is.
    let now = view.list().await.unwrap();
    assert_eq!((now.rows.len(), now.freshness.lag_events), (0, 3));

    views.twist.let_go();
    assert_eq!(answered(view.get("a00").after(wanted)).await.unwrap().len(), 1);
}
