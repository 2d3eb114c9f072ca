//! What is kept of streams, over HTTP.

use serde_json::{Value, json};

use crate::world::World;

const EVENTS: &str = "/v1/ledgers/bank/events";
const STREAM: &str = "/v1/ledgers/bank/streams/s-1";

async fn fill(world: &World, count: usize) {
    let event = json!({ "type": "a", "stream": "s-1", "data": {} });
    let body = json!({ "events": vec![event; count] }).to_string();
    world.post(EVENTS, &body).await.ok();
}

async fn revisions(world: &World) -> Vec<Value> {
    let page = world.get(&format!("{EVENTS}?stream=s-1")).await.ok();
    page["events"].as_array().expect("a list").iter().map(|e| e["revision"].clone()).collect()
}

#[tokio::test]
async fn a_stream_is_limited_deleted_and_ended() {
    let world = World::start().await;
    assert_eq!(world.get(STREAM).await.ok()["state"], "never_existed");
    fill(&world, 5).await;
    let set = json!({ "max_count": 2, "data": { "owner": "ann" } }).to_string();
    let answer = world.post(&format!("{STREAM}/metadata"), &set).await.ok();
    assert_eq!(
        (&answer["receipt"]["first"], &answer["stream"]["max_count"]),
        (&json!(6), &json!(2))
    );
    assert_eq!(revisions(&world).await, [3, 4]);
    let truncate = json!({ "truncate_before": 4, "max_count": null }).to_string();
    world.post(&format!("{STREAM}/metadata"), &truncate).await.ok();
    let now = world.get(STREAM).await.ok();
    assert_eq!((&now["max_count"], &now["data"]), (&Value::Null, &json!({ "owner": "ann" })));
    assert_eq!(revisions(&world).await, [4]);

    let deleted = world.post(&format!("{STREAM}/delete"), "{}").await.ok();
    assert_eq!(deleted["stream"]["state"], "deleted");
    assert!(revisions(&world).await.is_empty());
    fill(&world, 1).await;
    assert_eq!(revisions(&world).await, [5]);

    let done = world.post("/v1/ledgers/bank/compactions", r#"{"compress":true}"#).await.ok();
    assert_eq!((&done["finished"], &done["segments"]), (&json!(true), &json!(0)), "one is active");

    world.post(&format!("{STREAM}/tombstone"), "{}").await.ok();
    let event = json!({ "events": [{ "type": "a", "stream": "s-1", "data": {} }] }).to_string();
    let ended = world.post(EVENTS, &event).await;
    assert_eq!(ended.status, 410);
    ended.problem("stream-ended");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_by_name() {
    let world = World::start().await;
    fill(&world, 1).await;
    for (path, body, field) in [
        ("streams/s-1/metadata", json!({ "max_count": 0 }), "max_count"),
        ("streams/s-1/metadata", json!({ "max_cuont": 1 }), "body"),
        ("streams/s-1/delete", json!({ "why": "x" }), "body"),
        ("streams/$$s-1/delete", json!({}), "stream"),
        ("compactions", json!({ "fast": true }), "body"),
    ] {
        let answer = world.post(&format!("/v1/ledgers/bank/{path}"), &body.to_string()).await;
        assert_eq!(answer.status, 400, "{path} {body}");
        assert_eq!(answer.problem("invalid")["field"], field, "{path} {body}");
    }
    assert_eq!(revisions(&world).await, [0]);
}
