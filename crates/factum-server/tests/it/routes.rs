//! The table of routes, as clients see it: nothing is undocumented, and nothing else is taken.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use serde_json::Value;

use crate::{client::Request, world::World};

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The path of a route with values in the places of its names.
fn example(path: &str) -> String {
    let values = [
        ("{ledger}", "bank"),
        ("{view}", "accounts"),
        ("{fold}", "account"),
        ("{key}", "a"),
        ("{command}", "open"),
        ("{problem}", "bug"),
        ("{stream}", "s"),
        ("{token}", "x"),
        ("{group}", "g"),
        ("{event}", "1"),
        ("{job}", "y"),
    ];
    values.iter().fold(path.to_owned(), |path, (name, value)| path.replace(name, value))
}

/// A server that has something of everything, and the ids of its token and its job.
async fn filled(backups: &Path) -> (World, [(&'static str, String); 2]) {
    let backups = backups.to_owned();
    let world = World::with(|config| config.backup_dir = Some(backups)).await;
    world.post("/v1/ledgers/bank/commands/open", r#"{"account":"a"}"#).await.ok();
    world.get("/v1/ledgers/bank/views/accounts?after=3").await.ok();
    let keyed = Request::new("POST", "/v1/ledgers/bank/events").header("Idempotency-Key", "a");
    keyed.json(r#"{"events":[{"type":"a","data":1}]}"#).send(world.address).await.ok();
    world.post("/v1/ledgers/bank/groups", r#"{"name":"g"}"#).await.ok();
    let token = r#"{"name":"t","rights":[{"verbs":["read"],"ledgers":["bank"]}]}"#;
    let token = world.post("/v1/tokens", token).await.ok();
    let job = world.post("/v1/ledgers/bank/verify", "{}").await.json();
    let id = |of: &Value, all: &str| format!("/{all}/{}", of["id"].as_str().expect("an id"));
    let ids = [("/tokens/x", id(&token, "tokens")), ("/jobs/y", id(&job, "jobs"))];
    (world, ids)
}

async fn documented(world: &World) -> BTreeMap<String, BTreeSet<String>> {
    let index = world.get("/").await.ok();
    let mut documented = BTreeMap::<String, BTreeSet<String>>::new();
    for route in index["routes"].as_array().expect("a list") {
        let text = |field: &str| route[field].as_str().expect("text").to_owned();
        assert!(!text("what").is_empty() && route["parameters"].is_object(), "{route}");
        documented.entry(text("path")).or_default().insert(text("method"));
    }
    documented
}

#[tokio::test]
async fn every_route_takes_the_methods_that_are_documented_and_no_others() {
    let backups = tempfile::tempdir().expect("a directory");
    let (world, ids) = filled(backups.path()).await;
    let documented = documented(&world).await;
    assert_eq!(documented.len(), 57, "a route more or less: is it documented in the README too?");
    for (path, methods) in documented {
        for method in METHODS {
            let path = ids.iter().fold(example(&path), |path, (from, to)| path.replace(from, to));
            let answer = Request::new(method, &path).send(world.address).await;
            let counterpart = if method == "HEAD" { "GET" } else { method };
            if !methods.contains(counterpart) {
                let expected = if method == "OPTIONS" { 204 } else { 405 };
                assert_eq!(answer.status, expected, "{method} {path}");
                let allowed: BTreeSet<_> =
                    answer.header("allow").expect("says which").split(',').map(str::trim).collect();
                let also_head = methods.contains("GET").then_some("HEAD");
                let expected: BTreeSet<_> =
                    methods.iter().map(String::as_str).chain(also_head).collect();
                assert_eq!(allowed, expected, "{method} {path}");
                if answer.status == 405 && method != "HEAD" {
                    answer.problem("method-not-allowed");
                }
            } else if method == "DELETE" {
                // Without a confirmation nothing is deleted.
                answer.problem("invalid");
            } else if method == "POST" {
                // Without a body there is nothing to take.
                answer.problem("unsupported-media-type");
            } else if path.ends_with("/deliveries") {
                // Who asks for no stream gets none.
                assert_eq!(answer.status, 406, "{method} {path}");
            } else if path.ends_with("/positions") {
                // Of which time?
                assert_eq!(answer.status, 400, "{method} {path}: {answer:?}");
            } else {
                assert_eq!(answer.status, 200, "{method} {path}: {answer:?}");
                assert_eq!(answer.body.is_empty(), method == "HEAD", "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn the_document_of_the_interface_has_every_route_and_nothing_else() {
    let world = World::start().await;
    let document = world.get("/openapi.json").await.ok();
    assert_eq!(document["openapi"], "3.1.0");
    let mut described = BTreeMap::<String, BTreeSet<String>>::new();
    for (path, operations) in document["paths"].as_object().expect("a map") {
        let methods = operations.as_object().expect("a map").keys();
        described.insert(path.clone(), methods.map(|method| method.to_uppercase()).collect());
    }
    assert_eq!(described, documented(&world).await);
}

#[tokio::test]
async fn the_page_for_people_shows_every_route_and_runs_nothing() {
    let world = World::start().await;
    let page = world.get("/docs").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    let policy = page.header("content-security-policy").expect("has a policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    for (path, _) in documented(&world).await {
        assert!(page.text().contains(&format!("<code>{path}</code>")), "{path}");
    }
    assert!(!page.text().contains("<script") && !page.text().contains("//cdn"));
    let style = world.get("/docs/style.css").await;
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
}

#[tokio::test]
async fn what_is_not_in_the_table_is_not_found() {
    let world = World::start().await;
    for path in [
        "/v1",
        "/v1/",
        "/v1/ledgers/",
        "/V1/ledgers",
        "/health/",
        "//",
        "/v1/ledgers/bank/x",
        "/problems/x",
        "/../etc/passwd",
        "/v1/ledgers/..%2F..%2Fetc/events/x/y",
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        answer.problem("unknown-route");
    }
    for path in [
        "/v1/ledgers/none",
        "/v1/ledgers/none/events",
        "/v1/ledgers/none/commands",
        "/v1/ledgers/..%2Fbank/events",
    ] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        answer.problem("unknown-ledger");
    }
}

#[tokio::test]
async fn every_parameter_in_the_table_is_taken() {
    let backups = tempfile::tempdir().expect("a directory");
    let (world, ids) = filled(backups.path()).await;
    let index = world.get("/").await.ok();
    let values = BTreeMap::from([
        ("type", "x"),
        ("tag", "x:1"),
        ("stream", "s"),
        ("category", "c"),
        ("system", "true"),
        ("after", "1"),
        ("up_to", "2"),
        ("direction", "backward"),
        ("limit", "5"),
        ("as_of", "3"),
        ("at", "2026-01-31T12:00:00Z"),
        ("operation", "append"),
        ("wait_ms", "1"),
        ("consumer", "c"),
    ]);
    for route in index["routes"].as_array().expect("a list") {
        for name in route["parameters"].as_object().expect("a map").keys() {
            // A cursor is an earlier answer's, not any text.
            let Some(value) = values.get(name.as_str()) else {
                assert!(["cursor", "confirm"].contains(&name.as_str()), "{name}");
                continue;
            };
            let path = example(route["path"].as_str().expect("text"));
            let path = ids.iter().fold(path, |path, (from, to)| path.replace(from, to));
            let answer = world.get(&format!("{path}?{name}={value}")).await;
            let expected = if path.ends_with("/deliveries") { 406 } else { 200 };
            assert_eq!(answer.status, expected, "{path}?{name}={value}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn every_problem_type_explains_itself() {
    let world = World::start().await;
    let all = world.get("/problems").await.ok();
    let all = all.as_array().expect("a list");
    assert!(all.len() > 20);
    for problem in all {
        let uri = problem["type"].as_str().expect("a URI reference");
        assert_eq!(&world.get(uri).await.ok(), problem);
        for field in ["title", "explanation"] {
            assert!(problem[field].as_str().is_some_and(|text| text.len() > 10), "{problem}");
        }
    }
    // The type of a problem that happens leads there.
    let happened = world.get("/v1/ledgers/none").await.problem("unknown-ledger");
    let explained: Value = world.get(happened["type"].as_str().expect("a URI")).await.ok();
    assert_eq!(
        (&explained["title"], &explained["status"]),
        (&happened["title"], &happened["status"])
    );
}
