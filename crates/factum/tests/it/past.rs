//! G8: the past of a view comes from a keyframe and a replay of at most one interval; two stores
//! that break this on purpose are noticed.

use std::sync::Arc;

use factum::{
    App,
    store::{
        Batch, BoxFuture, Checkpoint, Position, ScratchStore, ViewError, ViewName, ViewStore,
        memory::{MemoryLedger, MemoryViewStore},
    },
};

use crate::{
    bank::*,
    moments::{expected, values},
    ports::*,
    world::*,
};

const EVENTS: usize = 1_200;
const MOMENTS: usize = 200;
/// Of the view `accounts`, which has fewer rows than that.
const INTERVAL: u64 = 50;

#[tokio::test]
async fn g8_any_moment_of_a_view_in_memory_is_the_fold_up_to_it() {
    let app = with_history(Arc::new(MemoryViewStore::new())).await;
    past_is_the_fold(&app).await.unwrap();
}

#[tokio::test]
async fn g8_past_catches_a_copy_of_a_later_moment() {
    let app = with_history(TwistedStore::new(MemoryViewStore::new(), CopiesTooLate)).await;
    let problem = past_is_the_fold(&app).await.unwrap_err();
    assert!(problem.starts_with("accounts as of"), "{problem}");
}

#[tokio::test]
async fn g8_past_catches_a_store_without_keyframes() {
    let app = with_history(TwistedStore::new(MemoryViewStore::new(), CopiesFromTheStart)).await;
    let problem = past_is_the_fold(&app).await.unwrap_err();
    assert!(problem.contains("events were replayed"), "{problem}");
}

/// Breaks G8: the copy is of a moment after the one asked for, under an earlier checkpoint.
struct CopiesTooLate;

impl StoreTwist for CopiesTooLate {
    fn scratch<'a>(
        &'a self,
        inner: &'a dyn ViewStore,
        view: &ViewName,
        at: Position,
    ) -> BoxFuture<'a, Result<(ScratchStore, Checkpoint), ViewError>> {
        let view = view.clone();
        Box::pin(async move {
            let (later, said) = inner.scratch(&view, Position(at.0 + INTERVAL)).await?;
            let (_, checkpoint) = inner.scratch(&view, at).await?;
            let rewound = Batch { from: said.position, to: checkpoint, changes: Vec::new() };
            later.apply(&view, rewound).await?;
            Ok((later, checkpoint))
        })
    }
}

/// Breaks the bound of a replay: no keyframe is ever used.
struct CopiesFromTheStart;

impl StoreTwist for CopiesFromTheStart {
    fn scratch<'a>(
        &'a self,
        inner: &'a dyn ViewStore,
        view: &ViewName,
        _: Position,
    ) -> BoxFuture<'a, Result<(ScratchStore, Checkpoint), ViewError>> {
        inner.scratch(view, Position::START)
    }
}

/// Events in batches of all sizes, with stretches in between that no view heeds.
async fn with_history(views: Arc<dyn ViewStore>) -> App {
    let app = over(Arc::new(MemoryLedger::new()), views, documents()).await;
    let mut chance = chance();
    while (head(&app).await.0 as usize) < EVENTS {
        let some = 1 + chance.below(150) as usize;
        random_history(&**app.ledger(), &mut chance, some).await;
        for _ in 0..chance.below(80) {
            app.run(pay(chance.below(20), 30, 1)).await.unwrap_err();
        }
    }
    app
}

/// Compares the view with the fold at random moments; what is wrong, if anything.
async fn past_is_the_fold(app: &App) -> Result<(), String> {
    let events = everything(&**app.ledger()).await;
    app.catch_up(|_, _| {}).await.unwrap();
    let mut chance = chance();
    for _ in 0..MOMENTS {
        let p = chance.below(events.len() as u64 + 1);
        let upto = &events[..p as usize];
        let read = app.view("accounts").unwrap().list().as_of(Position(p));
        let answer = read.await.unwrap();
        if answer.replayed > INTERVAL {
            return Err(format!("as of {p}, {} events were replayed", answer.replayed));
        }
        let (freshness, last) = (answer.freshness, upto.last());
        let time = last.map(|event| event.recorded_at).unwrap_or_default();
        assert_eq!((freshness.position, freshness.recorded_at), (Position(p), time));
        assert_eq!(freshness.lag_events, events.len() as u64 - p);
        let found = values(&answer.rows.into_iter().map(|row| row.document).collect::<Vec<_>>());
        let expected = &expected(upto)["accounts"];
        if found != *expected {
            return Err(format!("accounts as of {p} are {found:?}, and should be {expected:?}"));
        }
    }
    Ok(())
}
