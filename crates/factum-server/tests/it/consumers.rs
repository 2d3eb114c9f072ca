//! Consumers that stay, over server-sent events; what metrics say of groups; the room they take.

use std::path::Path;

use factum::Store;
use factum_store::{Append, EventType, NewEvent, StreamName};
use serde_json::{Value, json};

use crate::{bank, client::Sse, world::World};

const GROUPS: &str = "/v1/ledgers/bank/groups";

async fn group(world: &World, settings: Value) {
    let body = json!({ "name": "g", "settings": settings }).to_string();
    world.post(GROUPS, &body).await.ok();
}

/// The next frame that is of this kind.
async fn next(stream: &mut Sse, kind: &str) -> Value {
    loop {
        let frame = stream.next().await.expect("the stream goes on");
        if frame.event == kind {
            return frame.json();
        }
    }
}

async fn answer(world: &World, verb: &str, body: Value) -> Value {
    world.post(&format!("{GROUPS}/g/{verb}"), &body.to_string()).await.ok()
}

#[tokio::test]
async fn deliveries_come_as_events_and_are_acknowledged_by_post() {
    let world = World::start().await;
    group(&world, json!({ "in_flight_per_consumer_max": 2 })).await;
    world.append("a", &[json!(0), json!(1), json!(2), json!(3)]).await;
    let mut stream = world.follow(&format!("{GROUPS}/g/deliveries?consumer=c&limit=1")).await;
    assert_eq!(next(&mut stream, "state").await["state"], "active");
    let first = next(&mut stream, "delivery").await;
    let second = next(&mut stream, "delivery").await;
    assert_eq!((&first["event"]["data"], &first["attempt"]), (&json!(0), &json!(1)));
    let status = world.get(&format!("{GROUPS}/g")).await.ok();
    assert_eq!(
        (&status["in_flight"], &status["ready"]),
        (&json!(2), &json!(2)),
        "not more than two"
    );
    let acked = answer(&world, "ack", json!({ "deliveries": [first["delivery"]] })).await;
    assert_eq!((&acked["acked"], &acked["lost"]), (&json!(1), &json!([])));
    let third = next(&mut stream, "delivery").await;
    assert_eq!(third["event"]["data"], 2);
    let nack = json!({ "deliveries": [second["delivery"]], "then": "retry", "after_ms": 0 });
    answer(&world, "nack", nack).await;
    let again = next(&mut stream, "delivery").await;
    assert_eq!((&again["event"]["data"], &again["attempt"]), (&json!(1), &json!(2)));
    world.append("a", &[json!(4)]).await;
    let both = json!({ "deliveries": [third["delivery"], again["delivery"]] });
    answer(&world, "ack", both).await;
    for n in [3, 4] {
        let delivery = next(&mut stream, "delivery").await;
        assert_eq!(delivery["event"]["data"], n);
        answer(&world, "ack", json!({ "deliveries": [delivery["delivery"]] })).await;
    }
}

#[tokio::test]
async fn a_stream_of_deliveries_says_when_the_group_pauses_and_why_it_ends() {
    let world = World::with(|config| config.heartbeat = std::time::Duration::from_millis(20)).await;
    group(&world, json!({})).await;
    let path = format!("{GROUPS}/g/deliveries?consumer=c");
    let mut stream = world.follow(&path).await;
    assert_eq!(next(&mut stream, "state").await["state"], "active");
    answer(&world, "pause", json!({})).await;
    assert_eq!(next(&mut stream, "state").await["state"], "paused");
    answer(&world, "resume", json!({})).await;
    assert_eq!(next(&mut stream, "state").await["state"], "active");
    answer(&world, "delete", json!({})).await;
    assert_eq!(next(&mut stream, "problem").await["status"], 503);
    assert!(stream.next().await.is_none());
    world.get(&path).await.problem("unknown-group");
    world.get(&format!("{GROUPS}/g/deliveries?limit=257")).await.problem("invalid");
    world.get(&format!("{GROUPS}/g/deliveries?consumer=%0A")).await.problem("invalid");
    group(&world, json!({})).await;
    let mut stream = world.follow(&path).await;
    next(&mut stream, "state").await;
    let (problem, ()) = tokio::join!(next(&mut stream, "problem"), world.stop());
    assert_eq!(problem["status"], 503);
}

/// The value of a metric of the group.
async fn metric(world: &World, name: &str) -> f64 {
    let text = world.get("/metrics").await.text().to_owned();
    let line = text.lines().find(|line| line.starts_with(&format!("{name}{{")));
    let line = line.unwrap_or_else(|| panic!("{name} is not in\n{text}"));
    assert!(line.contains("ledger=\"bank\"") && line.contains("group=\"g\""), "{line}");
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}

#[tokio::test]
async fn metrics_say_how_groups_stand() {
    let world = World::start().await;
    group(&world, json!({})).await;
    world.append("a", &[json!(0), json!(1), json!(2), json!(3)]).await;
    let draw = json!({ "consumer": "c", "max": 3, "wait_ms": 30_000 });
    let mut drawn = Vec::new();
    while drawn.len() < 3 {
        let more = answer(&world, "next", draw.clone()).await;
        drawn.extend(more["deliveries"].as_array().expect("a list").clone());
    }
    let id = |n: usize| json!([drawn[n]["delivery"]]);
    answer(&world, "ack", json!({ "deliveries": id(0) })).await;
    answer(&world, "nack", json!({ "deliveries": id(1), "then": "park" })).await;
    answer(&world, "nack", json!({ "deliveries": id(2), "after_ms": 0 })).await;
    answer(&world, "next", json!({ "consumer": "c", "max": 1, "wait_ms": 30_000 })).await;
    for (name, value) in [
        ("factum_group_deliveries_total", drawn.len() as f64 + 1.0),
        ("factum_group_retries_total", 1.0),
        ("factum_group_acked_total", 1.0),
        ("factum_group_parked", 1.0),
        ("factum_group_delivers", 1.0),
        ("factum_group_failing", 0.0),
        ("factum_group_consumers", 1.0),
    ] {
        assert_eq!(metric(&world, name).await, value, "{name}");
    }
    assert!(metric(&world, "factum_group_in_flight").await >= 1.0);
    assert!(metric(&world, "factum_group_lag_events").await >= 1.0);
    answer(&world, "pause", json!({})).await;
    assert_eq!(metric(&world, "factum_group_delivers").await, 0.0);
}

fn bytes_of(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).expect("can be listed");
    files.map(|file| file.and_then(|file| file.metadata()).map_or(0, |facts| facts.len())).sum()
}

/// What a group needs no more goes while the server runs, when enough of it has come together.
#[tokio::test]
async fn the_journal_of_groups_is_compacted_while_the_server_runs() {
    const EVENTS: usize = 90;
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path().to_str().expect("a path")).expect("opens");
    store.create("bank").expect("is made");
    store.create("_groups").expect("is made");
    let journal = store.ledger("_groups").expect("opens");
    let stream = StreamName::new("group-bank/old").expect("a name");
    let event = |name: &'static str, data: Vec<u8>| {
        NewEvent::new(EventType::new(name).expect("a name"), data).in_stream(stream.clone())
    };
    let whole = serde_json::to_vec(&"x".repeat(1 << 20)).expect("is JSON");
    for _ in 0..EVENTS {
        journal.append(Append::new([event("$group-kept", whole.clone())])).await.expect("is kept");
    }
    let gone = event("$group-deleted", b"null".to_vec());
    let last = journal.append(Append::new([gone])).await.expect("is kept");
    assert_eq!(last.last.0, EVENTS as u64 + 1);
    let info = journal.stream(stream.clone()).await.expect("is known");
    let hide = info.truncate(info.last.expect("has events")).expect("can be hidden");
    journal.append(hide).await.expect("is hidden");
    drop(journal);
    let groups = dir.path().join("ledgers/_groups");
    let before = bytes_of(&groups);
    assert!(before > (EVENTS as u64) << 20, "{before}");
    let world = World::of(store, [bank::domain()]).await;
    group(&world, json!({})).await;
    answer(&world, "delete", json!({})).await;
    while bytes_of(&groups) > before / 2 {
        tokio::task::yield_now().await;
    }
    group(&world, json!({})).await;
    assert_eq!(world.get(&format!("{GROUPS}/g")).await.ok()["state"], "active");
    world.stop().await;
}
