//! What operators ask over HTTP: verification, backups and the configuration.

use std::path::Path;

use factum::{Backup, Store};
use serde_json::{Value, json};

use crate::{bank, client::Request, world::World};

/// The job of this answer, when it has ended.
async fn ended(world: &World, begun: &Value) -> Value {
    let id = begun["id"].as_str().expect("an id");
    loop {
        let job = world.get(&format!("/v1/jobs/{id}?wait_ms=30000")).await.ok();
        if job["state"] != "running" {
            return job;
        }
    }
}

/// A server with a place for backups.
async fn with_backups(data: &Path, backups: &Path) -> World {
    let store = Store::open(data.to_str().expect("a path")).expect("opens");
    if store.ledgers().expect("a list").is_empty() {
        store.create("bank").expect("is made");
    }
    let backups = backups.to_owned();
    World::of_with(store, [bank::domain()], |config| config.backup_dir = Some(backups)).await
}

#[tokio::test]
async fn a_ledger_is_verified_while_it_is_served() {
    let world = World::start().await;
    world.append("a", &[json!(1), json!(2)]).await;
    let begun = world.post("/v1/ledgers/bank/verify", "{}").await;
    assert_eq!(begun.status, 202);
    let location = begun.header("location").expect("a place to ask").to_owned();
    let job = ended(&world, &begun.json()).await;
    assert_eq!(
        (&job["task"], &job["state"], &job["ledger"]),
        (&json!("verify"), &json!("done"), &json!("bank"))
    );
    assert_eq!((&job["verified"]["events"], &job["verified"]["damaged"]), (&json!(2), &json!(0)));
    assert_eq!(job["bytes_done"], job["bytes_all"]);
    assert_eq!(world.get(&location).await.ok(), job);
    assert_eq!(world.get("/v1/jobs").await.ok()["jobs"], json!([job]));
    let cancelled = world.post(&format!("{location}/cancel"), "{}").await.ok();
    assert_eq!(cancelled["state"], "done", "what has ended stays as it is");
    world.get("/v1/jobs/0000000000000000").await.problem("unknown-job");
    world.get("/v1/jobs/x").await.problem("invalid");
    world.get(&format!("{location}?wait_ms=30001")).await.problem("invalid");
    world.post("/v1/ledgers/none/verify", "{}").await.problem("unknown-ledger");
}

#[tokio::test]
async fn g10_damage_is_told_with_its_place_below_the_data_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    let world = with_backups(dir.path(), dir.path()).await;
    world.append("a", &[json!("x".repeat(100)), json!(2)]).await;
    let ledger = dir.path().join("ledgers/bank");
    let files =
        std::fs::read_dir(&ledger).expect("can be listed").map(|file| file.expect("a file"));
    let logs =
        files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "log"));
    let log = logs.min().expect("a segment");
    let mut bytes = std::fs::read(&log).expect("can be read");
    let at = bytes.windows(50).position(|part| part == [b'x'; 50]).expect("the payload");
    bytes[at] = b'y';
    std::fs::write(&log, bytes).expect("can be written");
    let begun = world.post("/v1/ledgers/bank/verify", "{}").await.json();
    let job = ended(&world, &begun).await;
    assert_eq!((&job["state"], &job["verified"]["damaged"]), (&json!("done"), &json!(1)));
    let damage = &job["verified"]["damage"][0];
    let file = damage["file"].as_str().expect("a file");
    assert!(file.starts_with("ledgers/bank/"), "{damage}");
    assert!(damage["offset"].is_u64() && damage["position"].is_u64(), "{damage}");
}

#[tokio::test]
async fn a_backup_grows_under_its_name_and_can_be_restored() {
    let (data, backups) = (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("one"));
    let world = with_backups(data.path(), backups.path()).await;
    world.append("a", &[json!(1), json!(2)]).await;
    let make = r#"{"name":"nightly","compare":true}"#;
    let begun = world.post("/v1/backups", make).await;
    assert_eq!(begun.status, 202);
    let job = ended(&world, &begun.json()).await;
    assert_eq!((&job["state"], &job["backup"]), (&json!("done"), &json!("nightly")), "{job}");
    assert_eq!(job["backed_up"]["damage"], json!([]));
    let bank = json!({ "name": "bank", "position": 2 });
    assert!(job["backed_up"]["ledgers"].as_array().expect("a list").contains(&bank), "{job}");
    world.append("a", &[json!(3)]).await;
    let again = world.post("/v1/backups", make).await.json();
    let job = ended(&world, &again).await;
    let (copied, bytes) = (&job["backed_up"]["copied"], &job["backed_up"]["bytes"]);
    assert!(copied.as_u64() < bytes.as_u64(), "only what is new is copied: {job}");
    let listed = world.get("/v1/backups").await.ok();
    assert_eq!(listed["backups"][0]["name"], "nightly");
    assert!(listed["backups"][0]["bytes"].is_u64() && listed["backups"][0]["made_at"].is_string());
    world.stop().await;
    let backup = Backup::open(&backups.path().join("nightly")).expect("is whole");
    let heads = backup.ledgers().into_iter().find(|ledger| ledger.name == "bank");
    assert_eq!(heads.expect("is there").head.0, 3);
}

#[tokio::test]
async fn no_backup_goes_where_the_server_has_no_place_for_it() {
    let world = World::start().await;
    world.post("/v1/backups", r#"{"name":"nightly"}"#).await.problem("not-set-up");
    world.get("/v1/backups").await.problem("not-set-up");
    let data = tempfile::tempdir().expect("a directory");
    let inside = with_backups(data.path(), data.path()).await;
    let refused = inside.post("/v1/backups", r#"{"name":"nightly"}"#).await.problem("not-set-up");
    assert!(refused["detail"].as_str().expect("text").contains("in the data directory"));
    let data = tempfile::tempdir().expect("a directory");
    let missing = with_backups(data.path(), Path::new("/nowhere/at/all")).await;
    missing.post("/v1/backups", r#"{"name":"nightly"}"#).await.problem("not-set-up");
    for name in ["..", "a/b", "/tmp/x", "", "A"] {
        let body = json!({ "name": name }).to_string();
        missing.post("/v1/backups", &body).await.problem("invalid");
    }
    assert_eq!(missing.get("/v1/jobs").await.ok()["jobs"], json!([]));
}

#[tokio::test]
async fn jobs_are_for_those_who_may_ask_for_them() {
    let world = World::with(|config| config.require_token = true).await;
    let admin = format!("Bearer {}", world.first_token.as_deref().expect("was made"));
    let token = async |name: &str, verb: &str, ledger: &str| {
        let rights = json!([{ "verbs": [verb], "ledgers": [ledger] }]);
        let body = json!({ "name": name, "rights": rights }).to_string();
        let made = Request::new("POST", "/v1/tokens").bearer(&admin).json(&body);
        let made = made.send(world.address).await.ok();
        format!("Bearer {}", made["secret"].as_str().expect("text"))
    };
    let (bank, other) = (token("b", "admin", "bank").await, token("o", "admin", "other").await);
    let verify = Request::new("POST", "/v1/ledgers/bank/verify").bearer(&bank).json("{}");
    let begun = verify.send(world.address).await.json();
    assert_eq!(begun["by"], "b");
    let path = format!("/v1/jobs/{}", begun["id"].as_str().expect("an id"));
    let get = async |bearer: &str, path: &str| {
        Request::new("GET", path).bearer(bearer).send(world.address).await
    };
    assert_eq!(get(&bank, &path).await.status, 200);
    assert_eq!(get(&admin, "/v1/jobs").await.ok()["jobs"].as_array().map(Vec::len), Some(1));
    get(&other, &path).await.problem("unknown-job");
    assert_eq!(get(&other, "/v1/jobs").await.ok()["jobs"], json!([]));
    get(&bank, "/v1/config").await.problem("forbidden");
}

#[tokio::test]
async fn the_configuration_is_shown_as_it_holds() {
    let world = World::with(|config| config.queries_max = 7).await;
    let settings = world.get("/v1/config").await.ok();
    let settings = settings["settings"].as_array().expect("a list");
    let named = |key: &str| settings.iter().find(|one| one["key"] == key).expect("is there");
    assert_eq!(
        (&named("queries_max")["value"], &named("queries_max")["from"]),
        (&json!(7), &json!("the program"))
    );
    assert_eq!(named("listen")["value"], world.address.to_string());
}
