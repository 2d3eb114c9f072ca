//! Commands over HTTP.

use serde_json::json;

use crate::{client::Request, world::World};

const OPEN: &str = "/v1/ledgers/bank/commands/open";
const WITHDRAW: &str = "/v1/ledgers/bank/commands/withdraw";

#[tokio::test]
async fn a_command_that_is_accepted_has_a_receipt() {
    let world = World::start().await;
    let accepted = world.post(OPEN, r#"{"account":"a"}"#).await.ok();
    assert_eq!(accepted["outcome"], "accepted");
    assert_eq!((&accepted["events"], &accepted["replayed"]), (&json!(2), &json!(false)));
    let receipt = &accepted["receipt"];
    assert_eq!((&receipt["first"], &receipt["last"]), (&json!(1), &json!(3)));
    assert_eq!(receipt["ids"].as_array().map(Vec::len), Some(3));
    assert_eq!(accepted["position"], receipt["last"]);
    let page = world.get("/v1/ledgers/bank/events").await.ok();
    assert_eq!(page["events"][0]["type"], "account.opened");
    assert_eq!(page["events"][0]["id"], receipt["ids"][1]);
    assert_eq!(page["events"][0]["recorded_at"], receipt["recorded_at"]);
}

#[tokio::test]
async fn a_refusal_has_its_code_its_data_its_sentence_and_a_receipt() {
    let world = World::start().await;
    world.post(OPEN, r#"{"account":"a"}"#).await.ok();
    let refused = world.post(WITHDRAW, r#"{"account":"a","cents":101}"#).await;
    assert_eq!(refused.status, 422);
    let refused = refused.problem("refused");
    assert_eq!(refused["reason"], "short");
    assert_eq!(refused["detail"], "only 100 left");
    assert_eq!(refused["data"], json!({ "have": 100 }));
    assert_eq!(refused["receipt"]["last"], 4);
}

#[tokio::test]
async fn g5_a_command_with_a_key_has_one_outcome() {
    let world = World::start().await;
    world.post(OPEN, r#"{"account":"a"}"#).await.ok();
    let withdraw = |key: &'static str, body: &'static str| {
        let request = Request::new("POST", WITHDRAW).header("Idempotency-Key", key).json(body);
        request.send(world.address)
    };
    let sixty = r#"{"account":"a","cents":60}"#;
    let first = withdraw("k-1", sixty).await.ok();
    let again = withdraw("k-1", "{\"cents\" : 60,\n \"account\":\"a\"}").await.ok();
    assert_eq!(first["receipt"], again["receipt"]);
    assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
    // A refusal is an outcome too, though the state would now allow less or more.
    let refused = withdraw("k-2", sixty).await.problem("refused");
    let refused_again = withdraw("k-2", sixty).await.problem("refused");
    assert_eq!(refused["receipt"], refused_again["receipt"]);
    assert_eq!((&refused["replayed"], &refused_again["replayed"]), (&json!(false), &json!(true)));
    assert_eq!(refused["data"], refused_again["data"]);
    let reused = withdraw("k-1", r#"{"account":"a","cents":1}"#).await;
    assert_eq!(reused.status, 422);
    reused.problem("key-reused");
    let state = world.get("/v1/ledgers/bank/views/accounts/a?after=5").await.ok();
    assert_eq!(state["rows"][0]["cents"], 40);
}

#[tokio::test]
async fn keys_that_can_not_be_keys_are_refused() {
    let world = World::start().await;
    let long = "k".repeat(257);
    for key in ["", "\"\"", "k\u{e9}y", &long] {
        let request = Request::new("POST", OPEN).header("Idempotency-Key", key);
        let answer = request.json(r#"{"account":"a"}"#).send(world.address).await;
        assert_eq!(answer.status, 400, "{key:?}");
        answer.problem("invalid");
    }
    let twice = Request::new("POST", OPEN).header("Idempotency-Key", "a");
    let twice = twice.header("Idempotency-Key", "b").json(r#"{"account":"a"}"#);
    twice.send(world.address).await.problem("invalid");
    assert_eq!(world.get("/v1/ledgers/bank").await.ok()["head"]["position"], 0);
}

#[tokio::test]
async fn input_that_is_no_command_is_named_by_field() {
    let world = World::start().await;
    for (body, field) in [
        (r#"{}"#, "account"),
        (r#"{"account":7}"#, "account"),
        (r#"{"account":""}"#, "account"),
        (r#"{"account":"a","acount":1}"#, "acount"),
    ] {
        let answer = world.post(OPEN, body).await;
        assert_eq!(answer.status, 400, "{body}");
        let problem = answer.problem("invalid");
        let said = problem.to_string();
        assert!(problem["field"].is_string() && said.contains(field), "{body} gave {said}");
    }
    for body in ["", "{", "[1]", "\"x\""] {
        let answer = world.post(OPEN, body).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    world.post("/v1/ledgers/bank/commands/shut", "{}").await.problem("unknown-command");
    world.post("/v1/ledgers/none/commands/open", "{}").await.problem("unknown-ledger");
    assert_eq!(world.get("/v1/ledgers/bank").await.ok()["head"]["position"], 0);
}

#[tokio::test]
async fn the_catalogue_has_every_command_with_its_fields_and_refusals() {
    let world = World::start().await;
    let catalogue = world.get("/v1/ledgers/bank/commands").await.ok();
    let commands = catalogue["commands"].as_array().expect("a list");
    let names: Vec<_> = commands.iter().map(|c| c["command"]["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["explode", "open", "withdraw"]);
    let withdraw = &commands[2];
    assert_eq!(withdraw["command"]["fields"][1]["name"], "cents");
    let codes: Vec<_> = withdraw["refusals"].as_array().expect("a list").iter().collect();
    assert_eq!((&codes[0]["code"], &codes[1]["code"]), (&json!("open"), &json!("short")));
    assert_eq!(withdraw["emits"][0]["type"], "account.moved");
}

#[tokio::test]
async fn a_decider_that_panics_is_a_problem_and_the_server_goes_on() {
    let world = World::start().await;
    for _ in 0..100 {
        let answer = world.post("/v1/ledgers/bank/commands/explode", "{}").await;
        assert_eq!(answer.status, 500);
        answer.problem("bug");
    }
    world.post(OPEN, r#"{"account":"a"}"#).await.ok();
}
