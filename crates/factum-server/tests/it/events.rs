//! Reading and appending events over HTTP.

use serde_json::{Value, json};

use crate::{client::Request, world::World};

const EVENTS: &str = "/v1/ledgers/bank/events";

#[tokio::test]
async fn what_was_appended_is_read_again_byte_for_byte() {
    let world = World::start().await;
    let id = "018f0000-0000-7000-8000-000000000001";
    let body = format!(
        r#"{{"events":[{{"id":"{id}","type":"note.taken","stream":"note-1","tags":["b:2","a:1"],
        "data":{{ "n": 1.50, "a": [1e2] }},"metadata":{{"m": 1}},"schema":{{"name":"note","version":2}},
        "actor":"ann","correlation_id":"c","causation_ids":["{id}"],"trace":"t"}},
        {{"type":"note.scanned","data":{{"base64":"aGk="}},"content_type":"text/plain"}}]}}"#
    );
    let appended = world.post(EVENTS, &body).await.ok();
    assert_eq!(appended["receipt"]["first"], 1);
    assert_eq!(appended["receipt"]["last"], 2);
    assert_eq!(appended["receipt"]["ids"][0], id);
    assert_eq!(appended["replayed"], false);

    let page = world.get(EVENTS).await;
    let data = r#""data":{ "n": 1.50, "a": [1e2] },"#;
    assert!(page.text().contains(data), "{}", page.text());
    let page = page.ok();
    assert_eq!(page["head"]["position"], 2);
    assert_eq!(page["next"], Value::Null);
    let first = &page["events"][0];
    assert_eq!(first["tags"], json!(["a:1", "b:2"]));
    assert_eq!((&first["stream"], &first["revision"]), (&json!("note-1"), &json!(0)));
    assert_eq!((&first["actor"], &first["trace"]), (&json!("ann"), &json!("t")));
    assert_eq!(first["schema"], json!({"name": "note", "version": 2}));
    assert_eq!(first["recorded_at"], appended["receipt"]["recorded_at"]);
    let second = &page["events"][1];
    assert_eq!(second["data"], json!({"base64": "aGk="}));
    assert_eq!(second["content_type"], "text/plain");
    assert!(second.get("stream").is_none() && second.get("tags").is_none());
}

#[tokio::test]
async fn pages_put_together_are_the_whole_in_both_directions() {
    let world = World::start().await;
    world.append("a", &(0..23).map(|n| json!(n)).collect::<Vec<_>>()).await;
    world.append("b", &[json!("other")]).await;
    let all: Vec<u64> = (1..=23).collect();
    for limit in [1, 7, 22, 23, 24] {
        let forward = positions(&world, &format!("{EVENTS}?type=a&limit={limit}"), "after").await;
        assert_eq!(forward, all, "limit {limit}");
        let path = format!("{EVENTS}?type=a&direction=backward&limit={limit}");
        let mut backward = positions(&world, &path, "up_to").await;
        backward.reverse();
        assert_eq!(backward, all, "limit {limit}, backward");
    }
}

/// Follows `next` to the end.
async fn positions(world: &World, path: &str, bound: &str) -> Vec<u64> {
    let (mut all, mut next) = (Vec::new(), Value::Null);
    loop {
        let bound = next.get(bound).map_or(String::new(), |at| format!("&{bound}={at}"));
        let page = world.get(&format!("{path}{bound}")).await.ok();
        let events = page["events"].as_array().expect("a list");
        all.extend(events.iter().map(|event| event["position"].as_u64().expect("a position")));
        next = page["next"].clone();
        if next.is_null() {
            return all;
        }
    }
}

#[tokio::test]
async fn filters_narrow_and_ranges_bound() {
    let world = World::start().await;
    let event = |event_type: &str, stream: &str, tags: &[&str]| json!({ "type": event_type, "stream": stream, "tags": tags, "data": {} });
    let body = json!({ "events": [
        event("a", "s-1", &["x:1", "y:1"]), event("b", "s-1", &["x:1"]),
        event("c", "s-2", &["x:2"]), event("a", "t-1", &[]),
    ] });
    world.post(EVENTS, &body.to_string()).await.ok();
    for (query, expected) in [
        ("type=a", vec![1, 4]),
        ("type=a&type=c", vec![1, 3, 4]),
        ("tag=x:1", vec![1, 2]),
        ("tag=x:1&tag=y:1", vec![1]),
        ("stream=s-1", vec![1, 2]),
        ("category=s", vec![1, 2, 3]),
        ("category=s&type=b", vec![2]),
        ("after=1&up_to=3", vec![2, 3]),
        ("direction=backward&limit=2", vec![4, 3]),
        ("type=nothing", vec![]),
        ("after=99", vec![]),
        ("system", vec![1, 2, 3, 4]),
    ] {
        let page = world.get(&format!("{EVENTS}?{query}")).await.ok();
        let events = page["events"].as_array().expect("a list");
        let positions: Vec<_> = events.iter().map(|e| e["position"].as_u64().unwrap()).collect();
        assert_eq!(positions, expected, "{query}");
    }
}

#[tokio::test]
async fn a_condition_that_does_not_hold_is_a_conflict_with_all_one_needs() {
    let world = World::start().await;
    let body = json!({ "events": [{ "type": "a", "stream": "s-1", "tags": ["x:1"], "data": {} }] });
    world.post(EVENTS, &body.to_string()).await.ok();
    let with = |condition: Value| {
        json!({ "events": [{ "type": "b", "data": {} }], "conditions": [condition] }).to_string()
    };
    let conflict = world.post(EVENTS, &with(json!({ "stream": "s-1", "revision": "none" }))).await;
    assert_eq!(conflict.status, 409);
    let conflict = conflict.problem("conflict");
    assert_eq!(
        conflict["conflict"],
        json!({
            "condition": 0, "head": 1, "revision": 0, "state": "live", "offending": [],
        })
    );
    let no_match = json!({ "no_match": [{ "tags": ["x:1"] }] });
    let conflict = world.post(EVENTS, &with(no_match)).await.problem("conflict");
    assert_eq!(conflict["conflict"]["offending"], json!([{ "position": 1, "type": "a" }]));
    for condition in [
        json!({ "stream": "s-1", "revision": 0 }),
        json!({ "stream": "s-1", "revision": "exists" }),
        json!({ "stream": "s-9", "revision": "any" }),
        json!({ "stream": "s-9", "revision": "none" }),
        json!({ "no_match": [{ "tags": ["x:1"] }], "after": 1 }),
    ] {
        world.post(EVENTS, &with(condition)).await.ok();
    }
}

#[tokio::test]
async fn g5_an_append_with_a_key_happens_once() {
    let world = World::start().await;
    let append = |key: &'static str, body: &'static str| {
        Request::new("POST", EVENTS).header("Idempotency-Key", key).json(body).send(world.address)
    };
    let one = r#"{"events":[{"type":"a","data":1}]}"#;
    let first = append("k-1", one).await.ok();
    let again = append("\"k-1\"", one).await.ok();
    assert_eq!(first["receipt"], again["receipt"]);
    assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
    let reused = append("k-1", r#"{"events":[{"type":"a","data":2}]}"#).await;
    assert_eq!(reused.status, 422);
    reused.problem("key-reused");
    assert_eq!(append("k-2", one).await.ok()["receipt"]["first"], 2);
    assert_eq!(world.get(EVENTS).await.ok()["head"]["position"], 2);
}

#[tokio::test]
async fn what_can_not_be_appended_is_named_and_nothing_is_written() {
    let world = World::start().await;
    let many_tags: Vec<_> = (0..65).map(|n| format!("t:{n}")).collect();
    for (body, said) in [
        (json!({ "events": [] }), "events is empty"),
        (json!({ "events": [{ "type": "$command", "data": 1 }] }), "events[0].type begins with $"),
        (json!({ "events": [{ "type": "", "data": 1 }] }), "type is empty"),
        (json!({ "events": [{ "type": "a" }] }), "missing field `data`"),
        (json!({ "events": [{ "type": "a", "data": 1, "tags": many_tags }] }), "the limit is 64"),
        (json!({ "events": [{ "type": "a", "data": 1, "tagz": [] }] }), "unknown field `tagz`"),
        (
            json!({ "events": [{ "type": "a", "data": 1, "metadata": 1 }] }),
            "events[0].metadata must be a JSON object",
        ),
        (
            json!({ "events": [{ "type": "a", "data": 1, "content_type": "x/y" }] }),
            "events[0].data must be {\"base64\": …}",
        ),
        (
            json!({ "events": [{ "type": "a", "data": {"base64": "?"}, "content_type": "x/y" }] }),
            "events[0].data is not base64",
        ),
        (
            json!({ "events": [{ "type": "a", "data": 1 }], "conditions": [{ "stream": "s" }] }),
            "a condition is",
        ),
        (
            json!({ "events": [{ "type": "a", "data": 1 }],
                    "conditions": [{ "no_match": [], "after": 7 }] }),
            "conditions[0].after is 7, beyond the head 0",
        ),
    ] {
        let answer = world.post(EVENTS, &body.to_string()).await;
        assert_eq!(answer.status, 400, "{body}");
        let detail = answer.problem("invalid")["detail"].clone();
        assert!(detail.as_str().is_some_and(|d| d.contains(said)), "{body} gave {detail}");
    }
    assert_eq!(world.get(EVENTS).await.ok()["head"], json!({ "position": 0 }));
}
