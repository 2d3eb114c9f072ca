//! Tokens over HTTP: what a stranger learns, what each token may, and that a change holds at once
//! and after a restart.

use factum::Store;
use serde_json::{Value, json};

use crate::{
    bank,
    client::{Answer, Request},
    world::World,
};

/// A server that wants tokens, and the first one as a header.
async fn guarded() -> (World, String) {
    let world = World::with(|config| config.require_token = true).await;
    let first = format!("Bearer {}", world.first_token.as_deref().expect("was made"));
    (world, first)
}

async fn get(world: &World, bearer: &str, path: &str) -> Answer {
    Request::new("GET", path).bearer(bearer).send(world.address).await
}

async fn post(world: &World, bearer: &str, path: &str, body: &Value) -> Answer {
    let body = body.to_string();
    Request::new("POST", path).bearer(bearer).json(&body).send(world.address).await
}

/// A new token with these rights: its id, and its secret as a header.
async fn token(world: &World, admin: &str, name: &str, rights: &Value) -> (String, String) {
    let body = json!({ "name": name, "rights": rights });
    let made = post(world, admin, "/v1/tokens", &body).await.ok();
    let text = |field: &str| made[field].as_str().expect("text").to_owned();
    (text("id"), format!("Bearer {}", text("secret")))
}

/// Everything of an answer that somebody could learn from.
fn learnt(answer: &Answer) -> (u16, Vec<(String, String)>, String) {
    let headers = answer.headers.iter().filter(|(name, _)| name != "date").cloned().collect();
    (answer.status, headers, answer.text().to_owned())
}

#[tokio::test]
async fn a_stranger_learns_nothing() {
    let (world, admin) = guarded().await;
    let rights = json!([{ "verbs": ["read"], "ledgers": ["*"] }]);
    let (id, revoked) = token(&world, &admin, "revoked", &rights).await;
    post(&world, &admin, &format!("/v1/tokens/{id}/revoke"), &json!({})).await.ok();
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(300);
    let body = json!({ "name": "expired", "rights": rights, "expires_at": soon.to_string() });
    let expired = post(&world, &admin, "/v1/tokens", &body).await.ok();
    let expired = format!("Bearer {}", expired["secret"].as_str().expect("text"));
    while get(&world, &expired, "/v1/ledgers").await.status == 200 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mut wrong = admin.clone();
    let last = if wrong.pop() == Some('A') { 'E' } else { 'A' };
    wrong.push(last);
    let unknown = format!("Bearer factum_{}_{}", "0".repeat(16), &admin[admin.len() - 43..]);
    let strangers =
        ["", "Bearer", "Bearer ", "Bearer x", "Basic YTpi", &revoked, &expired, &wrong, &unknown];
    let expected = learnt(&Request::new("GET", "/v1/ledgers").send(world.address).await);
    assert_eq!(expected.0, 401);
    assert!(expected.1.contains(&("www-authenticate".into(), "Bearer".into())), "{expected:?}");
    for bearer in strangers {
        for path in ["/v1/ledgers", "/v1/ledgers/bank", "/v1/ledgers/none/events", "/v1/tokens"] {
            assert_eq!(learnt(&get(&world, bearer, path).await), expected, "{bearer} {path}");
        }
        let append = json!({ "events": [{ "type": "a", "data": 1 }] });
        let appended = post(&world, bearer, "/v1/ledgers/bank/events", &append).await;
        assert_eq!(learnt(&appended), expected, "{bearer}");
    }
    let twice = Request::new("GET", "/v1/ledgers").bearer(&admin).bearer(&admin);
    assert_eq!(learnt(&twice.send(world.address).await), expected);
    get(&world, &admin, "/v1/ledgers").await.ok();
}

#[tokio::test]
async fn a_token_opens_what_it_names_and_nothing_else_is_there() {
    let (world, admin) = guarded().await;
    let rights = json!([{ "verbs": ["read"], "ledgers": ["bank"] }]);
    let (_, reader) = token(&world, &admin, "reader", &rights).await;
    let rights = json!([{ "verbs": ["read", "append"], "ledgers": ["other-*"] }]);
    let (_, foreign) = token(&world, &admin, "foreign", &rights).await;
    get(&world, &reader, "/v1/ledgers/bank/events").await.ok();
    let append = json!({ "events": [{ "type": "a", "data": 1 }] });
    let path = "/v1/ledgers/bank/events";
    post(&world, &reader, path, &append).await.problem("forbidden");
    post(&world, &reader, "/v1/ledgers/bank/compactions", &json!({})).await.problem("forbidden");
    get(&world, &reader, "/v1/tokens").await.problem("forbidden");
    // To who has no right on it, a ledger is not there.
    for (path, missing) in
        [("/v1/ledgers/bank", "/v1/ledgers/nnnn"), (path, "/v1/ledgers/nnnn/events")]
    {
        let hidden = learnt(&get(&world, &foreign, path).await);
        let nothing = learnt(&get(&world, &foreign, missing).await);
        assert_eq!(hidden.0, 404);
        assert_eq!((hidden.0, hidden.2), (nothing.0, nothing.2.replace("nnnn", "bank")));
    }
    assert_eq!(get(&world, &foreign, "/v1/ledgers").await.ok(), json!({ "ledgers": [] }));
    assert_eq!(get(&world, &reader, "/v1/ledgers").await.ok()["ledgers"][0]["name"], "bank");
    post(&world, &admin, path, &append).await.ok();
}

#[tokio::test]
async fn the_access_ledger_is_read_by_administrators_and_written_by_nobody() {
    let (world, admin) = guarded().await;
    let rights = json!([
        { "verbs": ["read", "append", "command"], "ledgers": ["*"] },
        { "verbs": ["admin"], "ledgers": ["bank", "_*"] },
    ]);
    let (_, token) = token(&world, &admin, "all-but-admin", &rights).await;
    let path = "/v1/ledgers/_access/events";
    get(&world, &token, path).await.problem("unknown-ledger");
    let events = get(&world, &admin, path).await.ok();
    let types: Vec<_> = events["events"].as_array().expect("a list").iter().collect();
    assert_eq!(types.len(), 2);
    assert_eq!(types[1]["type"], "token.created");
    assert_eq!(types[1]["data"]["by"], "first-admin");
    let append = json!({ "events": [{ "type": "token.created", "data": {} }] });
    post(&world, &admin, path, &append).await.problem("forbidden");
    post(&world, &token, path, &append).await.problem("unknown-ledger");
    let compact = "/v1/ledgers/_access/compactions";
    post(&world, &admin, compact, &json!({})).await.problem("forbidden");
    let end = "/v1/ledgers/_access/streams/s/tombstone";
    post(&world, &admin, end, &json!({})).await.problem("forbidden");
}

#[tokio::test]
async fn a_rotation_holds_at_once_and_a_restart_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = async || {
        let store = Store::open(dir.path().to_str().expect("a path")).expect("opens");
        if store.ledgers().expect("can be read").is_empty() {
            store.create("bank").expect("is made");
        }
        World::of_with(store, [bank::domain()], |config| config.require_token = true).await
    };
    let world = open().await;
    let first = format!("Bearer {}", world.first_token.as_deref().expect("was made"));
    let rights = json!([{ "verbs": ["read"], "ledgers": ["bank"] }]);
    let (id, old) = token(&world, &first, "reader", &rights).await;
    let rotate = format!("/v1/tokens/{id}/rotate");
    let new = post(&world, &first, &rotate, &json!({ "grace_seconds": 3600 })).await.ok();
    let new = format!("Bearer {}", new["secret"].as_str().expect("text"));
    for bearer in [&old, &new] {
        get(&world, bearer, "/v1/ledgers/bank").await.ok();
    }
    let newest = post(&world, &first, &rotate, &json!({})).await.ok();
    let newest = format!("Bearer {}", newest["secret"].as_str().expect("text"));
    let all = get(&world, &first, "/v1/tokens").await.ok();
    world.stop().await;

    let world = open().await;
    assert_eq!(world.first_token, None);
    for bearer in [&old, &new] {
        get(&world, bearer, "/v1/ledgers/bank").await.problem("unauthenticated");
    }
    get(&world, &newest, "/v1/ledgers/bank").await.ok();
    assert_eq!(get(&world, &first, "/v1/tokens").await.ok(), all);
    let one = get(&world, &first, &format!("/v1/tokens/{id}")).await.ok();
    assert!(one["rotated_at"].is_string() && one["revoked_at"].is_null(), "{one}");
}

/// What is refused is recorded, at the latest when the server ends.
#[tokio::test]
async fn what_was_refused_and_administered_is_in_the_access_ledger() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = async || {
        let store = Store::open(dir.path().to_str().expect("a path")).expect("opens");
        if store.ledgers().expect("can be read").is_empty() {
            store.create("bank").expect("is made");
        }
        World::of_with(store, [bank::domain()], |config| config.require_token = true).await
    };
    let world = open().await;
    let admin = format!("Bearer {}", world.first_token.as_deref().expect("was made"));
    let rights = json!([{ "verbs": ["read"], "ledgers": ["bank"] }]);
    let (_, reader) = token(&world, &admin, "reader", &rights).await;
    let append = json!({ "events": [{ "type": "a", "data": 1 }] });
    for _ in 0..3 {
        get(&world, "Bearer x", "/v1/ledgers").await.problem("unauthenticated");
        post(&world, &reader, "/v1/ledgers/bank/events", &append).await.problem("forbidden");
    }
    get(&world, &reader, "/v1/tokens").await.problem("forbidden");
    post(&world, &admin, "/v1/ledgers/bank/compactions", &json!({})).await.ok();
    world.stop().await;
    let world = open().await;
    let events = get(&world, &admin, "/v1/ledgers/_access/events").await.ok();
    let mut counts = std::collections::BTreeMap::<String, u64>::new();
    for event in events["events"].as_array().expect("a list") {
        for thing in event["data"]["happened"].as_array().into_iter().flatten() {
            let text = |field: &str| thing[field].as_str().unwrap_or_default().to_owned();
            let kind = event["type"].as_str().expect("text");
            let what = format!("{kind} {} {} {}", text("principal"), text("verb"), text("ledger"));
            *counts.entry(what).or_default() += thing["count"].as_u64().expect("a number");
        }
    }
    let expected = [
        ("admin.used first-admin admin bank", 1),
        ("authentication.failed   ", 3),
        ("right.refused reader admin *", 1),
        ("right.refused reader append bank", 3),
    ];
    let counts: Vec<_> = counts.iter().map(|(what, count)| (what.as_str(), *count)).collect();
    assert_eq!(counts, expected);
    let text = events.to_string();
    assert!(!text.contains(&admin[31..]), "no secret is in it");
}

/// A reader who may see some types and tags, by every way that shows events.
#[tokio::test]
async fn a_limited_reader_sees_what_is_theirs_by_every_way() {
    let (world, admin) = guarded().await;
    let path = "/v1/ledgers/bank/events";
    let events = json!({ "events": [
        { "type": "order.placed", "tags": ["tenant:7"], "data": 1 },
        { "type": "order.placed", "tags": ["tenant:8"], "data": 2, "stream": "s-8" },
        { "type": "secret.told", "tags": ["tenant:7"], "data": 3 },
    ]});
    post(&world, &admin, path, &events).await.ok();
    let limited = json!([{
        "verbs": ["read", "append"], "ledgers": ["bank"], "types": ["order.*"], "tags": ["tenant:7"],
    }]);
    let (_, limited) = token(&world, &admin, "limited", &limited).await;
    let seen = async |query: &str| -> Vec<u64> {
        let page = get(&world, &limited, &format!("{path}{query}")).await.ok();
        let events = page["events"].as_array().expect("a list").iter();
        events.map(|event| event["position"].as_u64().expect("a number")).collect()
    };
    for query in ["", "?system=true", "?direction=backward", "?type=order.placed", "?tag=tenant:7"]
    {
        assert_eq!(seen(query).await, [1], "{query}");
    }
    for query in ["?type=secret.told", "?tag=tenant:8", "?stream=s-8", "?after=1"] {
        assert_eq!(seen(query).await, [0_u64; 0], "{query}");
    }
    let mut stream = Request::new("GET", path).bearer(&limited).stream(world.address).await;
    assert_eq!(stream.next().await.and_then(|frame| frame.id), Some(1));
    assert_eq!(stream.next().await.map(|frame| frame.event).as_deref(), Some("caught-up"));
    get(&world, &limited, "/v1/ledgers/bank/streams/s-8").await.problem("forbidden");
    for path in ["/v1/ledgers/bank/views", "/v1/ledgers/bank/views/accounts", "/metrics"] {
        get(&world, &limited, path).await.problem("forbidden");
    }
    let described = get(&world, &limited, "/v1/ledgers/bank").await.ok();
    assert_eq!((&described["views"], &described["application"]), (&json!([]), &Value::Null));
    for (tags, status) in [(json!(["tenant:7"]), 200), (json!(["tenant:8"]), 403), (json!([]), 403)]
    {
        let append = json!({ "events": [{ "type": "order.placed", "tags": tags, "data": 4 }] });
        assert_eq!(post(&world, &limited, path, &append).await.status, status, "{append}");
    }
    let oracle = json!({
        "events": [{ "type": "order.placed", "tags": ["tenant:7"], "data": 5 }],
        "conditions": [{ "no_match": [{ "tags": ["tenant:8"] }], "after": 0 }],
    });
    post(&world, &limited, path, &oracle).await.problem("forbidden");
}

#[tokio::test]
async fn what_is_no_token_to_make_is_said() {
    let (world, admin) = guarded().await;
    let rights = json!([{ "verbs": ["read"], "ledgers": ["bank"] }]);
    for (body, field) in [
        (json!({ "name": "A", "rights": rights }), "name"),
        (json!({ "name": "first-admin", "rights": rights }), "name"),
        (json!({ "name": "a", "rights": [] }), "rights"),
        (json!({ "name": "a", "rights": [{ "verbs": [], "ledgers": ["a"] }] }), "verbs"),
        (json!({ "name": "a", "rights": [{ "verbs": ["read"], "ledgers": [] }] }), "ledgers"),
        (json!({ "name": "a", "rights": [{ "verbs": ["write"], "ledgers": ["a"] }] }), "body"),
        (json!({ "name": "a", "rights": [{ "verbs": ["read"], "ledgers": [""] }] }), "body"),
        (json!({ "name": "a", "rights": rights, "expires_at": "soon" }), "expires_at"),
        (
            json!({ "name": "a", "rights": rights, "expires_at": "2020-01-01T00:00:00Z" }),
            "expires_at",
        ),
    ] {
        let refused = post(&world, &admin, "/v1/tokens", &body).await.problem("invalid");
        assert_eq!(refused["field"], field, "{body}: {refused}");
    }
    get(&world, &admin, "/v1/tokens/x").await.problem("invalid");
    let nobody = "/v1/tokens/0000000000000000";
    get(&world, &admin, nobody).await.problem("unknown-token");
    post(&world, &admin, &format!("{nobody}/revoke"), &json!({})).await.problem("unknown-token");
}

#[tokio::test]
async fn without_a_token_a_server_on_loopback_is_everybodys_but_a_wrong_one_is_not_ignored() {
    let world = World::start().await;
    assert_eq!(world.first_token, None);
    world.get("/v1/ledgers").await.ok();
    get(&world, "Bearer x", "/v1/ledgers").await.problem("unauthenticated");
    let rights = json!([{ "verbs": ["read"], "ledgers": ["none"] }]);
    let body = json!({ "name": "none", "rights": rights }).to_string();
    let made = world.post("/v1/tokens", &body).await.ok();
    let bearer = format!("Bearer {}", made["secret"].as_str().expect("text"));
    get(&world, &bearer, "/v1/ledgers/bank").await.problem("unknown-ledger");
}
