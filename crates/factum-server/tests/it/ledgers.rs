//! Making ledgers and deleting them while the server runs.

use factum::Store;
use serde_json::json;

use crate::{bank, client::Request, world::World};

fn store(dir: &tempfile::TempDir) -> Store {
    Store::open(dir.path().to_str().expect("a path")).expect("opens")
}

async fn create(world: &World, name: &str) -> crate::client::Answer {
    world.post("/v1/ledgers", &json!({ "name": name }).to_string()).await
}

async fn delete(world: &World, path: &str) -> crate::client::Answer {
    Request::new("DELETE", path).send(world.address).await
}

#[tokio::test]
async fn a_ledger_that_is_made_is_served_at_once() {
    let world = World::start().await;
    let made = create(&world, "notes").await;
    assert_eq!((made.status, made.header("location")), (201, Some("/v1/ledgers/notes")));
    assert_eq!(made.json()["head"], json!({ "position": 0 }));
    let note = r#"{"events":[{"type":"note.taken","data":1}]}"#;
    world.post("/v1/ledgers/notes/events", note).await.ok();
    let ledgers = world.get("/v1/ledgers").await.ok();
    assert_eq!(ledgers["ledgers"].as_array().map(Vec::len), Some(2));

    let again = create(&world, "notes").await;
    assert_eq!(again.status, 409);
    again.problem("exists");
    for name in ["", "Notes", "-a", "../x", "a/b", &"a".repeat(65)] {
        let detail = create(&world, name).await.problem("invalid")["detail"].clone();
        assert!(detail.as_str().is_some_and(|d| d.contains("1 to 64 of a-z")), "{name}: {detail}");
    }
    assert_eq!(world.get("/v1/ledgers/notes").await.ok()["head"]["position"], 1);
}

#[tokio::test]
async fn a_ledger_goes_only_when_its_name_is_said_twice() {
    let world = World::start().await;
    world.append("a", &[json!(1)]).await;
    for path in ["/v1/ledgers/bank", "/v1/ledgers/bank?confirm=", "/v1/ledgers/bank?confirm=Bank"] {
        assert_eq!(delete(&world, path).await.problem("invalid")["field"], "confirm");
    }
    delete(&world, "/v1/ledgers/none?confirm=none").await.problem("unknown-ledger");
    assert_eq!(world.get("/v1/ledgers/bank").await.ok()["head"]["position"], 1);
    let gone = delete(&world, "/v1/ledgers/bank?confirm=bank").await.ok();
    assert_eq!(gone, json!({ "deleted": "bank" }));
    world.get("/v1/ledgers/bank").await.problem("unknown-ledger");
    delete(&world, "/v1/ledgers/bank?confirm=bank").await.problem("unknown-ledger");
}

/// Events, views and keys of a ledger that is gone are not those of the next one of its name.
#[tokio::test]
async fn nothing_of_a_ledger_that_was_deleted_comes_back() {
    let dir = tempfile::tempdir().expect("a directory");
    store(&dir).create("bank").expect("is made");
    let world = World::of(store(&dir), [bank::domain()]).await;
    let open = "/v1/ledgers/bank/commands/open";
    world.post(open, r#"{"account":"a"}"#).await.ok();
    let rows = "/v1/ledgers/bank/views/accounts";
    assert_eq!(world.get(&format!("{rows}?after=3")).await.ok()["keys"], json!(["a"]));
    let mut follower = world.follow("/v1/ledgers/bank/events").await;
    assert_eq!(follower.next().await.map(|frame| frame.event).as_deref(), Some("event"));
    delete(&world, "/v1/ledgers/bank?confirm=bank").await.ok();
    while let Some(frame) = follower.next().await {
        assert_ne!(frame.event, "problem", "who follows it sees the end of the stream: {frame:?}");
    }
    assert_eq!(create(&world, "bank").await.json()["application"], "bank");
    assert_eq!(world.get(rows).await.ok()["keys"], json!([]));
    let opened = world.post(open, r#"{"account":"b"}"#).await.ok();
    assert_eq!(opened["receipt"]["first"], 1);
    assert_eq!(world.get(&format!("{rows}?after=3")).await.ok()["keys"], json!(["b"]));
    world.stop().await;

    let world = World::of(store(&dir), [bank::domain()]).await;
    assert_eq!(world.get(&format!("{rows}?after=3")).await.ok()["keys"], json!(["b"]));
    delete(&world, "/v1/ledgers/bank?confirm=bank").await.ok();
    world.stop().await;
    assert!(!store(&dir).ledgers().expect("can be read").contains(&"bank".to_owned()));
}

/// What a reader that takes nothing has asked for, and that has begun.
async fn slow_reader(world: &World, path: &str, accept: &str) -> tokio::net::TcpStream {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut reader = tokio::net::TcpStream::connect(world.address).await.expect("listens");
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\n\r\n");
    reader.write_all(head.as_bytes()).await.expect("is open");
    reader.read_exact(&mut [0; 12]).await.expect("is answered");
    reader
}

/// More than a connection has room for on its way.
async fn fill(world: &World) {
    let text = "x".repeat(1 << 20);
    for _ in 0..8 {
        world.append("a", &[json!(text)]).await;
    }
}

/// Whoever reads what is deleted, and takes nothing, is not waited for: however long the server
/// would wait for a slow reader.
#[tokio::test]
async fn readers_that_take_nothing_do_not_keep_a_ledger() {
    let forever = std::time::Duration::from_secs(3_600);
    let world = World::with(|config| {
        (config.write_timeout, config.patience) = (forever, forever);
    })
    .await;
    for _ in 0..2 {
        fill(&world).await;
        let events = "/v1/ledgers/bank/events";
        let mut readers = Vec::new();
        for accept in ["text/event-stream", "application/x-ndjson"] {
            for _ in 0..2 {
                readers.push(slow_reader(&world, events, accept).await);
            }
        }
        delete(&world, "/v1/ledgers/bank?confirm=bank").await.ok();
        create(&world, "bank").await;
        drop(readers);
    }
}

/// Groups are somebody's work: they are deleted first, by name.
#[tokio::test]
async fn a_ledger_with_groups_is_in_use_until_they_are_deleted() {
    let patience = std::time::Duration::from_millis(50);
    let world = World::with(|config| config.patience = patience).await;
    world.append("a", &[json!(1), json!(2)]).await;
    let groups = "/v1/ledgers/bank/groups";
    world.post(groups, r#"{"name":"g"}"#).await.ok();
    for _ in 0..2 {
        let refused = delete(&world, "/v1/ledgers/bank?confirm=bank").await;
        assert_eq!(refused.status, 409);
        refused.problem("in-use");
        // Nothing of it is lost, and it goes on.
        world.append("a", &[json!(3)]).await;
        let next = json!({ "consumer": "c", "max": 1 }).to_string();
        let drawn = world.post(&format!("{groups}/g/next"), &next).await.ok();
        assert_eq!(drawn["deliveries"].as_array().map(Vec::len), Some(1), "{drawn}");
    }
    assert_eq!(world.get("/v1/ledgers/bank").await.ok()["head"]["position"], 4);
    world.post(&format!("{groups}/g/delete"), "{}").await.ok();
    // Its work ends a moment later.
    let gone = loop {
        let answer = delete(&world, "/v1/ledgers/bank?confirm=bank").await;
        if answer.status != 409 {
            break answer;
        }
    };
    gone.ok();
}
