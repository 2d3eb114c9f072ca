//! The views of rows: what they hold after a small story, that they agree with the documents after
//! all actions, and what they were at any moment of the past.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use factum::{
    App, AsOf,
    store::{Append, Ledger, NewEvent, Position, Query, Read, RecordedEvent, memory::MemoryLedger},
};
use factum_sqlite::SqliteViews;
use retail::*;
use serde_json::{Value, json};

use crate::world::*;

const VIEWS: [&str; 6] =
    ["order_history", "orders", "product_sales", "products", "shipping_queue", "users"];

/// A ledger in memory with views on SQLite in a folder of its own.
struct Shop {
    app: App,
    _folder: tempfile::TempDir,
}

impl Shop {
    async fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let views = SqliteViews::open(folder.path()).expect("a view store");
        let ledger = Arc::new(MemoryLedger::new());
        let app =
            App::over(ledger, Arc::new(views)).domain(domain()).await.expect("an application");
        Self { app, _folder: folder }
    }

    async fn with(history: impl factum::Emits) -> Self {
        let shop = Self::empty().await;
        let mut events = Vec::new();
        history.emit(&mut events).expect("events");
        shop.app.ledger().append(Append::new(events)).await.expect("an append");
        shop
    }

    async fn rows(&self, view: &str) -> Vec<Value> {
        let head = self.app.ledger().head().await.expect("a head").position;
        let read = self.app.view(view).expect("the view").list().limit(10_000).after(head);
        let answer = read.deadline(std::time::Duration::from_secs(60)).await.expect("rows");
        answer.rows.iter().map(|row| serde_json::from_slice(&row.document).expect("JSON")).collect()
    }

    async fn rows_as_of(&self, view: &str, position: u64) -> Vec<Value> {
        let read = self.app.view(view).expect("the view").list().limit(10_000);
        let answer = read.as_of(AsOf::Position(Position(position))).await.expect("rows");
        assert_eq!(answer.freshness.position, Position(position));
        let interval = factum::KEYFRAME_EVERY;
        assert!(answer.replayed <= interval, "{view}: {} events replayed", answer.replayed);
        answer.rows.iter().map(|row| serde_json::from_slice(&row.document).expect("JSON")).collect()
    }
}

/// `#1` is modified, `#2` is cancelled, `#3` is returned in part, `#4` is exchanged in part, `#5` is
/// on its way, `#6` waits under a new address.
fn story() -> impl factum::Emits {
    let arrives = |id| (shipped(id), delivered(id));
    let modified = OrderItemsModified {
        order_id: order("#1"),
        swaps: vec![lamp_for("101", 200), lamp_for("102", -200), rug_for("201", 1000)],
    };
    let items = placed("#2").items;
    let cancelled = OrderCancelled { order_id: order("#2"), reason: None, items };
    let returned = OrderReturnRequested {
        order_id: order("#3"),
        items: vec![lamp("100", 1000), rug("200", 5000)],
        payment_method_id: "card".into(),
    };
    let exchanged = OrderExchangeRequested {
        order_id: order("#4"),
        swaps: vec![lamp_for("101", 200), lamp_for("100", 0)],
        payment_method_id: "card".into(),
    };
    let moved = OrderAddressModified { order_id: order("#6"), address: address("6 New Street") };
    let placed = ["#1", "#2", "#3", "#4", "#5", "#6"].map(placed).to_vec();
    (
        (catalogue(), vec![ann(), bob()], placed),
        (modified, cancelled),
        (arrives("#3"), returned),
        (arrives("#4"), exchanged),
        (shipped("#5"), moved),
    )
}

fn lamp_for(new: &str, difference_cents: i64) -> Swap {
    Swap {
        product_id: product("lamp"),
        item_id: "100".into(),
        new: variant(new, 1000 + difference_cents),
        difference_cents,
    }
}

fn rug_for(new: &str, difference_cents: i64) -> Swap {
    let new = variant(new, 5000 + difference_cents);
    Swap { product_id: product("rug"), item_id: "200".into(), new, difference_cents }
}

#[tokio::test]
async fn a_users_orders_are_listed_newest_first() {
    let shop = Shop::with(story()).await;
    let row = |order: &str, position: u64, status: &str, total_cents: i64| {
        json!({"order_id": order, "user_id": "ann", "position": position, "status": status,
            "items": 3, "total_cents": total_cents})
    };
    let expected = [
        row("#6", 10, "pending", 7000),
        row("#5", 9, "processed", 7000),
        row("#4", 8, "exchange requested", 7000),
        row("#3", 7, "return requested", 7000),
        row("#2", 6, "cancelled", 7000),
        row("#1", 5, "pending (item modified)", 8000),
    ];
    assert_eq!(shop.rows("order_history").await, expected);
    let history = shop.app.view("order_history").expect("the view");
    assert_eq!(history.get("ann").await.expect("rows").rows.len(), 6);
    assert_eq!(history.get("bob").await.expect("rows").rows.len(), 0);
}

#[tokio::test]
async fn an_order_that_is_modified_in_nothing_keeps_its_total() {
    let modified = OrderItemsModified { order_id: order("#P"), swaps: vec![] };
    let shop = Shop::with((pending(), modified)).await;
    let row = &shop.rows("order_history").await[0];
    assert_eq!(row["status"], "pending (item modified)");
    assert_eq!(row["total_cents"], 7000);
}

#[tokio::test]
async fn a_delivered_order_is_shown_as_such() {
    let shop = Shop::with(arrived()).await;
    assert_eq!(shop.rows("order_history").await[0]["status"], "delivered");
}

#[tokio::test]
async fn sales_are_net_of_what_goes_back_and_show_it_beside() {
    let shop = Shop::with(story()).await;
    // Of 12 lamps, 2 were cancelled and 1 comes back; of 6 rugs, 1 and 1.
    let lamp = json!({"product_id": "lamp", "name": "Lamp", "units": 9, "net_cents": 9200,
        "ordered_units": 12, "ordered_cents": 12000, "modified_units": 2, "modified_cents": 0,
        "cancelled_units": 2, "cancelled_cents": 2000, "returned_units": 1, "returned_cents": 1000,
        "exchanged_units": 2, "exchanged_cents": 200});
    let rug = json!({"product_id": "rug", "name": "Rug", "units": 4, "net_cents": 21000,
        "ordered_units": 6, "ordered_cents": 30000, "modified_units": 1, "modified_cents": 1000,
        "cancelled_units": 1, "cancelled_cents": 5000, "returned_units": 1, "returned_cents": 5000,
        "exchanged_units": 0, "exchanged_cents": 0});
    assert_eq!(shop.rows("product_sales").await, [rug, lamp]);
}

#[tokio::test]
async fn a_modified_order_that_is_cancelled_goes_off_at_its_new_price() {
    let modified = OrderItemsModified { order_id: order("#P"), swaps: vec![lamp_for("101", 200)] };
    let items = vec![lamp("101", 1200), rug("200", 5000), lamp("100", 1000)];
    let cancelled = OrderCancelled { order_id: order("#P"), reason: None, items };
    let shop = Shop::with((pending(), modified, cancelled)).await;
    for row in shop.rows("product_sales").await {
        assert_eq!((&row["units"], &row["net_cents"]), (&json!(0), &json!(0)), "{row}");
    }
}

#[tokio::test]
async fn the_queue_holds_what_waits_oldest_first() {
    let shop = Shop::with(story()).await;
    let row = |order: &str, position: u64, status: &str, street: &str| {
        let address = serde_json::to_value(address(street)).expect("JSON");
        json!({"order_id": order, "user_id": "ann", "position": position, "status": status,
            "address": address})
    };
    let expected = [
        row("#1", 5, "pending (item modified)", "1 Home Street"),
        row("#6", 10, "pending", "6 New Street"),
    ];
    assert_eq!(shop.rows("shipping_queue").await, expected);
}

/// The tables and the documents are projected apart, and must tell the same story.
#[tokio::test]
async fn after_all_actions_tables_and_documents_agree() {
    let shop = Shop::empty().await;
    import(&shop.app, |_| {}).await.expect("an import");
    for action in &Actions::all() {
        if action.writes {
            perform(&shop.app, action).await.expect("an action");
        }
    }
    let orders = shop.rows("orders").await;
    let users = shop.rows("users").await;
    let by_id: BTreeMap<_, _> = orders
        .iter()
        .map(|order| (order["order_id"].as_str().unwrap_or_default(), order))
        .collect();

    let history = shop.rows("order_history").await;
    assert_eq!(history.len(), orders.len());
    for user in &users {
        let id = &user["user_id"];
        let of_user = history.iter().filter(|row| row["user_id"] == *id);
        let shown: Vec<_> = of_user.map(|row| row["order_id"].clone()).rev().collect();
        assert_eq!(Value::from(shown), user["orders"], "{id}");
    }
    for row in &history {
        let order = by_id[row["order_id"].as_str().unwrap_or_default()];
        let items = order["items"].as_array().expect("items");
        let total: i64 = items.iter().map(|item| cents(&item["price"])).sum();
        assert_eq!(row["status"], order["status"]);
        assert_eq!(row["items"], items.len());
        assert_eq!(row["total_cents"], total);
    }

    let waiting =
        |row: &&Value| row["status"].as_str().is_some_and(|status| status.starts_with("pending"));
    let waiting: Vec<_> =
        history.iter().rev().filter(waiting).map(|row| &row["order_id"]).collect();
    let queue = shop.rows("shipping_queue").await;
    assert_eq!(queue.iter().map(|row| &row["order_id"]).collect::<Vec<_>>(), waiting);
    assert!(!queue.is_empty());

    let sales = shop.rows("product_sales").await;
    let products = shop.rows("products").await;
    let expected = sales_of(&orders, &products);
    assert_eq!(sales.len(), 50);
    for row in sales {
        let columns =
            ["units", "net_cents", "cancelled_units", "returned_units", "exchanged_units"];
        let actual = columns.map(|column| row[column].as_i64().unwrap_or(i64::MIN));
        assert_eq!(actual, expected[row["product_id"].as_str().unwrap_or_default()], "{row}");
    }
}

fn cents(dollars: &Value) -> i64 {
    (dollars.as_f64().unwrap_or(f64::NAN) * 100.0).round() as i64
}

/// By product: units, net cents, and units cancelled, returned, exchanged; from the documents.
fn sales_of(orders: &[Value], products: &[Value]) -> BTreeMap<String, [i64; 5]> {
    let mut sales = BTreeMap::new();
    let mut prices = BTreeMap::new();
    let mut owners = BTreeMap::new();
    for product in products {
        let id = product["product_id"].as_str().unwrap_or_default();
        sales.insert(id.to_owned(), [0; 5]);
        for (item, variant) in product["variants"].as_object().expect("variants") {
            prices.insert(item.clone(), cents(&variant["price"]));
            owners.insert(item.clone(), id);
        }
    }
    let texts = |value: &Value| -> Vec<String> {
        let values = value.as_array().map(Vec::as_slice).unwrap_or_default();
        values.iter().map(|value| value.as_str().unwrap_or_default().to_owned()).collect()
    };
    for order in orders {
        let cancelled = order["status"] == "cancelled";
        for item in order["items"].as_array().expect("items") {
            let row =
                sales.get_mut(item["product_id"].as_str().unwrap_or_default()).expect("a row");
            match cancelled {
                true => row[2] += 1,
                false => (row[0], row[1]) = (row[0] + 1, row[1] + cents(&item["price"])),
            }
        }
        for item in texts(&order["return_items"]) {
            let row = sales.get_mut(owners[&item]).expect("a row");
            (row[0], row[1], row[3]) = (row[0] - 1, row[1] - prices[&item], row[3] + 1);
        }
        for item in texts(&order["exchange_items"]) {
            let row = sales.get_mut(owners[&item]).expect("a row");
            (row[1], row[4]) = (row[1] - prices[&item], row[4] + 1);
        }
        for item in texts(&order["exchange_new_items"]) {
            sales.get_mut(owners[&item]).expect("a row")[1] += prices[&item];
        }
    }
    sales
}

/// G8: any view as of any position is what a ledger that ends there shows.
#[tokio::test]
async fn views_as_of_any_position_are_what_the_ledger_before_it_tells() {
    let actions: Vec<_> =
        Actions::test().iter().filter(|action| action.writes).take(60).cloned().collect();
    views_at_random_positions(touched_by(&actions), &actions, 200, 0x5eed_0f7e_57a1).await;
}

/// The same over a ledger that is long enough for keyframes.
#[tokio::test]
async fn views_as_of_a_position_between_keyframes_are_right_too() {
    let actions: Vec<_> = Actions::test().iter().filter(|action| action.writes).cloned().collect();
    views_at_random_positions(Data::embedded(), &actions, 12, 0x5eed_0f7e_57a2).await;
}

async fn views_at_random_positions(data: Data, actions: &[Action], count: usize, seed: u64) {
    println!("seed {seed:#x}");
    let shop = Shop::empty().await;
    import_data(&shop.app, data, |_| {}).await.expect("an import");
    for action in actions {
        perform(&shop.app, action).await.expect("an action");
    }
    shop.app.catch_up(|_, _| {}).await.expect("views at the head");
    let events = all_events(&**shop.app.ledger()).await;
    assert!(events.len() > count);

    let mut positions = BTreeSet::new();
    let mut random = seed;
    while positions.len() < count {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        positions.insert(1 + (random >> 33) as usize % events.len());
    }

    let so_far = Shop::empty().await;
    let mut recorded = 0;
    for position in positions {
        for batch in events[recorded..position].chunks(1_000) {
            let batch = Append::new(batch.iter().map(as_new));
            so_far.app.ledger().append(batch).await.expect("an append");
        }
        recorded = position;
        for view in VIEWS {
            let then = shop.rows_as_of(view, position as u64).await;
            assert_eq!(then, so_far.rows(view).await, "{view} as of {position}");
        }
    }
}

/// The data set's rows that these actions name, so that the ledger is small.
fn touched_by(actions: &[Action]) -> Data {
    let text = format!("{actions:?}");
    let mut data = Data::embedded();
    data.orders.retain(|order| text.contains(order.placed.order_id.as_str()));
    let owners: Vec<_> = data.orders.iter().map(|order| order.placed.user_id.clone()).collect();
    data.users.retain(|user| {
        let id = &user.registered.user_id;
        owners.contains(id) || text.contains(id.as_str())
    });
    data
}

pub(crate) async fn all_events(ledger: &dyn Ledger) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    loop {
        let after = events.last().map_or(Position::START, |last: &RecordedEvent| last.position);
        let page = ledger.read(Read::new(Query::everything()).after(after)).await.expect("a page");
        if page.events.is_empty() {
            return events;
        }
        events.extend(page.events);
    }
}

fn as_new(event: &RecordedEvent) -> NewEvent {
    NewEvent {
        id: Some(event.id),
        stream: None,
        event_type: event.event_type.clone(),
        tags: event.tags.clone(),
        data: event.data.clone(),
        content_type: event.content_type.clone(),
        metadata: event.metadata.clone(),
        envelope: event.envelope.clone(),
    }
}
