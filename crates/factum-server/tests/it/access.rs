//! Tokens over HTTP: what a stranger learns, what each token may, and that a change holds at once
//! and after a restart.

use serde_json::{Value, json};

use crate::{
    client::Request,
    guarded::{EVENTS, Guarded, learnt, one_event, reads, reopened, text},
    world::World,
};

#[tokio::test]
async fn a_stranger_learns_nothing() {
    let server = Guarded::start().await;
    let rights = json!([{ "verbs": ["read"], "ledgers": ["*"] }]);
    let (id, revoked) = server.token("revoked", &rights).await;
    server.post(&server.admin, &format!("/v1/tokens/{id}/revoke"), &json!({})).await.ok();
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_millis(300);
    let body = json!({ "name": "expired", "rights": rights, "expires_at": soon.to_string() });
    let expired = server.post(&server.admin, "/v1/tokens", &body).await.ok();
    let expired = format!("Bearer {}", text(&expired, "secret"));
    while server.get(&expired, "/v1/ledgers").await.status == 200 {
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let mut wrong = server.admin.clone();
    let last = if wrong.pop() == Some('A') { 'E' } else { 'A' };
    wrong.push(last);
    let unknown =
        format!("Bearer factum_{}_{}", "0".repeat(16), &server.admin[server.admin.len() - 43..]);
    let strangers =
        ["", "Bearer", "Bearer ", "Bearer x", "Basic YTpi", &revoked, &expired, &wrong, &unknown];
    let expected = learnt(&Request::new("GET", "/v1/ledgers").send(server.world.address).await);
    assert_eq!(expected.0, 401);
    assert!(expected.1.contains(&("www-authenticate".into(), "Bearer".into())), "{expected:?}");
    for bearer in strangers {
        for path in ["/v1/ledgers", "/v1/ledgers/bank", "/v1/ledgers/none/events", "/v1/tokens"] {
            assert_eq!(learnt(&server.get(bearer, path).await), expected, "{bearer} {path}");
        }
        let appended = server.post(bearer, EVENTS, &one_event()).await;
        assert_eq!(learnt(&appended), expected, "{bearer}");
    }
    let twice = Request::new("GET", "/v1/ledgers").bearer(&server.admin).bearer(&server.admin);
    assert_eq!(learnt(&twice.send(server.world.address).await), expected);
    server.get(&server.admin, "/v1/ledgers").await.ok();
}

#[tokio::test]
async fn a_token_opens_what_it_names_and_nothing_else_is_there() {
    let server = Guarded::start().await;
    let (_, reader) = server.token("reader", &reads()).await;
    let rights = json!([{ "verbs": ["read", "append"], "ledgers": ["other-*"] }]);
    let (_, foreign) = server.token("foreign", &rights).await;
    server.get(&reader, EVENTS).await.ok();
    let (path, append) = (EVENTS, one_event());
    server.post(&reader, path, &append).await.problem("forbidden");
    server.post(&reader, "/v1/ledgers/bank/compactions", &json!({})).await.problem("forbidden");
    server.get(&reader, "/v1/tokens").await.problem("forbidden");
    // To who has no right on it, a ledger is not there.
    for (path, missing) in
        [("/v1/ledgers/bank", "/v1/ledgers/nnnn"), (path, "/v1/ledgers/nnnn/events")]
    {
        let hidden = learnt(&server.get(&foreign, path).await);
        let nothing = learnt(&server.get(&foreign, missing).await);
        assert_eq!(hidden.0, 404);
        assert_eq!((hidden.0, hidden.2), (nothing.0, nothing.2.replace("nnnn", "bank")));
    }
    assert_eq!(server.get(&foreign, "/v1/ledgers").await.ok(), json!({ "ledgers": [] }));
    assert_eq!(server.get(&reader, "/v1/ledgers").await.ok()["ledgers"][0]["name"], "bank");
    server.post(&server.admin, path, &append).await.ok();
}

#[tokio::test]
async fn the_access_ledger_is_read_by_administrators_and_written_by_nobody() {
    let server = Guarded::start().await;
    let rights = json!([
        { "verbs": ["read", "append", "command"], "ledgers": ["*"] },
        { "verbs": ["admin"], "ledgers": ["bank", "_*"] },
    ]);
    let (_, token) = server.token("all-but-admin", &rights).await;
    let path = "/v1/ledgers/_access/events";
    server.get(&token, path).await.problem("unknown-ledger");
    let events = server.get(&server.admin, path).await.ok();
    let types: Vec<_> = events["events"].as_array().expect("a list").iter().collect();
    assert_eq!(types.len(), 2);
    assert_eq!(types[1]["type"], "token.created");
    assert_eq!(types[1]["data"]["by"], "first-admin");
    let append = json!({ "events": [{ "type": "token.created", "data": {} }] });
    server.post(&server.admin, path, &append).await.problem("forbidden");
    server.post(&token, path, &append).await.problem("unknown-ledger");
    let compact = "/v1/ledgers/_access/compactions";
    server.post(&server.admin, compact, &json!({})).await.problem("forbidden");
    let end = "/v1/ledgers/_access/streams/s/tombstone";
    server.post(&server.admin, end, &json!({})).await.problem("forbidden");
}

#[tokio::test]
async fn a_rotation_holds_at_once_and_a_restart_changes_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Guarded::of(reopened(dir.path(), |_| {}).await);
    let (id, old) = server.token("reader", &reads()).await;
    let rotate = async |grace: Value| {
        let path = format!("/v1/tokens/{id}/rotate");
        let rotated = server.post(&server.admin, &path, &grace).await.ok();
        format!("Bearer {}", text(&rotated, "secret"))
    };
    let new = rotate(json!({ "grace_seconds": 3600 })).await;
    for bearer in [&old, &new] {
        server.get(bearer, "/v1/ledgers/bank").await.ok();
    }
    let newest = rotate(json!({})).await;
    let all = server.get(&server.admin, "/v1/tokens").await.ok();
    let admin = server.admin.clone();
    server.world.stop().await;

    let server = Guarded { world: reopened(dir.path(), |_| {}).await, admin };
    assert_eq!(server.world.first_token, None);
    for bearer in [&old, &new] {
        server.get(bearer, "/v1/ledgers/bank").await.problem("unauthenticated");
    }
    server.get(&newest, "/v1/ledgers/bank").await.ok();
    assert_eq!(server.get(&server.admin, "/v1/tokens").await.ok(), all);
    let one = server.get(&server.admin, &format!("/v1/tokens/{id}")).await.ok();
    assert!(one["rotated_at"].is_string() && one["revoked_at"].is_null(), "{one}");
}

/// What is refused is recorded, at the latest when the server ends.
#[tokio::test]
async fn what_was_refused_and_administered_is_in_the_access_ledger() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Guarded::of(reopened(dir.path(), |_| {}).await);
    let (_, reader) = server.token("reader", &reads()).await;
    for _ in 0..3 {
        server.get("Bearer x", "/v1/ledgers").await.problem("unauthenticated");
        server.post(&reader, EVENTS, &one_event()).await.problem("forbidden");
    }
    server.get(&reader, "/v1/tokens").await.problem("forbidden");
    let compact = "/v1/ledgers/bank/compactions";
    server.post(&server.admin, compact, &json!({})).await.ok();
    let admin = server.admin.clone();
    server.world.stop().await;
    let server = Guarded { world: reopened(dir.path(), |_| {}).await, admin };
    let expected = [
        ("admin.used first-admin admin bank", 1),
        ("authentication.failed   ", 3),
        ("right.refused reader admin *", 1),
        ("right.refused reader append bank", 3),
    ];
    assert_eq!(server.told().await, expected.map(|(what, count)| (what.to_owned(), count)));
    let all = server.get(&server.admin, "/v1/ledgers/_access/events").await;
    assert!(!all.text().contains(&server.admin[31..]), "no secret is in it");
}

/// A reader who may see some types and tags, by every way that shows events.
#[tokio::test]
async fn a_limited_reader_sees_what_is_theirs_by_every_way() {
    let server = Guarded::start().await;
    let path = EVENTS;
    let events = json!({ "events": [
        { "type": "order.placed", "tags": ["tenant:7"], "data": 1 },
        { "type": "order.placed", "tags": ["tenant:8"], "data": 2, "stream": "s-8" },
        { "type": "secret.told", "tags": ["tenant:7"], "data": 3 },
    ]});
    server.post(&server.admin, path, &events).await.ok();
    let limited = json!([{
        "verbs": ["read", "append"], "ledgers": ["bank"], "types": ["order.*"], "tags": ["tenant:7"],
    }]);
    let (_, limited) = server.token("limited", &limited).await;
    let seen = async |query: &str| -> Vec<u64> {
        let page = server.get(&limited, &format!("{path}{query}")).await.ok();
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
    let mut stream = Request::new("GET", path).bearer(&limited).stream(server.world.address).await;
    assert_eq!(stream.next().await.and_then(|frame| frame.id), Some(1));
    assert_eq!(stream.next().await.map(|frame| frame.event).as_deref(), Some("caught-up"));
    server.get(&limited, "/v1/ledgers/bank/streams/s-8").await.problem("forbidden");
    for path in ["/v1/ledgers/bank/views", "/v1/ledgers/bank/views/accounts", "/metrics"] {
        server.get(&limited, path).await.problem("forbidden");
    }
    let described = server.get(&limited, "/v1/ledgers/bank").await.ok();
    assert_eq!((&described["views"], &described["application"]), (&json!([]), &Value::Null));
    for (tags, status) in [(json!(["tenant:7"]), 200), (json!(["tenant:8"]), 403), (json!([]), 403)]
    {
        let append = json!({ "events": [{ "type": "order.placed", "tags": tags, "data": 4 }] });
        assert_eq!(server.post(&limited, path, &append).await.status, status, "{append}");
    }
    let oracle = json!({
        "events": [{ "type": "order.placed", "tags": ["tenant:7"], "data": 5 }],
        "conditions": [{ "no_match": [{ "tags": ["tenant:8"] }], "after": 0 }],
    });
    server.post(&limited, path, &oracle).await.problem("forbidden");
}

#[tokio::test]
async fn what_is_no_token_to_make_is_said() {
    let server = Guarded::start().await;
    let rights = reads();
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
        let refused = server.post(&server.admin, "/v1/tokens", &body).await.problem("invalid");
        assert_eq!(refused["field"], field, "{body}: {refused}");
    }
    server.get(&server.admin, "/v1/tokens/x").await.problem("invalid");
    let nobody = "/v1/tokens/0000000000000000";
    server.get(&server.admin, nobody).await.problem("unknown-token");
    server
        .post(&server.admin, &format!("{nobody}/revoke"), &json!({}))
        .await
        .problem("unknown-token");
}

#[tokio::test]
async fn without_a_token_a_server_on_loopback_is_everybodys_but_a_wrong_one_is_not_ignored() {
    let server = Guarded { world: World::start().await, admin: String::new() };
    assert_eq!(server.world.first_token, None);
    server.world.get("/v1/ledgers").await.ok();
    server.get("Bearer x", "/v1/ledgers").await.problem("unauthenticated");
    let body = json!({ "name": "none", "rights": [{ "verbs": ["read"], "ledgers": ["none"] }] });
    let made = server.world.post("/v1/tokens", &body.to_string()).await.ok();
    let bearer = format!("Bearer {}", text(&made, "secret"));
    server.get(&bearer, "/v1/ledgers/bank").await.problem("unknown-ledger");
}
