//! Views are pure functions of events, and their fingerprint covers what decides their rows.

use factum::{Event, IntoView, Projection, View, document, new_event, rows, testing::recorded};
use factum_store::{Change, NewEvent, RecordedEvent, Shape, Value};
use serde_json::json;

use crate::{
    shop::{Cancelled, Order, Placed, cancelled, placed},
    versions::{Registered, RegisteredV1, UserId},
};

fn one(event: NewEvent) -> RecordedEvent {
    recorded(vec![event]).remove(0)
}

fn view(view: impl IntoView) -> View {
    view.into_view().unwrap()
}

fn executed(view: &View, event: &RecordedEvent) -> Vec<(&'static str, Vec<(&'static str, Value)>)> {
    let Projection::Rows(rows) = view.projection() else { panic!("not rows") };
    let changes = rows.changes(event).unwrap().into_iter().map(|change| match change {
        Change::Execute(statement) => (statement.sql, statement.parameters),
        other => panic!("{other:?}"),
    });
    changes.collect()
}

#[test]
fn a_document_is_the_fold_and_goes_on_from_its_json() {
    let orders = view(document::<Order>("orders").keyframe_every(50));
    assert_eq!((orders.name().as_str(), orders.keyframe_every()), ("orders", 50));
    assert_eq!(orders.spec().shape, Shape::Documents);
    let Projection::Documents(documents) = orders.projection() else { panic!("not documents") };
    let first = one(new_event(&placed("o1", Some("u1"), &[])).unwrap());
    let second = one(new_event(&cancelled("o1")).unwrap());
    assert!(orders.query().matches(&first) && orders.query().matches(&second));
    assert_eq!(documents.keys(&first), ["o1"]);
    let mut document = documents.document("o1", None).unwrap();
    document.apply(&first).unwrap();
    let kept = document.json().unwrap();
    let mut document = documents.document("o1", Some(&kept)).unwrap();
    document.apply(&second).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&document.json().unwrap()).unwrap();
    let expected =
        json!({ "placed": true, "cancelled": true, "user": "u1", "cards": [], "cents": 700 });
    assert_eq!(json, expected);
    let Err(error) = documents.document("o1", Some(b"{")) else { panic!("read a broken document") };
    assert!(error.to_string().starts_with("view orders has a document \"o1\" that can't be read"));
}

fn sales() -> factum::RowsBuilder {
    rows("sales", "create table sales (product text primary key)").key("product").order(["product"])
}

#[test]
fn statements_get_the_fields_that_they_name() {
    let sales = view(sales().on::<Placed>(
        "insert into sales select :order, :cents; -- :nothing\n update x set y = :user, z = :cards, p = :position, i = :event_id, r = :recorded_at where ':cents' = 1;",
    ));
    let event = one(new_event(&placed("o1", None, &["c1"])).unwrap());
    let text = |text: &str| Value::Text(text.into());
    let id = event.id.to_string();
    let expected = vec![
        (
            "insert into sales select :order, :cents",
            vec![("order", text("o1")), ("cents", Value::Integer(700))],
        ),
        (
            "-- :nothing\n update x set y = :user, z = :cards, p = :position, i = :event_id, r = :recorded_at where ':cents' = 1",
            vec![
                ("user", Value::Null),
                ("cards", Value::Json("[\"c1\"]".into())),
                ("position", Value::Integer(1)),
                ("event_id", text(&id)),
                ("recorded_at", Value::Integer(1)),
            ],
        ),
    ];
    assert_eq!(executed(&sales, &event), expected);
    let other = one(new_event(&cancelled("o1")).unwrap());
    assert_eq!(executed(&sales, &other), vec![]);
    assert!(!sales.query().matches(&other));
}

#[test]
fn statements_get_old_events_as_the_newest_version() {
    let users = rows("users", "…").key("id").order(["id"]).on::<Registered>("x :names");
    let old = RegisteredV1 { user: UserId::new("ann").unwrap(), name: "Ann Lee".into() };
    let changes = executed(&view(users), &one(new_event(&old).unwrap()));
    assert_eq!(changes, [("x :names", vec![("names", Value::Json("[\"Ann\",\"Lee\"]".into()))])]);
}

#[derive(Event)]
#[event("measured")]
pub struct Measured {
    pub yes: bool,
    pub ratio: f64,
    pub big: u64,
    pub inner: std::collections::BTreeMap<String, i64>,
    #[serde(rename = "type")]
    pub kind: String,
}

fn measured(big: u64) -> RecordedEvent {
    let inner = [("a".to_owned(), 1)].into();
    one(new_event(&Measured { yes: true, ratio: 0.5, big, inner, kind: "k".into() }).unwrap())
}

#[test]
fn scalars_are_scalars_and_the_rest_is_json() {
    let all = rows("m", "…").key("k").order(["k"]).on::<Measured>(":yes :ratio :big :inner :type");
    let all = view(all);
    let parameters = vec![
        ("yes", Value::Integer(1)),
        ("ratio", Value::Real(0.5)),
        ("big", Value::Integer(9)),
        ("inner", Value::Json("{\"a\":1}".into())),
        ("type", Value::Text("k".into())),
    ];
    assert_eq!(executed(&all, &measured(9)), [(":yes :ratio :big :inner :type", parameters)]);
    let Projection::Rows(rows) = all.projection() else { panic!("not rows") };
    assert_eq!(
        rows.changes(&measured(u64::MAX)).unwrap_err().to_string(),
        "view m can't apply measured version 1 at position 1: big is beyond what SQL can hold"
    );
    let mut broken = measured(1);
    broken.data = "[]".into();
    let error = rows.changes(&broken).unwrap_err().to_string();
    assert!(error.starts_with("view m can't apply measured version 1 at position 1: "), "{error}");
}

#[test]
fn mistakes_in_a_definition_are_found_before_any_event() {
    let problem = |view: factum::RowsBuilder| match view.into_view() {
        Ok(_) => panic!("accepted"),
        Err(invalid) => invalid.to_string(),
    };
    assert_eq!(
        problem(sales().on::<Placed>("insert :cent")),
        "view sales names :cent, which order.placed does not have; it has :order, :user, :cards, :cents, :position, :recorded_at, :event_id"
    );
    assert_eq!(
        problem(sales().on::<Placed>("-- none")),
        "view sales has no statement for order.placed"
    );
    assert!(problem(sales()).contains("heeds no event"));
    assert!(problem(rows("sales", "…").order(["a"]).on::<Placed>("x")).contains("has no key"));
    assert!(problem(rows("sales", "…").key("a").on::<Placed>("x")).contains("has no order"));
    assert!(problem(rows("Sales", "…")).starts_with("view must be"));
}

#[test]
fn a_fingerprint_changes_with_whatever_decides_the_rows() {
    let base = view(sales().on::<Placed>("x :order")).spec().fingerprint;
    let same = view(sales().on::<Placed>("x :order").keyframe_every(7)).spec().fingerprint;
    assert_eq!(base, same);
    let others = [
        sales().on::<Placed>("x :cents"),
        sales().on::<Cancelled>("x :order"),
        sales().on::<Measured>("x :big"),
        sales().key("other").on::<Placed>("x :order"),
        sales().order(["product desc"]).on::<Placed>("x :order"),
        rows("sales", "create table b (c)")
            .key("product")
            .order(["product"])
            .on::<Placed>("x :order"),
    ];
    for other in others {
        assert_ne!(view(other).spec().fingerprint, base);
    }
}
