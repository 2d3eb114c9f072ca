//! A server of a data directory on disk, with several ledgers, through restarts.

use factum::{Fault, Store};
use serde_json::{Value, json};

use crate::{bank, client::Request, world::World};

async fn serve(dir: &tempfile::TempDir) -> World {
    let store = Store::open(dir.path().to_str().expect("a path")).expect("opens");
    let known = store.ledgers().expect("can be read");
    for ledger in ["bank", "notes"] {
        if !known.iter().any(|name| name == ledger) {
            store.create(ledger).expect("is made");
        }
    }
    World::of(store, [bank::domain()]).await
}

#[tokio::test]
async fn a_ledger_runs_the_domain_of_its_name_and_others_keep_events() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = serve(&dir).await;
    let ledgers = world.get("/v1/ledgers").await.ok();
    let said = |field: &str| -> Vec<Value> {
        ledgers["ledgers"].as_array().expect("a list").iter().map(|l| l[field].clone()).collect()
    };
    assert_eq!(said("name"), [json!("bank"), json!("notes")]);
    assert_eq!(said("application"), [json!("bank"), Value::Null]);
    let note = r#"{"events":[{"type":"note.taken","data":{"text":"hello"}}]}"#;
    world.post("/v1/ledgers/notes/events", note).await.ok();
    world.post("/v1/ledgers/notes/commands/open", "{}").await.problem("unknown-command");
    assert_eq!(world.get("/v1/ledgers/notes").await.ok()["head"]["position"], 1);
    assert_eq!(world.get("/v1/ledgers/bank").await.ok()["head"]["position"], 0);
    assert_eq!(world.get("/v1/ledgers/notes/commands").await.ok(), json!({ "commands": [] }));
}

#[tokio::test]
async fn whoever_finds_the_directory_locked_is_told_the_address() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = serve(&dir).await;
    let locked = Store::open(dir.path().to_str().expect("a path")).err().expect("is locked");
    let Fault::Locked { holder, .. } = locked else { panic!("{locked}") };
    assert!(holder.contains(&format!("http://{}", world.address)), "{holder}");
}

#[tokio::test]
async fn g2_g5_g7_what_was_answered_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = |world: &World| {
        let address = world.address;
        let request = Request::new("POST", "/v1/ledgers/bank/commands/open");
        request.header("Idempotency-Key", "k-1").json(r#"{"account":"a"}"#).send(address)
    };
    let world = serve(&dir).await;
    let first = open(&world).await.ok();
    let account = world.get("/v1/ledgers/bank/views/accounts/a?after=3").await.ok();
    world.stop().await;

    let world = serve(&dir).await;
    let again = open(&world).await.ok();
    assert_eq!((&again["replayed"], &again["receipt"]), (&json!(true), &first["receipt"]));
    let after = world.get("/v1/ledgers/bank/views/accounts/a?after=3").await.ok();
    assert_eq!((&after["rows"], &after["position"]), (&account["rows"], &account["position"]));
    let then = world.get("/v1/ledgers/bank/views/accounts/a?as_of=2").await.ok();
    assert_eq!(then["rows"], json!([{ "open": true, "cents": 0 }]));
    let mut stream = world.follow("/v1/ledgers/bank/events?after=2").await;
    assert_eq!(stream.next().await.and_then(|frame| frame.id), Some(3));
    assert_eq!(stream.next().await.map(|frame| frame.event).as_deref(), Some("caught-up"));
    world.post("/v1/ledgers/bank/commands/open", r#"{"account":"b"}"#).await.ok();
    assert_eq!(stream.next().await.and_then(|frame| frame.id), Some(5));
}
