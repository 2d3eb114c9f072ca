//! What each event does to the documents, in the data set's shape: amounts in dollars, optional
//! fields only when they are set.

use factum::{Emits, Fold, Slice, testing::given};
use retail::*;
use serde::Serialize;
use serde_json::{Value, json};

use crate::world::*;

fn document<F: Fold + Serialize>(key: F::By, history: impl Emits) -> Value {
    let query = Slice::of::<F>(&key).query;
    let mut fold = F::default();
    for event in given(history).history().iter().filter(|event| query.matches(event)) {
        fold.apply(event).expect("an event that can be read");
    }
    serde_json::to_value(&fold).expect("a document")
}

fn order_after(id: &str, history: impl Emits) -> Value {
    document::<Order>(order(id), history)
}

fn ann_after(history: impl Emits) -> Value {
    document::<User>(user("ann"), history)
}

fn gift_after(history: impl Emits) -> Value {
    ann_after(history)["payment_methods"]["gift"]["balance"].clone()
}

fn swap(item_id: &str, new: Variant) -> Swap {
    Swap { product_id: product("lamp"), item_id: item_id.into(), new, difference_cents: 0 }
}

#[test]
fn a_product_is_shown_with_its_variants() {
    let lamp = document::<Product>(product("lamp"), catalogue());
    assert_eq!(lamp["product_id"], "lamp");
    assert_eq!(lamp["name"], "Lamp");
    let gone = json!({"item_id": "109", "available": false, "price": 9.0,
        "options": {"colour": "colour of 109"}});
    assert_eq!(lamp["variants"]["109"], gone);
    assert_eq!(lamp["variants"].as_object().map(|all| all.len()), Some(4));
}

#[test]
fn a_user_is_shown_with_methods_and_orders() {
    let placed =
        vec![placed("#2"), placed("#1"), OrderPlaced { user_id: user("bob"), ..placed("#3") }];
    let expected = json!({
        "user_id": "ann",
        "name": {"first_name": "Ann", "last_name": "Ott"},
        "address": {"address1": "1 Home Street", "address2": "", "city": "Bonn",
            "country": "Germany", "state": "NW", "zip": "53111"},
        "email": "ann@example.com",
        "payment_methods": {
            "card": {"source": "credit_card", "id": "card", "brand": "visa", "last_four": "1234"},
            "gift": {"source": "gift_card", "id": "gift", "balance": 5.0},
            "paypal": {"source": "paypal", "id": "paypal"},
        },
        "orders": ["#2", "#1"],
    });
    assert_eq!(ann_after((vec![ann(), bob()], placed)), expected);
}

#[test]
fn a_pending_order_has_no_optional_fields() {
    let item = |name: &str, product: &str, item: &str, price: f64| {
        json!({"name": name, "product_id": product, "item_id": item, "price": price,
            "options": {"colour": format!("colour of {item}")}})
    };
    let expected = json!({
        "order_id": "#P",
        "user_id": "ann",
        "address": {"address1": "1 Home Street", "address2": "", "city": "Bonn",
            "country": "Germany", "state": "NW", "zip": "53111"},
        "items": [item("Lamp", "lamp", "100", 10.0), item("Rug", "rug", "200", 50.0),
            item("Lamp", "lamp", "100", 10.0)],
        "fulfillments": [],
        "status": "pending",
        "payment_history": [
            {"transaction_type": "payment", "amount": 70.0, "payment_method_id": "card"}],
    });
    assert_eq!(order_after("#P", pending()), expected);
}

#[test]
fn an_order_is_processed_when_shipped_and_then_delivered() {
    let processed = order_after("#P", (pending(), shipped("#P")));
    assert_eq!(processed["status"], "processed");
    let parcel = json!([{"tracking_id": ["t1"], "item_ids": ["100", "200", "100"]}]);
    assert_eq!(processed["fulfillments"], parcel);
    let arrived = order_after("#D", arrived());
    assert_eq!(arrived["status"], "delivered");
    assert_eq!(arrived["fulfillments"], parcel);
}

#[test]
fn a_cancelled_order_says_why_where_that_is_known() {
    let cancelled = |reason: Option<&str>| {
        let reason = reason.map(str::to_owned);
        let cancelled = OrderCancelled { order_id: order("#P"), reason, items: vec![] };
        order_after("#P", (pending(), cancelled))
    };
    assert_eq!(cancelled(Some("ordered by mistake"))["status"], "cancelled");
    assert_eq!(cancelled(Some("ordered by mistake"))["cancel_reason"], "ordered by mistake");
    assert_eq!(cancelled(None)["status"], "cancelled");
    assert_eq!(cancelled(None).get("cancel_reason"), None);
}

#[test]
fn settled_rows_follow_those_that_are_there() {
    let more = settled("#P", vec![payment(7000, "gift"), refund(7000, "card")]);
    let history = order_after("#P", (pending(), more))["payment_history"].clone();
    let row = |kind: &str, method: &str| json!({"transaction_type": kind, "amount": 70.0, "payment_method_id": method});
    assert_eq!(
        history,
        json!([row("payment", "card"), row("payment", "gift"), row("refund", "card")])
    );
}

#[test]
fn a_gift_card_pays_and_is_paid_at_once() {
    assert_eq!(gift_after(pending()), json!(5.0));
    let with = |rows| gift_after((pending(), settled("#P", rows)));
    assert_eq!(with(vec![payment(123, "gift")]), json!(3.77));
    assert_eq!(with(vec![refund(123, "gift")]), json!(6.23));
    assert_eq!(
        with(vec![refund(7000, "gift"), payment(1, "gift"), refund(2, "gift")]),
        json!(75.01)
    );
}

#[test]
fn other_methods_have_no_balance() {
    let before = ann_after(pending());
    let rows = vec![payment(7000, "card"), refund(1, "paypal"), refund(1, "unknown")];
    let after = ann_after((pending(), settled("#P", rows)));
    assert_eq!(after, before);
}

#[test]
fn what_was_settled_before_the_import_changes_no_balance() {
    let rows = vec![payment(400, "gift"), refund(7000, "gift")];
    assert_eq!(gift_after((pending(), settled_before("#P", rows))), json!(5.0));
}

#[test]
fn the_first_item_with_the_old_id_becomes_the_new_variant() {
    let ids_after = |swaps: Vec<Swap>| {
        let modified = OrderItemsModified { order_id: order("#P"), swaps };
        let after = order_after("#P", (pending(), modified));
        assert_eq!(after["status"], "pending (item modified)");
        let items = after["items"].as_array().cloned().unwrap_or_default();
        items
            .iter()
            .map(|item| item["item_id"].as_str().unwrap_or("").to_owned())
            .collect::<Vec<_>>()
    };
    let (red, blue) = (|| variant("101", 1200), || variant("102", 800));
    assert_eq!(ids_after(vec![swap("100", red())]), ["101", "200", "100"]);
    assert_eq!(ids_after(vec![swap("100", red()), swap("100", blue())]), ["101", "200", "102"]);
    // The pairs are applied one after the other: what came first may go again.
    assert_eq!(ids_after(vec![swap("100", red()), swap("101", blue())]), ["102", "200", "100"]);
    assert_eq!(ids_after(vec![swap("100", variant("100", 1000))]), ["100", "200", "100"]);
}

#[test]
fn a_new_variant_brings_its_price_and_options() {
    let modified = OrderItemsModified {
        order_id: order("#P"),
        swaps: vec![swap("100", variant("101", 1234))],
    };
    let item = order_after("#P", (pending(), modified))["items"][0].clone();
    let expected = json!({"name": "Lamp", "product_id": "lamp", "item_id": "101", "price": 12.34,
        "options": {"colour": "colour of 101"}});
    assert_eq!(item, expected);
}

#[test]
fn a_return_lists_its_items_sorted() {
    let items = vec![rug("200", 5000), lamp("100", 1000), lamp("100", 1000)];
    let requested =
        OrderReturnRequested { order_id: order("#D"), items, payment_method_id: "gift".into() };
    let after = order_after("#D", (arrived(), requested));
    assert_eq!(after["status"], "return requested");
    assert_eq!(after["return_items"], json!(["100", "100", "200"]));
    assert_eq!(after["return_payment_method_id"], "gift");
    assert_eq!(after["payment_history"].as_array().map(Vec::len), Some(1));
}

#[test]
fn an_exchange_lists_both_sides_sorted_and_the_difference() {
    let to = |item_id: &str, new, difference_cents| Swap { difference_cents, ..swap(item_id, new) };
    let swaps = vec![to("200", variant("102", 800), -4200), to("100", variant("101", 1200), 201)];
    let requested =
        OrderExchangeRequested { order_id: order("#D"), swaps, payment_method_id: "gift".into() };
    let after = order_after("#D", (arrived(), requested.clone()));
    assert_eq!(after["status"], "exchange requested");
    assert_eq!(after["exchange_items"], json!(["100", "200"]));
    assert_eq!(after["exchange_new_items"], json!(["101", "102"]));
    assert_eq!(after["exchange_payment_method_id"], "gift");
    assert_eq!(after["exchange_price_difference"], json!(-39.99));
    assert_eq!(after["items"][0]["item_id"], "100", "nothing has been exchanged yet");
    assert_eq!(gift_after((arrived(), requested)), json!(5.0));
}

#[test]
fn addresses_are_replaced() {
    let moved = UserAddressModified { user_id: user("ann"), address: address("2 New Street") };
    let after = ann_after((pending(), moved.clone()));
    assert_eq!(after["address"]["address1"], "2 New Street");
    let untouched = order_after("#P", (pending(), moved));
    assert_eq!(untouched["address"]["address1"], "1 Home Street");
    let sent = OrderAddressModified { order_id: order("#P"), address: address("3 Gift Street") };
    let after = order_after("#P", (pending(), sent));
    assert_eq!(after["address"]["address1"], "3 Gift Street");
    assert_eq!(after["status"], "pending");
}

#[test]
fn documents_are_read_back_as_they_were() {
    let requested = OrderReturnRequested {
        order_id: order("#D"),
        items: vec![lamp("100", 1999)],
        payment_method_id: "gift".into(),
    };
    let shown = order_after("#D", (arrived(), requested));
    let read: Order = serde_json::from_value(shown.clone()).expect("an order");
    assert_eq!(serde_json::to_value(&read).expect("a document"), shown);
    let shown = ann_after(pending());
    let read: User = serde_json::from_value(shown.clone()).expect("a user");
    assert_eq!(serde_json::to_value(&read).expect("a document"), shown);
}
