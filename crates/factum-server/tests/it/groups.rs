//! Consumer groups as their consumers see them.

use factum::Store;
use serde_json::{Value, json};

use crate::{
    client::{Answer, Request},
    world::World,
};

const GROUPS: &str = "/v1/ledgers/bank/groups";

/// A group in a world, and what is asked of it.
pub(crate) struct Asked<'a> {
    pub(crate) world: &'a World,
    pub(crate) path: String,
}

impl<'a> Asked<'a> {
    /// A group `g`, with these members beside its name.
    async fn new(world: &'a World, members: Value) -> Self {
        let mut body = members;
        body["name"] = json!("g");
        world.post(GROUPS, &body.to_string()).await.ok();
        Self { world, path: format!("{GROUPS}/g") }
    }

    async fn post(&self, verb: &str, body: Value) -> Answer {
        self.world.post(&format!("{}/{verb}", self.path), &body.to_string()).await
    }

    async fn status(&self) -> Value {
        self.world.get(&self.path).await.ok()
    }

    async fn parked(&self) -> Vec<Value> {
        let parked = self.world.get(&format!("{}/parked", self.path)).await.ok();
        parked["parked"].as_array().expect("a list").clone()
    }

    /// Up to `max` deliveries; it does not wait.
    async fn next(&self, max: usize) -> Vec<Value> {
        let drawn = self.post("next", json!({ "consumer": "c", "max": max })).await.ok();
        drawn["deliveries"].as_array().expect("a list").clone()
    }

    /// Up to `max` deliveries, at least one; it waits until there is one.
    async fn wait(&self, max: usize) -> Vec<Value> {
        loop {
            let wait = json!({ "consumer": "c", "max": max, "wait_ms": 30_000 });
            let drawn = self.post("next", wait).await.ok();
            let deliveries = drawn["deliveries"].as_array().expect("a list").clone();
            if !deliveries.is_empty() {
                return deliveries;
            }
        }
    }

    async fn ack(&self, deliveries: &[Value]) -> Value {
        self.post("ack", json!({ "deliveries": ids(deliveries) })).await.ok()
    }
}

fn ids(deliveries: &[Value]) -> Vec<Value> {
    deliveries.iter().map(|delivery| delivery["delivery"].clone()).collect()
}

fn positions(deliveries: &[Value]) -> Vec<u64> {
    let position = |delivery: &Value| delivery["event"]["position"].as_u64().expect("a position");
    deliveries.iter().map(position).collect()
}

/// Appends events of type `a`, each with these tags.
async fn append(world: &World, tags: &[&str]) {
    let event = |tag: &&str| json!({ "type": "a", "tags": [tag], "data": {} });
    let body = json!({ "events": tags.iter().map(event).collect::<Vec<_>>() });
    world.post("/v1/ledgers/bank/events", &body.to_string()).await.ok();
}

#[tokio::test]
async fn events_are_delivered_acknowledged_and_not_delivered_again() {
    let world = World::start().await;
    append(&world, &["k:1", "k:2", "k:3"]).await;
    let group = Asked::new(&world, json!({})).await;
    let first = group.wait(2).await;
    assert_eq!(first[0]["attempt"], 1);
    assert_eq!(first[0]["event"]["tags"], json!(["k:1"]));
    let mut seen = positions(&first);
    assert_eq!(group.ack(&first).await, json!({ "acked": first.len(), "lost": [] }));
    // An answer that got lost on its way can be given again: it changes nothing.
    assert_eq!(group.ack(&first).await, json!({ "acked": 0, "lost": ids(&first) }));
    while seen.len() < 3 {
        let more = group.wait(2).await;
        seen.extend(positions(&more));
        group.ack(&more).await;
    }
    assert_eq!(seen, [1, 2, 3]);
    assert_eq!(group.next(5).await, Vec::<Value>::new());
    let status = group.status().await;
    let expected = json!({ "state": "active", "position": 3, "lag_events": 0, "in_flight": 0,
        "acked": 3, "parked": 0 });
    for (field, value) in expected.as_object().expect("a map") {
        assert_eq!(&status[field], value, "{field} of {status}");
    }
    assert_eq!(status["consumers"][0]["name"], "c");
}

#[tokio::test]
async fn whoever_waits_is_given_what_is_recorded_then() {
    let world = World::start().await;
    let group = Asked::new(&world, json!({ "from": "now" })).await;
    let (given, ()) = tokio::join!(group.wait(1), append(&world, &["k:1"]));
    assert_eq!(positions(&given), [1]);
}

#[tokio::test]
async fn events_of_a_key_keep_their_order_and_other_keys_flow() {
    let world = World::start().await;
    append(&world, &["k:1", "k:1", "k:2", "k:1"]).await;
    let group = Asked::new(&world, json!({ "order": "tag:k" })).await;
    let mut first = group.wait(9).await;
    while first.len() < 2 {
        first.extend(group.wait(9).await);
    }
    assert_eq!(positions(&first), [1, 3], "one of each key");
    // The first of its key fails: those behind it wait, for the same event again.
    let nack = json!({ "deliveries": [first[0]["delivery"]], "reason": "no", "after_ms": 0 });
    let nacked = group.post("nack", nack).await.ok();
    assert_eq!(nacked["nacked"][0]["parked"], false);
    let again = group.next(9).await;
    assert_eq!((positions(&again), again[0]["attempt"].clone()), (vec![1], json!(2)));
    for expected in [2, 4] {
        let before = if expected == 2 { again.clone() } else { Vec::new() };
        group.ack(&before).await;
        let next = group.wait(9).await;
        assert_eq!(positions(&next), [expected]);
        group.ack(&next).await;
    }
}

#[tokio::test]
async fn a_parked_event_holds_its_key_until_somebody_decides() {
    let world = World::start().await;
    append(&world, &["k:1", "k:1", "k:2"]).await;
    let group = Asked::new(&world, json!({ "order": "tag:k" })).await;
    let first = group.wait(1).await;
    let park = json!({ "deliveries": ids(&first), "reason": "poison\n!", "then": "park" });
    assert_eq!(group.post("nack", park.clone()).await.ok()["nacked"][0]["parked"], true);
    let other = group.wait(9).await;
    assert_eq!(positions(&other), [3], "other keys flow");
    group.ack(&other).await;
    let parked = group.parked().await;
    assert_eq!(parked.len(), 1);
    let expected = json!({ "position": 1, "type": "a", "keys": ["k:1"], "attempts": 1,
        "error": "poison !" });
    for (field, value) in expected.as_object().expect("a map") {
        assert_eq!(&parked[0][field], value, "{field} of {parked:?}");
    }
    let status = group.status().await;
    assert_eq!((&status["parked"], &status["held"]), (&json!(1), &json!(1)));
    group.post("requeue", json!({ "position": 2 })).await.problem("not-parked");
    assert_eq!(group.post("requeue", json!({ "key": "k:1" })).await.ok()["requeued"], 1);
    let again = group.wait(9).await;
    assert_eq!((positions(&again), again[0]["attempt"].clone()), (vec![1], json!(1)));
    let park = json!({ "deliveries": ids(&again), "then": "park" });
    group.post("nack", park).await.ok();
    assert_eq!(group.post("skip", json!({ "all": true })).await.ok()["skipped"], 1);
    assert_eq!(positions(&group.wait(9).await), [2]);
    assert_eq!(group.status().await["skipped"], 1);
}

#[tokio::test]
async fn what_is_not_answered_in_time_is_delivered_again_and_parked_in_the_end() {
    let world = World::start().await;
    append(&world, &["k:1"]).await;
    let settings = json!({ "ack_deadline_ms": 20, "attempts_max": 2, "backoff_initial_ms": 1 });
    let group = Asked::new(&world, json!({ "settings": settings })).await;
    let attempts =
        [group.wait(1).await, group.wait(1).await].map(|given| given[0]["attempt"].clone());
    assert_eq!(attempts, [json!(1), json!(2)]);
    let parked = loop {
        if let [parked] = &group.parked().await[..] {
            break parked.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    assert_eq!(
        (&parked["attempts"], &parked["error"]),
        (&json!(2), &json!("not answered within 20 ms"))
    );
}

#[tokio::test]
async fn a_group_is_paused_resumed_reset_and_deleted() {
    let world = World::start().await;
    append(&world, &["k:1", "k:2"]).await;
    let group = Asked::new(&world, json!({})).await;
    let first = group.wait(1).await;
    assert_eq!(group.post("pause", json!({})).await.ok()["state"], "paused");
    let nothing = group.post("next", json!({ "wait_ms": 1 })).await.ok();
    assert_eq!(nothing, json!({ "deliveries": [], "state": "paused" }));
    assert_eq!(group.ack(&first).await["acked"], 1, "what is in flight can be answered");
    assert_eq!(group.post("resume", json!({})).await.ok()["state"], "active");
    let second = group.wait(9).await;
    assert_eq!(positions(&second), [2]);
    group.post("reset", json!({ "to": "start" })).await.ok();
    assert_eq!(group.ack(&second).await["acked"], 0, "it is not in flight any more");
    let mut again = group.wait(9).await;
    while again.len() < 2 {
        again.extend(group.wait(9).await);
    }
    assert_eq!(positions(&again), [1, 2]);
    group.post("reset", json!({ "to": 1 })).await.ok();
    assert_eq!(positions(&group.wait(9).await), [2]);
    group.post("reset", json!({ "to": 3 })).await.problem("invalid");
    assert_eq!(group.post("delete", json!({})).await.ok(), json!({ "deleted": "g" }));
    group.post("next", json!({})).await.problem("unknown-group");
    assert_eq!(world.get(GROUPS).await.ok(), json!({ "groups": [] }));
    // The name can be used again, and nothing of the old group is left.
    let group = Asked::new(&world, json!({ "from": 1 })).await;
    assert_eq!(positions(&group.wait(9).await), [2]);
}

#[tokio::test]
async fn a_group_that_is_full_of_parked_events_stops_and_says_so() {
    let world = World::start().await;
    append(&world, &["k:1", "k:2", "k:3"]).await;
    let group = Asked::new(&world, json!({ "settings": { "parked_max": 1 } })).await;
    let first = group.wait(1).await;
    group.post("nack", json!({ "deliveries": ids(&first), "then": "park" })).await.ok();
    let nothing = group.post("next", json!({})).await.ok();
    assert_eq!(nothing, json!({ "deliveries": [], "state": "stopped" }));
    let status = group.status().await;
    assert!(status["problem"].as_str().is_some_and(|said| said.contains("skip")), "{status}");
    let more = group.post("settings", json!({ "parked_max": 2 })).await.ok();
    assert_eq!((&more["state"], &more["settings"]["parked_max"]), (&json!("active"), &json!(2)));
    assert_eq!(positions(&group.wait(1).await), [2]);
}

#[tokio::test]
async fn what_was_acknowledged_parked_and_set_survives_a_restart() {
    let home = tempfile::tempdir().expect("a directory");
    let open = || Store::open(home.path().to_str().expect("a path")).expect("opens");
    let store = open();
    store.create("bank").expect("is made");
    let world = World::of(store, []).await;
    append(&world, &["k:1", "k:1", "k:2", "k:3"]).await;
    let settings = json!({ "attempts_max": 7 });
    let group = Asked::new(&world, json!({ "order": "tag:k", "settings": settings })).await;
    let mut given = Vec::new();
    while given.len() < 3 {
        given.extend(group.wait(9).await);
    }
    assert_eq!(positions(&given), [1, 3, 4]);
    group.post("nack", json!({ "deliveries": [given[0]["delivery"]], "then": "park" })).await.ok();
    group.ack(&given[1..2]).await;
    world.stop().await;

    let world = World::of(open(), []).await;
    let group = Asked { world: &world, path: format!("{GROUPS}/g") };
    assert_eq!(positions(&group.wait(9).await), [4], "what was in flight, and nothing else");
    assert_eq!(group.ack(&given[2..]).await["acked"], 0, "it was given to somebody else");
    let status = group.status().await;
    assert_eq!((&status["parked"], &status["held"]), (&json!(1), &json!(1)), "{status}");
    assert_eq!((&status["settings"]["attempts_max"], &status["acked"]), (&json!(7), &json!(1)));
    let ledgers = world.get("/v1/ledgers").await.ok();
    assert_eq!(ledgers["ledgers"].as_array().map(Vec::len), Some(1), "{ledgers}");
    // Administrators may look at what is kept of groups; nobody but Factum writes it.
    world.get("/v1/ledgers/_groups/events?system=true&limit=1").await.ok();
    let event = r#"{"events":[{"type":"a","stream":"group-bank/g","data":1}]}"#;
    world.post("/v1/ledgers/_groups/events", event).await.problem("forbidden");
    world.stop().await;
}

#[tokio::test]
async fn what_is_wrong_is_named_and_changes_nothing() {
    let world = World::start().await;
    for (body, field) in [
        (json!({ "name": "A" }), "group"),
        (json!({ "name": "g", "query": { "items": [] } }), "query.items"),
        (json!({ "name": "g", "from": 7 }), "position"),
        (json!({ "name": "g", "settings": { "attempts_max": 0 } }), "attempts_max"),
        (json!({ "name": "g", "order": "tag" }), "body"),
        (json!({ "name": "g", "colour": 1 }), "body"),
    ] {
        let answer = world.post(GROUPS, &body.to_string()).await;
        assert_eq!(answer.problem("invalid")["field"], field, "{body}");
    }
    assert_eq!(world.get(GROUPS).await.ok(), json!({ "groups": [] }));
    let group = Asked::new(&world, json!({})).await;
    world.post(GROUPS, r#"{"name":"g"}"#).await.problem("group-exists");
    for (verb, body, field) in [
        ("next", json!({ "max": 0 }), "max"),
        ("next", json!({ "consumer": "" }), "consumer"),
        ("next", json!({ "wait_ms": 30_001 }), "wait_ms"),
        ("ack", json!({ "deliveries": ["x"] }), "deliveries[0]"),
        ("nack", json!({ "deliveries": [], "then": "park", "after_ms": 1 }), "after_ms"),
        ("requeue", json!({}), "body"),
        ("skip", json!({ "all": true, "key": "k:1" }), "body"),
    ] {
        let answer = group.post(verb, body.clone()).await;
        assert_eq!(answer.problem("invalid")["field"], field, "{verb} {body}");
    }
    world.post("/v1/ledgers/none/groups", r#"{"name":"g"}"#).await.problem("unknown-ledger");
    world.get("/v1/ledgers/bank/groups/none").await.problem("unknown-group");
}

#[tokio::test]
async fn a_group_is_for_those_who_may_read_all_of_the_ledger() {
    let world = World::start().await;
    append(&world, &["k:1"]).await;
    let _group = Asked::new(&world, json!({})).await;
    let (limited, read) = (json!({ "types": ["b"] }), json!({}));
    for (name, mut rights, next, pause) in
        [("limited", limited, "forbidden", "forbidden"), ("reader", read, "", "forbidden")]
    {
        (rights["verbs"], rights["ledgers"]) = (json!(["read"]), json!(["bank"]));
        let token = json!({ "name": name, "rights": [rights] }).to_string();
        let made = world.post("/v1/tokens", &token).await.ok();
        let bearer = format!("Bearer {}", made["secret"].as_str().expect("a secret"));
        for (verb, expected) in [("next", next), ("pause", pause)] {
            let path = format!("{GROUPS}/g/{verb}");
            let asked = Request::new("POST", &path).header("Authorization", &bearer).json("{}");
            let answer = asked.send(world.address).await;
            match expected {
                "" => drop(answer.ok()),
                slug => drop(answer.problem(slug)),
            }
        }
    }
}

#[tokio::test]
async fn no_more_groups_than_a_ledger_may_have() {
    let world = World::start().await;
    for i in 0..64 {
        world.post(GROUPS, &json!({ "name": format!("g{i}") }).to_string()).await.ok();
    }
    world.post(GROUPS, r#"{"name":"g"}"#).await.problem("groups-full");
}
