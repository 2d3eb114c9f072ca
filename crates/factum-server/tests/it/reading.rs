//! The other ways to read: several items, one event, a time, a key, lines; and how answers travel.

use serde_json::{Value, json};

use crate::{client::Request, world::World};

const EVENTS: &str = "/v1/ledgers/bank/events";
const QUERIES: &str = "/v1/ledgers/bank/queries";

fn positions(events: &Value) -> Vec<u64> {
    events.as_array().expect("a list").iter().filter_map(|e| e["position"].as_u64()).collect()
}

async fn filled() -> World {
    let world = World::start().await;
    let body = json!({ "events": [
        { "type": "a", "tags": ["x:1"], "stream": "s-1", "data": {} },
        { "type": "b", "tags": ["x:2"], "data": {} },
        { "type": "c", "data": {} },
    ] });
    world.post(EVENTS, &body.to_string()).await.ok();
    world
}

#[tokio::test]
async fn a_query_of_several_items_answers_with_what_any_of_them_matches() {
    let world = filled().await;
    for (body, expected) in [
        (json!({ "items": [{ "types": ["a"] }, { "tags": ["x:2"] }] }), vec![1, 2]),
        (json!({ "items": [{ "stream": "s-1" }, { "types": ["c"] }], "after": 1 }), vec![3]),
        (json!({ "items": [{}], "direction": "backward", "up_to": 2 }), vec![2, 1]),
        (json!({ "items": [] }), vec![]),
    ] {
        let page = world.post(QUERIES, &body.to_string()).await.ok();
        assert_eq!(positions(&page["events"]), expected, "{body}");
    }
    let page = world.post(QUERIES, r#"{"items":[{}],"limit":2}"#).await.ok();
    assert_eq!(page["next"], json!({ "after": 2 }));
    for body in [json!({ "items": [{}], "limit": 0 }), json!({ "item": [] }), json!({})] {
        world.post(QUERIES, &body.to_string()).await.problem("invalid");
    }
}

#[tokio::test]
async fn an_event_is_found_by_its_id_and_by_its_position() {
    let world = filled().await;
    let page = world.get(EVENTS).await.ok();
    for event in page["events"].as_array().expect("a list") {
        let id = event["id"].as_str().expect("text");
        assert_eq!(&world.get(&format!("{EVENTS}/{id}")).await.ok(), event);
        assert_eq!(&world.get(&format!("{EVENTS}/{}", event["position"])).await.ok(), event);
    }
    for absent in ["0", "4", "18446744073709551615", "018f0000-0000-7000-8000-000000000009"] {
        let answer = world.get(&format!("{EVENTS}/{absent}")).await;
        assert_eq!(answer.status, 404);
        answer.problem("unknown-event");
    }
    world.get(&format!("{EVENTS}/x")).await.problem("invalid");
}

#[tokio::test]
async fn a_time_has_a_position_and_a_key_has_a_place() {
    let world = filled().await;
    let at = |time: &str| format!("/v1/ledgers/bank/positions?at={time}");
    assert_eq!(world.get(&at("2999-01-01T00:00:00Z")).await.ok(), json!({ "position": 3 }));
    assert_eq!(world.get(&at("0900-01-01T00:00:00Z")).await.ok(), json!({ "position": 0 }));
    world.get("/v1/ledgers/bank/positions").await.problem("invalid");
    world.get(&at("yesterday")).await.problem("invalid");

    let open = Request::new("POST", "/v1/ledgers/bank/commands/open");
    let open = open.header("Idempotency-Key", "k 1").json(r#"{"account":"a"}"#);
    let receipt = open.send(world.address).await.ok()["receipt"].clone();
    let used = world.get("/v1/ledgers/bank/receipts/k%201?operation=open").await.ok();
    assert_eq!(
        (&used["first"], &used["recorded_at"], &used["id"]),
        (&receipt["first"], &receipt["recorded_at"], &receipt["ids"][0])
    );
    for unknown in ["k%201", "k%202?operation=open"] {
        let answer = world.get(&format!("/v1/ledgers/bank/receipts/{unknown}")).await;
        answer.problem("unknown-receipt");
    }
}

#[tokio::test]
async fn lines_are_all_there_is_in_both_directions() {
    let world = World::start().await;
    world.append("a", &(0..300).map(|n| json!({ "n": n })).collect::<Vec<_>>()).await;
    world.append("b", &[json!(1)]).await;
    let lines = |path: String| {
        let address = world.address;
        async move {
            let asking = Request::new("GET", &path).header("Accept", "application/x-ndjson");
            let answer = asking.send(address).await;
            assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
            let text = String::from_utf8(answer.dechunked()).expect("is UTF-8");
            let events = text.lines().map(|line| serde_json::from_str(line).expect("is JSON"));
            positions(&Value::Array(events.collect()))
        }
    };
    let all: Vec<u64> = (1..=300).collect();
    assert_eq!(lines(format!("{EVENTS}?type=a")).await, all);
    assert_eq!(lines(format!("{EVENTS}?after=298")).await, [299, 300, 301]);
    let back = lines(format!("{EVENTS}?type=a&direction=backward")).await;
    assert!(back.iter().rev().eq(&all));
    assert!(lines(format!("{EVENTS}?type=none")).await.is_empty());
    let limited = Request::new("GET", "/v1/ledgers/bank/events?limit=3");
    limited.header("Accept", "application/x-ndjson").send(world.address).await.problem("invalid");
}

#[tokio::test]
async fn a_stream_is_changed_only_while_it_is_what_was_seen() {
    let world = filled().await;
    let stream = "/v1/ledgers/bank/streams/s-1";
    let seen = world.get(stream).await.header("etag").expect("has a tag").to_owned();
    let set = |tag: String| {
        let address = world.address;
        async move {
            let request = Request::new("POST", "/v1/ledgers/bank/streams/s-1/metadata");
            request.header("If-Match", &tag).json(r#"{"max_count":9}"#).send(address).await
        }
    };
    let changed = set(seen.clone()).await;
    let now = changed.header("etag").expect("has a tag").to_owned();
    assert_eq!(changed.ok()["stream"]["max_count"], 9);
    assert_ne!(seen, now);
    let refused = set(seen).await;
    assert_eq!(refused.status, 412);
    assert_eq!(refused.problem("changed")["etag"], now);
    set("*".to_owned()).await.ok();
    set("x".to_owned()).await.problem("invalid");
}

#[tokio::test]
async fn large_answers_are_compressed_for_who_takes_it_and_streams_are_not() {
    let world = World::start().await;
    world.append("a", &(0..200).map(|n| json!({ "n": n })).collect::<Vec<_>>()).await;
    let plain = world.get(&format!("{EVENTS}?limit=200")).await;
    assert_eq!(plain.header("content-encoding"), None);
    for encoding in ["gzip", "zstd"] {
        let asking = Request::new("GET", "/v1/ledgers/bank/events?limit=200");
        let answer = asking.header("Accept-Encoding", encoding).send(world.address).await;
        assert_eq!(answer.header("content-encoding"), Some(encoding));
        assert!(answer.body.len() * 4 < plain.body.len(), "{encoding}: {}", answer.body.len());
    }
    let follow = Request::new("GET", EVENTS).header("Accept-Encoding", "gzip, zstd");
    let mut stream = follow.stream(world.address).await;
    assert_eq!(stream.next().await.and_then(|frame| frame.id), Some(1));
}
