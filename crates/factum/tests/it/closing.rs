//! Closing and dropping an application: nobody hangs, and the directory is free at once.

use std::sync::{
    Arc, Condvar, Mutex,
    atomic::{AtomicBool, Ordering},
};

use factum::{
    App, Fault,
    store::{Batch, BoxFuture, Position, ViewError, ViewName, ViewStore, memory::MemoryViewStore},
};

use crate::{
    bank::*,
    isolation::{Stuck, app_over},
    ports::*,
    world::*,
};

fn opening(number: u64) -> Open {
    Open { account: account(number), cents: 100 }
}

#[tokio::test]
async fn a_closed_application_answers_with_what_was_applied() {
    let (app, _) = in_memory().await;
    let done = app.run(opening(0)).await.unwrap();
    app.catch_up(|_, _| {}).await.unwrap();
    app.close().await;
    app.close().await;
    let view = app.view("accounts").unwrap();
    assert_eq!(answered(view.list().after(&done)).await.unwrap().len(), 1);

    // Commands go on; the views do not follow, and say so at once.
    let later = app.run(opening(1)).await.unwrap();
    let fault = view.list().after(&later).await.unwrap_err();
    assert_eq!(fault, Fault::Unavailable("view accounts is not kept any more".into()));
    assert_eq!(view.list().await.unwrap().freshness.lag_events, 3);
    assert!(app.catch_up(|_, _| {}).await.is_err());
    assert!(app.rebuild("accounts", |_, _| {}).await.is_err());
}

#[tokio::test]
async fn a_dropped_application_leaves_its_directory_free() {
    let dir = tempfile::tempdir().unwrap();
    for number in 1..=10 {
        let app = embedded(dir.path()).await;
        app.run(opening(number)).await.unwrap();
        let locked = App::open(dir.path().to_str().unwrap()).await.err().unwrap();
        assert!(matches!(locked, Fault::Locked { .. }), "{locked}");
        if number % 2 == 0 {
            app.close().await;
        }
    }
    let app = embedded(dir.path()).await;
    app.catch_up(|_, _| {}).await.unwrap();
    assert_eq!(answered(app.view("accounts").unwrap().list()).await.unwrap().len(), 10);
}

#[tokio::test]
async fn a_handle_keeps_its_application() {
    let (app, _) = in_memory().await;
    let view = app.view("accounts").unwrap();
    let done = app.run(opening(0)).await.unwrap();
    drop(app);
    assert_eq!(answered(view.list().after(&done)).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_handle_may_be_dropped_anywhere() {
    for _ in 0..10 {
        let (app, _) = in_memory().await;
        app.run(opening(0)).await.unwrap();
        let clone = app.clone();
        let task = tokio::spawn(async move { drop(clone) });
        let clone = app.clone();
        let thread = std::thread::spawn(move || drop(clone));
        drop(app);
        task.await.unwrap();
        thread.join().unwrap();
    }
}

#[tokio::test]
async fn a_view_that_hangs_does_not_hold_up_who_closes_or_drops() {
    for close in [true, false] {
        let views = TwistedStore::new(MemoryViewStore::new(), Stuck::on("accounts"));
        let app = app_over(views.clone()).await;
        let done = app.run(opening(0)).await.unwrap();
        app.view("existence").unwrap().list().after(&done).await.unwrap();
        if close {
            app.close().await;
        }
        drop(app);
        assert_eq!(Arc::strong_count(&views), 1, "its thread has let go of the store");
    }
}

/// A store that keeps the thread that calls it, as a driver without futures may.
#[derive(Default)]
struct Blocks {
    entered: AtomicBool,
    free: Mutex<bool>,
    freed: Condvar,
}

impl StoreTwist for Blocks {
    fn apply<'a>(
        &'a self,
        inner: &'a dyn ViewStore,
        view: &ViewName,
        batch: Batch,
    ) -> BoxFuture<'a, Result<(), ViewError>> {
        if view.as_str() != "accounts" {
            return inner.apply(view, batch);
        }
        self.entered.store(true, Ordering::SeqCst);
        let free = self.free.lock().unwrap();
        drop(self.freed.wait_while(free, |free| !*free).unwrap());
        inner.apply(view, batch)
    }
}

#[tokio::test]
async fn a_store_that_keeps_its_thread_is_left_to_itself() {
    let views = TwistedStore::new(MemoryViewStore::new(), Blocks::default());
    let app = app_over(views.clone()).await;
    app.run(opening(0)).await.unwrap();
    while !views.twist.entered.load(Ordering::SeqCst) {
        tokio::task::yield_now().await;
    }
    drop(app);

    // The batch that was under way is applied whole when the store comes back, and nothing after.
    *views.twist.free.lock().unwrap() = true;
    views.twist.freed.notify_all();
    let name = ViewName::new("accounts").unwrap();
    while views.checkpoint(&name).await.unwrap().position == Position::START {
        tokio::task::yield_now().await;
    }
}
