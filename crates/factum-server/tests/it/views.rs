//! Views over HTTP.

use serde_json::{Value, json};

use crate::world::World;

const ACCOUNTS: &str = "/v1/ledgers/bank/views/accounts";

/// Opens these accounts; each takes three positions.
async fn with_accounts(names: &[&str]) -> World {
    let world = World::start().await;
    for name in names {
        let body = json!({ "account": name }).to_string();
        world.post("/v1/ledgers/bank/commands/open", &body).await.ok();
    }
    world
}

#[tokio::test]
async fn g9_a_read_after_a_receipt_sees_it() {
    let world = with_accounts(&[]).await;
    for n in 0..20 {
        let body = json!({ "account": format!("a{n}") }).to_string();
        let done = world.post("/v1/ledgers/bank/commands/open", &body).await.ok();
        let last = done["receipt"]["last"].as_u64().expect("a position");
        let answer = world.get(&format!("{ACCOUNTS}/a{n}?after={last}")).await.ok();
        assert_eq!(answer["view"], "accounts");
        assert_eq!(answer["keys"][0], format!("a{n}"));
        assert_eq!(answer["rows"][0], json!({ "open": true, "cents": 100 }));
        assert!(answer["position"].as_u64().expect("a position") >= last);
        assert_eq!((&answer["lag_events"], &answer["stale"]), (&json!(0), &json!(false)));
        assert!(answer["recorded_at"].is_string() && answer["lag_ms"].is_u64());
    }
}

#[tokio::test]
async fn a_view_is_read_as_of_a_position_or_a_time() {
    let world = with_accounts(&["a"]).await;
    let withdraw = r#"{"account":"a","cents":30}"#;
    let done = world.post("/v1/ledgers/bank/commands/withdraw", withdraw).await.ok();
    world.get(&format!("{ACCOUNTS}/a?after=5")).await.ok();
    let cents = async |moment: &str| {
        let answer = world.get(&format!("{ACCOUNTS}/a?as_of={moment}")).await.ok();
        answer["rows"][0]["cents"].as_i64()
    };
    assert_eq!(cents("5").await, Some(70));
    assert_eq!(cents("4").await, Some(100));
    assert_eq!(cents("2").await, Some(0));
    assert_eq!(cents(done["receipt"]["recorded_at"].as_str().unwrap()).await, Some(70));
    assert_eq!(cents("2999-01-01T00:00:00%2B01:00").await, Some(70));
    let before = world.get(&format!("{ACCOUNTS}/a?as_of=1")).await;
    assert_eq!(before.problem("unknown-key")["position"], 1);
    for moment in ["6", "yesterday", "2026-13-01T00:00:00Z", "-1", ""] {
        let answer = world.get(&format!("{ACCOUNTS}?as_of={moment}")).await;
        assert_eq!(answer.status, 400, "{moment}");
        assert_eq!(answer.problem("invalid")["field"], "as_of", "{moment}");
    }
}

#[tokio::test]
async fn pages_put_together_are_the_whole() {
    let names = ["a", "b/c", "d e", "#W1", "é", "z?"];
    let world = with_accounts(&names).await;
    let all = world.get(&format!("{ACCOUNTS}?after=18")).await.ok();
    let all = all["keys"].as_array().expect("a list").clone();
    assert_eq!(all.len(), names.len());
    for limit in 1..=names.len() + 1 {
        let (mut rows, mut next) = (Vec::new(), Value::Null);
        loop {
            let cursor =
                next.as_str().map(encoded).map_or(String::new(), |c| format!("&cursor={c}"));
            let page = world.get(&format!("{ACCOUNTS}?limit={limit}{cursor}")).await.ok();
            rows.extend(page["keys"].as_array().expect("a list").clone());
            next = page["next"].clone();
            if next.is_null() {
                break;
            }
        }
        assert_eq!(rows, all, "limit {limit}");
    }
    for name in names {
        let answer = world.get(&format!("{ACCOUNTS}/{}", encoded(name))).await.ok();
        assert_eq!(answer["keys"][0], name);
    }
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = with_accounts(&["a"]).await;
    let unknown = world.get(&format!("{ACCOUNTS}/b?after=3")).await;
    assert_eq!(unknown.status, 404);
    let unknown = unknown.problem("unknown-key");
    assert_eq!((&unknown["position"], &unknown["stale"]), (&json!(3), &json!(false)));
    world.get("/v1/ledgers/bank/views/nothing").await.problem("unknown-view");
    world.get("/v1/ledgers/none/views/accounts").await.problem("unknown-ledger");
    world.get("/v1/ledgers/none/views").await.problem("unknown-ledger");
}

#[tokio::test]
async fn a_position_that_is_not_there_yet_is_refused() {
    let world = with_accounts(&["a"]).await;
    let beyond = world.get(&format!("{ACCOUNTS}/a?after=4")).await;
    assert_eq!(beyond.problem("invalid")["field"], "after");
}

#[tokio::test]
async fn ledgers_views_and_health_say_where_things_stand() {
    let world = with_accounts(&["a"]).await;
    world.get(&format!("{ACCOUNTS}?after=3")).await.ok();
    let views = world.get("/v1/ledgers/bank/views").await.ok();
    assert_eq!(views["views"][0]["name"], "accounts");
    assert_eq!(
        (&views["views"][0]["position"], &views["views"][0]["lag_events"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(views["views"][0]["error"], Value::Null);
    let ledger = world.get("/v1/ledgers/bank").await.ok();
    assert_eq!((&ledger["name"], &ledger["application"]), (&json!("bank"), &json!("bank")));
    assert_eq!(ledger["head"]["position"], 3);
    assert_eq!(ledger["views"], views["views"]);
    assert_eq!(world.get("/v1/ledgers").await.ok()["ledgers"], json!([ledger]));
    let health = world.get("/health").await;
    assert!(!health.text().contains("accounts"), "health names nothing");
    let health = health.ok();
    assert_eq!((&health["status"], &health["views_failing"]), (&json!("ok"), &json!(0)));
    assert_eq!((&health["ledgers"], &health["views"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_fold_is_read_by_its_name_now_and_as_of_a_moment() {
    let world = with_accounts(&["a", "b"]).await;
    let folds = world.get("/v1/ledgers/bank/folds").await.ok();
    let account = json!({
        "name": "account", "version": 1, "by": ["account"],
        "heeds": ["account.moved", "account.opened"],
    });
    assert_eq!(folds["folds"], json!([account]));
    let withdraw = r#"{"account":"a","cents":30}"#;
    let done = world.post("/v1/ledgers/bank/commands/withdraw", withdraw).await.ok();
    let last = done["receipt"]["last"].as_u64().expect("a position");
    let fold = "/v1/ledgers/bank/folds/account";
    let state = async |query: &str| world.get(&format!("{fold}/a{query}")).await.ok();
    let now = state(&format!("?after={last}")).await;
    assert_eq!(
        (&now["state"], &now["position"]),
        (&json!({ "open": true, "cents": 70 }), &json!(last))
    );
    assert_eq!(
        (&now["fold"], &now["key"], &now["events_replayed"]),
        (&json!("account"), &json!("a"), &json!(3))
    );
    let recorded_at = now["recorded_at"].as_str().expect("a time");
    assert_eq!(state(&format!("?as_of={recorded_at}")).await["state"], now["state"]);
    let then = state("?as_of=2").await;
    assert_eq!((&then["state"]["open"], &then["events_replayed"]), (&json!(true), &json!(1)));
    let before = state("?as_of=0").await;
    assert_eq!((&before["state"]["open"], &before["recorded_at"]), (&json!(false), &Value::Null));
    assert_eq!(world.get(&format!("{fold}/nobody")).await.ok()["events_replayed"], 0);
    world.get("/v1/ledgers/bank/folds/none/a").await.problem("unknown-fold");
    world.get(&format!("{fold}/a?as_of=999")).await.problem("invalid");
    world.get(&format!("{fold}/a?after={}", last + 1)).await.problem("invalid");
    world.get(&format!("{fold}/a?as_of=2&after=3")).await.problem("invalid");
}
