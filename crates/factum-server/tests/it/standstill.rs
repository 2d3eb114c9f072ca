//! A view that does not follow: it says so, and slows nobody else (G9, G11).

use std::{sync::Arc, time::Duration};

use factum::App;
use factum_store::{
    Batch, BoxFuture, Checkpoint, Keyframe, Position, RowsPage, RowsRequest, ScratchStore,
    ViewError, ViewName, ViewSpec, ViewStore,
    memory::{MemoryLedger, MemoryViewStore},
};
use serde_json::json;
use tokio::sync::watch;

use crate::{bank, world::World};

const OPEN: &str = "/v1/ledgers/bank/commands/open";
const ACCOUNTS: &str = "/v1/ledgers/bank/views/accounts";

/// What the store does with the next batch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Holds,
    Fails,
    Works,
}

/// A view store that can be held.
struct Held {
    views: MemoryViewStore,
    mood: watch::Receiver<Mood>,
}

impl ViewStore for Held {
    fn open(&self, spec: &ViewSpec) -> BoxFuture<'_, Result<Checkpoint, ViewError>> {
        self.views.open(spec)
    }

    fn apply(&self, view: &ViewName, batch: Batch) -> BoxFuture<'_, Result<(), ViewError>> {
        let (mut mood, view) = (self.mood.clone(), view.clone());
        Box::pin(async move {
            let mood = *mood.wait_for(|mood| *mood != Mood::Holds).await.expect("the test goes on");
            if mood == Mood::Fails {
                let (view, problem) = (view.to_string(), "no such table".into());
                return Err(ViewError::Statement { view, problem });
            }
            self.views.apply(&view, batch).await
        })
    }

    fn checkpoint(&self, view: &ViewName) -> BoxFuture<'_, Result<Checkpoint, ViewError>> {
        self.views.checkpoint(view)
    }

    fn rows(
        &self,
        view: &ViewName,
        request: RowsRequest,
    ) -> BoxFuture<'_, Result<RowsPage, ViewError>> {
        self.views.rows(view, request)
    }

    fn count(&self, view: &ViewName) -> BoxFuture<'_, Result<u64, ViewError>> {
        self.views.count(view)
    }

    fn reset(&self, view: &ViewName) -> BoxFuture<'_, Result<(), ViewError>> {
        self.views.reset(view)
    }

    fn keep_keyframe(&self, view: &ViewName) -> BoxFuture<'_, Result<Keyframe, ViewError>> {
        self.views.keep_keyframe(view)
    }

    fn keyframes(&self, view: &ViewName) -> BoxFuture<'_, Result<Vec<Keyframe>, ViewError>> {
        self.views.keyframes(view)
    }

    fn scratch(
        &self,
        view: &ViewName,
        at: Position,
    ) -> BoxFuture<'_, Result<(ScratchStore, Checkpoint), ViewError>> {
        self.views.scratch(view, at)
    }
}

async fn world(deadline: Duration, mood: Mood) -> (World, watch::Sender<Mood>) {
    let (sender, mood) = watch::channel(mood);
    let held = Held { views: MemoryViewStore::new(), mood };
    let app = App::over(Arc::new(MemoryLedger::new()), Arc::new(held)).domain(bank::domain());
    let app = app.await.expect("an application");
    let world = World::over(app, |config| {
        config.view_deadline = deadline;
        config.queries_max = 1;
        config.patience = Duration::from_secs(600);
    });
    (world.await, sender)
}

#[tokio::test]
async fn g9_a_view_that_has_not_seen_it_in_time_says_where_it_stands() {
    let (world, mood) = world(Duration::from_millis(1), Mood::Holds).await;
    world.post(OPEN, r#"{"account":"a"}"#).await.ok();
    let behind = world.get(&format!("{ACCOUNTS}/a?after=3")).await;
    assert_eq!((behind.status, behind.header("retry-after")), (503, Some("1")));
    let behind = behind.problem("view-behind");
    assert_eq!(behind["view"], "accounts");
    assert_eq!((&behind["position"], &behind["wanted"]), (&json!(0), &json!(3)));
    // Who does not need to see it is answered with what there is.
    let now = world.get(ACCOUNTS).await.ok();
    assert_eq!((&now["rows"], &now["position"]), (&json!([]), &json!(0)));
    assert_eq!((&now["lag_events"], &now["stale"]), (&json!(3), &json!(false)));
    mood.send_replace(Mood::Works);
    world.stop().await;
}

#[tokio::test]
async fn g11_who_waits_for_a_view_takes_no_place_from_others() {
    let (world, mood) = world(Duration::from_secs(600), Mood::Holds).await;
    world.post(OPEN, r#"{"account":"a"}"#).await.ok();
    let waiting: Vec<_> = (0..8)
        .map(|_| {
            let address = world.address;
            let path = format!("{ACCOUNTS}/a?after=3");
            tokio::spawn(
                async move { crate::client::Request::new("GET", &path).send(address).await },
            )
        })
        .collect();
    for n in 0..20 {
        world.post(OPEN, &json!({ "account": format!("b{n}") }).to_string()).await.ok();
        world.get(ACCOUNTS).await.ok();
        world.get("/v1/ledgers/bank/events?limit=1").await.ok();
        world.get("/health").await.ok();
    }
    assert!(waiting.iter().all(|read| !read.is_finished()), "the view is still held");
    mood.send_replace(Mood::Works);
    for read in waiting {
        let answer = read.await.expect("is answered").ok();
        assert_eq!(answer["keys"], json!(["a"]));
    }
    world.stop().await;
}

#[tokio::test]
async fn a_view_that_can_not_be_kept_is_stale_and_health_shows_it() {
    let (world, mood) = world(Duration::from_secs(600), Mood::Fails).await;
    assert_eq!(world.get("/health").await.ok()["status"], "ok");
    world.post(OPEN, r#"{"account":"a"}"#).await.ok();
    let failing = loop {
        let view = world.get("/v1/ledgers/bank/views").await.ok()["views"][0].clone();
        if !view["error"].is_null() {
            break view;
        }
    };
    assert!(failing["error"].as_str().is_some_and(|e| e.contains("no such table")), "{failing}");
    let health = world.get("/health").await.ok();
    assert_eq!((&health["status"], &health["views_failing"]), (&json!("degraded"), &json!(1)));
    assert_eq!(world.get(ACCOUNTS).await.ok()["stale"], true);
    mood.send_replace(Mood::Works);
    let healed = world.get(&format!("{ACCOUNTS}/a?after=3")).await.ok();
    assert_eq!(healed["stale"], false);
    assert_eq!(world.get("/health").await.ok()["status"], "ok");
    world.stop().await;
}

#[tokio::test]
async fn a_projector_that_stands_still_names_the_event_and_is_tried_again_when_it_is_told() {
    let (world, mood) = world(Duration::from_secs(600), Mood::Works).await;
    let projector = "/v1/ledgers/bank/projectors/accounts";
    world.post(OPEN, r#"{"account":"a"}"#).await.ok();
    world.get(&format!("{ACCOUNTS}?after=3")).await.ok();
    let well = world.get(projector).await.ok();
    assert_eq!(
        (&well["state"], &well["position"], &well["failures"]),
        (&json!("following"), &json!(3), &json!(0))
    );
    assert_eq!((&well["error"], &well["event"]), (&json!(null), &json!(null)));
    mood.send_replace(Mood::Fails);
    world.post(OPEN, r#"{"account":"b"}"#).await.ok();
    let still = loop {
        let now = world.get(projector).await.ok();
        if now["failures"].as_u64() >= Some(2) {
            break now;
        }
    };
    assert_eq!(still["state"], "stands_still");
    assert_eq!(still["event"], json!({ "position": 5, "type": "account.opened" }), "{still}");
    assert!(still["error"].as_str().is_some_and(|error| error.contains("no such table")));
    let failures = still["failures"].as_u64();
    let in_vain = world.post(&format!("{projector}/retry"), "{}").await.ok();
    assert!(in_vain["failures"].as_u64() > failures && in_vain["state"] == "stands_still");
    mood.send_replace(Mood::Works);
    let healed = world.post(&format!("{projector}/retry"), "{}").await.ok();
    assert_eq!(
        (&healed["state"], &healed["failures"]),
        (&json!("following"), &json!(0)),
        "{healed}"
    );
    let rows = world.get(&format!("{ACCOUNTS}?after=6")).await.ok();
    assert_eq!(rows["keys"], json!(["a", "b"]));
    world.post(&format!("{projector}/rebuild"), "{}").await.ok();
    let rebuilt = world.get(&format!("{ACCOUNTS}?after=6")).await.ok();
    assert_eq!(rebuilt["rows"], rows["rows"]);
    let all = world.get("/v1/ledgers/bank/projectors").await.ok();
    assert_eq!(all["projectors"][0]["view"], "accounts");
    world.get("/v1/ledgers/bank/projectors/none").await.problem("unknown-view");
    world.post("/v1/ledgers/bank/projectors/none/retry", "{}").await.problem("unknown-view");
    world.stop().await;
}
