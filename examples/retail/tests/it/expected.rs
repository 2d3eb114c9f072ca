//! The data set's ground truth: what should come of the `test-*` actions on a fresh copy, and of
//! all actions; and an import that is killed and run again.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use factum::{
    App, Domain, document,
    store::{
        Ledger,
        memory::{MemoryLedger, MemoryViewStore},
    },
};
use retail::*;
use serde_json::Value;

const OUTCOMES: &str = include_str!("../../data/expected/test_outcomes.jsonl");
const FINAL_STATE: &str = include_str!("../../data/expected/test_final_state.jsonl");

/// Ledger and views in memory, which keeps documents only.
async fn in_memory() -> App {
    over(Arc::new(MemoryLedger::new())).await
}

async fn over(ledger: Arc<dyn Ledger>) -> App {
    let views = Arc::new(MemoryViewStore::new());
    App::over(ledger, views).domain(without_rows()).await.expect("an application in memory")
}

fn without_rows() -> Domain {
    Domain::new("retail")
        .decides::<ListProduct>()
        .decides::<RegisterUser>()
        .decides::<ImportOrder>()
        .decides::<CancelPendingOrder>()
        .decides::<ModifyPendingOrderItems>()
        .decides::<ModifyPendingOrderAddress>()
        .decides::<ModifyPendingOrderPayment>()
        .decides::<ExchangeDeliveredOrderItems>()
        .decides::<ReturnDeliveredOrderItems>()
        .decides::<ModifyUserAddress>()
        .view(document::<Product>("products"))
        .view(document::<User>("users"))
        .view(document::<Order>("orders"))
}

/// The embedded engine, with views on SQLite.
async fn in_a_folder(folder: &tempfile::TempDir) -> App {
    let path = folder.path().join("data").display().to_string();
    App::open(path).ledger("retail").domain(domain()).await.expect("an embedded application")
}

/// Numbers in cents: comparing them is comparing dollars rounded to cents.
fn in_cents(value: &Value) -> Value {
    match value {
        Value::Number(dollars) => dollars.as_f64().map(|d| (d * 100.0).round() as i64).into(),
        Value::Array(values) => values.iter().map(in_cents).collect(),
        Value::Object(fields) => {
            let sorted: BTreeMap<_, _> =
                fields.iter().map(|(k, v)| (k.clone(), in_cents(v))).collect();
            sorted.into_iter().collect::<serde_json::Map<_, _>>().into()
        }
        other => other.clone(),
    }
}

/// Every document of a view by its key, in cents.
async fn documents(app: &App, view: &str) -> BTreeMap<String, Value> {
    let head = app.ledger().head().await.expect("a head").position;
    let read = app.view(view).expect("the view").list().limit(10_000).after(head);
    let answer = read.deadline(std::time::Duration::from_secs(60)).await.expect("all rows");
    assert_eq!(answer.next, None);
    let rows = answer.rows.iter().map(|row| {
        let document = serde_json::from_slice(&row.document).expect("a document");
        (row.key.clone(), in_cents(&document))
    });
    rows.collect()
}

type State = BTreeMap<(String, String), Value>;

async fn state(app: &App) -> State {
    let mut state = State::new();
    for (kind, view) in [("order", "orders"), ("product", "products"), ("user", "users")] {
        let documents = documents(app, view).await;
        state.extend(documents.into_iter().map(|(id, document)| ((kind.to_owned(), id), document)));
    }
    state
}

/// The writing actions' outcomes: their keys, and `accepted` or the reason.
async fn outcomes(app: &App, actions: &Actions) -> Vec<(String, String)> {
    let mut outcomes = Vec::new();
    for action in actions {
        let outcome = match perform(app, action).await.expect("an action that can be performed") {
            Performed::Accepted => "accepted".to_owned(),
            Performed::Refused(reason) => reason,
            Performed::Answered(_) | Performed::Skipped => {
                assert!(!action.writes, "{} writes", action.name);
                continue;
            }
        };
        assert!(action.writes, "{} does not write", action.name);
        outcomes.push((action.key(), outcome));
    }
    outcomes
}

async fn the_test_tasks_come_to_what_the_data_set_says(app: &App) {
    import(app, |_| {}).await.expect("an import");
    let before = state(app).await;
    let expected = OUTCOMES.lines().map(|line| {
        let row: Value = serde_json::from_str(line).expect("an outcome");
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        let key = format!("{}/{}", text("task"), row["step"]);
        (key, if row["outcome"] == "accepted" { "accepted".into() } else { text("reason") })
    });
    let expected: Vec<_> = expected.collect();
    assert_eq!(expected.len(), 178);
    assert_eq!(outcomes(app, &Actions::test()).await, expected);

    let after = state(app).await;
    let changed: State = after.into_iter().filter(|(id, now)| before[id] != *now).collect();
    let expected = FINAL_STATE.lines().map(|line| {
        let row: Value = serde_json::from_str(line).expect("a row");
        let text = |field: &str| row[field].as_str().unwrap_or_default().to_owned();
        ((text("kind"), text("id")), in_cents(&row["state"]))
    });
    let expected: State = expected.collect();
    assert_eq!(expected.len(), 103);
    let ids = |state: &State| state.keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(ids(&changed), ids(&expected));
    for (id, expected) in &expected {
        assert_eq!(&changed[id], expected, "{id:?}");
    }
}

/// What an independent program, written from the data set's rules, came to over all actions.
async fn all_actions_come_to_what_an_independent_program_says(app: &App) {
    import(app, |_| {}).await.expect("an import");
    let actions = Actions::all();
    assert_eq!(actions.len(), 1_350);
    let outcomes = outcomes(app, &actions).await;
    let accepted = outcomes.iter().filter(|(_, outcome)| outcome == "accepted").count();
    assert_eq!((outcomes.len(), accepted, outcomes.len() - accepted), (946, 541, 405));
    let lines = outcomes.iter().map(|(key, outcome)| format!("{key} {outcome}"));
    assert_eq!(digest(lines), 0x9477_ecfc_f95a_ffd6);
    for (view, count, expected) in [
        ("orders", 1_000, 0x165a_dc38_5516_a83b_u64),
        ("products", 50, 0xaf7a_c7f4_f1fd_55fe),
        ("users", 500, 0xf412_7d42_2e9e_f932),
    ] {
        let documents = documents(app, view).await;
        assert_eq!(documents.len(), count);
        assert_eq!(digest(documents.values().map(Value::to_string)), expected, "{view}");
    }
}

/// FNV-1a over lines.
fn digest(lines: impl Iterator<Item = String>) -> u64 {
    let bytes = lines.flat_map(|line| (line + "\n").into_bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |digest, byte| {
        (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[tokio::test]
async fn test_tasks_in_memory() {
    the_test_tasks_come_to_what_the_data_set_says(&in_memory().await).await;
}

#[tokio::test]
async fn all_actions_in_memory() {
    all_actions_come_to_what_an_independent_program_says(&in_memory().await).await;
}

#[tokio::test]
async fn test_tasks_embedded() {
    let folder = tempfile::tempdir().expect("a folder");
    let app = in_a_folder(&folder).await;
    the_test_tasks_come_to_what_the_data_set_says(&app).await;
}

/// Run again after it was closed, all actions are answered from their receipts: nothing changes.
#[tokio::test]
async fn all_actions_embedded_and_once_more_after_reopening() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut heads = Vec::new();
    for _ in 0..2 {
        let app = in_a_folder(&folder).await;
        all_actions_come_to_what_an_independent_program_says(&app).await;
        heads.push(app.ledger().head().await.expect("a head"));
        app.close().await;
    }
    assert_eq!(heads[0], heads[1]);
}

/// Each document right after the import is the data set's own row.
#[tokio::test]
async fn the_import_shows_the_data_set_as_it_is() {
    let app = in_memory().await;
    let mut last = Progress { done: 0, of: 0 };
    import(&app, |progress| {
        assert_eq!(progress.done, last.done + 1);
        last = progress;
    })
    .await
    .expect("an import");
    assert_eq!(last, Progress { done: 1_550, of: 1_550 });
    let files = [
        ("products", "product_id", include_str!("../../data/products.jsonl")),
        ("users", "user_id", include_str!("../../data/users.jsonl")),
        ("orders", "order_id", include_str!("../../data/orders.jsonl")),
    ];
    for (view, id, rows) in files {
        let shown = documents(&app, view).await;
        assert_eq!(shown.len(), rows.lines().count());
        for row in rows.lines() {
            let row: Value = serde_json::from_str(row).expect("a row");
            let id = row[id].as_str().unwrap_or_default();
            assert_eq!(shown[id], in_cents(&row), "{view} {id}");
        }
    }
}

/// G5: killed anywhere and run again, an import records what an undisturbed one does.
#[tokio::test]
async fn an_import_that_is_killed_goes_on_where_it_stopped() {
    let undisturbed = Arc::new(MemoryLedger::new());
    import(&over(undisturbed.clone()).await, |_| {}).await.expect("an import");
    let head = undisturbed.head().await.expect("a head").position;

    let ledger = Arc::new(MemoryLedger::new());
    for stop_after in [1, 49, 50, 51, 600, 1_549, 1_550] {
        let app = over(ledger.clone()).await;
        let (reached, at) = std::sync::mpsc::channel();
        let killed = tokio::spawn(async move {
            import(&app, |progress| {
                if progress.done == stop_after {
                    reached.send(progress.done).expect("somebody waits");
                    panic!("killed on purpose");
                }
            })
            .await
        });
        assert!(killed.await.is_err_and(|e| e.is_panic()));
        assert_eq!(at.try_recv(), Ok(stop_after));
    }
    import(&over(ledger.clone()).await, |_| {}).await.expect("an import");
    assert_eq!(ledger.head().await.expect("a head").position, head, "nothing came in twice");
}

#[tokio::test]
async fn look_ups_answer_from_the_views() {
    let app = in_memory().await;
    import(&app, |_| {}).await.expect("an import");
    let (mut answered, mut skipped) = (BTreeMap::new(), 0);
    for action in Actions::all().iter().filter(|action| !action.writes) {
        match perform(&app, action).await.expect("a look-up") {
            Performed::Answered(answer) => {
                answered.entry(action.name.clone()).or_insert_with(Vec::new).push(answer)
            }
            Performed::Skipped => skipped += 1,
            other => panic!("{}: {other:?}", action.name),
        }
    }
    assert_eq!(skipped, 18);
    let count = |name: &str| answered[name].len();
    assert_eq!(count("get_order_details"), 171);
    assert_eq!(count("get_user_details"), 59);
    assert_eq!(count("get_product_details"), 73);
    assert_eq!(count("list_all_product_types"), 6);
    assert_eq!(count("find_user_id_by_email"), 15);
    assert_eq!(count("find_user_id_by_name_zip"), 62);
    let found = &answered["find_user_id_by_name_zip"][0];
    assert_eq!(found, &Some(Value::from("yusuf_rossi_9620")));
    let types = answered["list_all_product_types"][0].as_ref().expect("product types");
    assert_eq!(types.as_object().map(serde_json::Map::len), Some(50));
    assert_eq!(types["T-Shirt"], "9523456873");
}
