//! `view`, `views`, `run` and `rebuild`: the order system's views, by the binary.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    demo::{demo_data, rows},
    harness::{Run, factum_in},
};

/// A document whose numbers are whole cents, because they came as dollars.
fn in_cents(value: &Value) -> Value {
    match value {
        Value::Number(dollars) => {
            json!((dollars.as_f64().expect("a number") * 100.0).round() as i64)
        }
        Value::Array(values) => values.iter().map(in_cents).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), in_cents(value))).collect()
        }
        other => other.clone(),
    }
}

fn by<'a>(id: &str, rows: impl IntoIterator<Item = &'a Value>) -> BTreeMap<String, Value> {
    rows.into_iter()
        .map(|row| (row[id].as_str().expect("an id").to_owned(), in_cents(row)))
        .collect()
}

fn view(dir: &std::path::Path, args: &[&str]) -> Run {
    factum_in(dir, &[&["view", "--ledger", "retail"], args].concat())
}

#[test]
fn g7_the_orders_view_is_what_the_data_set_says_row_for_row() {
    let dir = demo_data();
    let mut expected = by("order_id", &rows("orders.jsonl"));
    for row in rows("expected/test_final_state.jsonl").iter().filter(|row| row["kind"] == "order") {
        expected.extend(by("order_id", [&row["state"]]));
    }
    let run = view(dir.path(), &["orders", "--jsonl"]).ok();
    assert_eq!(run.stderr, "");
    let shown = by("order_id", &run.json_lines());
    assert_eq!(shown.len(), expected.len());
    for (id, order) in &expected {
        assert_eq!(&shown[id], order, "{id}");
    }
}

#[test]
fn one_row_is_shown_now_and_as_it_was() {
    let dir = demo_data();
    let expected = rows("expected/test_final_state.jsonl");
    let cancelled = expected
        .iter()
        .find(|row| row["state"]["status"] == "cancelled")
        .expect("an order that was cancelled");
    let id = cancelled["id"].as_str().expect("an id");
    let now = view(dir.path(), &["orders", id, "--jsonl"]).ok().json();
    assert_eq!(in_cents(&now), in_cents(&cancelled["state"]));
    view(dir.path(), &["orders", id]).ok().says(&["1 row, at position"]);

    let args = ["read", "--ledger", "retail", "--type", "order.cancelled", "--jsonl", "--tag"];
    let tag = format!("order:{id}");
    let event = factum_in(dir.path(), &[&args[..], &[&tag]].concat()).ok().json();
    let before = (event["position"].as_u64().expect("a position") - 1).to_string();
    let then = view(dir.path(), &["orders", id, "--as-of", &before, "--json"]).ok().json();
    assert_eq!(then["rows"][0]["status"], "pending");
    let at = event["recorded_at"].as_str().expect("a time");
    let then = view(dir.path(), &["orders", id, "--as-of", at, "--json"]).ok().json();
    assert_eq!(then["rows"][0]["status"], "cancelled");
    let nothing = view(dir.path(), &["orders", id, "--as-of", "1", "--json"]).exits(4);
    assert_eq!(nothing.json_error()["code"], "not_found");
}

#[test]
fn pages_go_on_where_the_last_one_ended() {
    let dir = demo_data();
    let whole = view(dir.path(), &["users", "--jsonl"]).ok().json_lines();
    let (mut paged, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut args = vec!["users", "--json", "--limit", "180"];
        args.extend(cursor.iter().flat_map(|cursor| ["--cursor", cursor]));
        let page = view(dir.path(), &args).ok().json();
        paged.extend(page["rows"].as_array().expect("rows").clone());
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(paged.len(), 500);
    assert_eq!(paged, whole);
    view(dir.path(), &["product_sales", "--limit", "2"]).ok().says(&["2 rows", "--cursor"]);
}

#[test]
fn views_are_listed_and_rebuilt_to_the_same_rows() {
    let dir = demo_data();
    let names = ["order_history", "orders", "product_sales", "products", "shipping_queue", "users"];
    let all = || names.map(|name| view(dir.path(), &[name, "--jsonl"]).ok().stdout);
    let before = all();
    assert!(before.iter().all(|rows| !rows.is_empty()));
    let listed = factum_in(dir.path(), &["views", "--ledger", "retail", "--json"]).ok().json();
    let listed: Vec<_> =
        listed["views"].as_array().expect("a list").iter().map(|v| v["name"].clone()).collect();
    assert_eq!(listed, names);
    let args = ["rebuild", "--all", "--ledger", "retail", "--json"];
    let rebuilt = factum_in(dir.path(), &args).ok().json();
    assert_eq!(rebuilt["rebuilt"].as_array().expect("a list").len(), names.len());
    factum_in(dir.path(), &["rebuild", "orders", "--ledger", "retail"]).ok();
    for ((name, is), was) in names.iter().zip(all()).zip(&before) {
        assert_eq!(&is, was, "{name}");
    }
}

#[test]
fn g5_a_command_is_run_by_name_and_once_for_its_key() {
    let dir = demo_data();
    let pending = view(dir.path(), &["shipping_queue", "--limit", "1", "--json"]).ok().json();
    let order = pending["rows"][0]["order_id"].as_str().expect("an id").to_owned();
    let input = json!({ "order_id": order, "reason": "no longer needed" }).to_string();
    let run = |key: &str, more: &[&str]| {
        let args =
            ["run", "cancel_pending_order", "--ledger", "retail", "--input", &input, "--key", key];
        factum_in(dir.path(), &[&args[..], more].concat())
    };
    let first = run("k1", &["--json"]).ok().json();
    let again = run("k1", &["--json"]).ok().json();
    assert_eq!((&first["outcome"], &first["replayed"]), (&json!("accepted"), &json!(false)));
    assert_eq!(again["replayed"], json!(true));
    assert_eq!(
        (&first["receipt"]["ids"], &first["events"]),
        (&again["receipt"]["ids"], &again["events"])
    );
    run("k2", &[]).exits(3).says(&["non-pending order cannot be cancelled"]);
    let refused = run("k2", &["--json"]).exits(3).json_error();
    assert_eq!(refused["detail"]["replayed"], json!(true));

    let in_retail =
        |args: &[&str]| factum_in(dir.path(), &[args, &["--ledger", "retail"]].concat());
    in_retail(&["run", "dance"]).exits(4).says(&["dance", "cancel_pending_order"]);
    in_retail(&["run", "cancel_pending_order", "--input", "{\"order_id\":7}"])
        .exits(2)
        .says(&["order_id"]);
    let listed = in_retail(&["run"]).ok().stdout;
    assert!(
        listed.contains("cancel_pending_order") && listed.contains("order_id, reason"),
        "{listed}"
    );
}
