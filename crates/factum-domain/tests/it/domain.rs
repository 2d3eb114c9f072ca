//! The registry: commands from JSON, and mistakes in a definition found before it is used.

use factum::{Domain, Event, Reads, document, rows};
use serde_json::json;

use crate::{
    bank::Transfer,
    shop::{CancelOrder, Order, Placed},
    versions::{Registered, RegisteredV1},
};

fn domain() -> Domain {
    Domain::new("shop")
        .decides::<CancelOrder>()
        .decides::<Transfer>()
        .event::<Registered>()
        .view(document::<Order>("orders"))
}

#[test]
fn a_command_comes_from_json_and_its_input_is_canonical() {
    let domain = domain();
    let cancel = domain.command("cancel_order").unwrap();
    let command = cancel.parse(br#"{"reason":"late","order":"o1"}"#).unwrap();
    assert_eq!(command.name(), "cancel_order");
    assert_eq!(command.input().unwrap(), json!({ "order": "o1", "reason": "late" }));
    assert_eq!(command.input().unwrap().to_string(), r#"{"order":"o1","reason":"late"}"#);
    let short = cancel.parse(br#"{"order":"o1"}"#).unwrap();
    assert_eq!(short.input().unwrap(), json!({ "order": "o1", "reason": "" }));
    assert!(command.decide(&mut Reads::new()).is_err(), "it has read nothing yet");
    assert!(domain.command("cancel").is_none());
    let names: Vec<_> = domain.commands().map(|c| c.model().command.name).collect();
    assert_eq!(names, ["cancel_order", "transfer"]);
}

#[test]
fn wrong_json_names_the_field() {
    let domain = domain();
    let says = |name: &str, json: &str| match domain.command(name).unwrap().parse(json.as_bytes()) {
        Ok(_) => panic!("accepted {json}"),
        Err(invalid) => (invalid.field, invalid.problem),
    };
    let missing = says("cancel_order", "{}");
    assert_eq!(missing, ("order".into(), "is missing".into()));
    let (field, problem) = says("cancel_order", r#"{"order":"o1","why":1}"#);
    assert_eq!(field, "why");
    assert_eq!(problem, "is not a field of it: expected `order` or `reason`");
    let (field, problem) = says("cancel_order", r#"{"order":7}"#);
    assert_eq!(field, "order");
    assert!(problem.starts_with("is not valid: invalid type: integer `7`, expected"), "{problem}");
    let (field, problem) = says("cancel_order", r#"{"order":""}"#);
    assert_eq!(field, "order");
    assert!(problem.contains("is empty"), "{problem}");
    assert_eq!(says("cancel_order", r#"{"order":"o1"} x"#).0, "input");
    assert_eq!(says("cancel_order", "[").0, "input");
    let transfer = r#"{"from":"00000000-0000-0000-0000-000000000001","to":"x","cents":1}"#;
    assert_eq!(says("transfer", transfer).0, "to");
}

#[test]
fn a_path_goes_into_what_is_nested() {
    #[derive(Debug, serde::Deserialize, serde::Serialize)]
    #[serde(deny_unknown_fields)]
    pub struct Line {
        sku: String,
    }
    #[derive(factum::Command, Debug)]
    pub struct Place {
        lines: Vec<Line>,
    }
    let says = |json: &str| {
        let invalid = factum::parse_command::<Place>(json.as_bytes()).unwrap_err();
        (invalid.field, invalid.problem)
    };
    let place = factum::parse_command::<Place>(br#"{"lines":[{"sku":"a"}]}"#).unwrap();
    assert_eq!(place.lines[0].sku, "a");
    assert_eq!(says(r#"{"lines":[{"sku":"a"},{}]}"#), ("lines[1].sku".into(), "is missing".into()));
    assert_eq!(says(r#"{"lines":[{"sku":1}]}"#).0, "lines[0].sku");
    assert_eq!(says(r#"{"lines":[{"sku":"a","n":1}]}"#).0, "lines[0].n");
}

#[test]
fn the_events_are_those_of_deciders_and_older_versions() {
    let domain = domain();
    let events: Vec<_> = domain.events().map(|m| (m.event_type, m.version)).collect();
    let expected = [
        ("account.deposited", 1),
        ("account.withdrawn", 1),
        ("card.refilled", 1),
        ("order.cancelled", 1),
        ("order.placed", 1),
        ("user.credited", 1),
        ("user.registered", 1),
        ("user.registered", 2),
        ("user.registered", 3),
    ];
    assert_eq!(events, expected);
    assert_eq!(domain.check(), Ok(()));
    assert_eq!(domain.view_named("orders").unwrap().name().as_str(), "orders");
}

#[derive(Event)]
#[event("user.registered")]
pub struct Impostor {
    pub other: String,
}

#[test]
fn mistakes_in_a_definition_are_named() {
    let says = |domain: Domain| domain.check().unwrap_err().to_string();
    assert_eq!(says(domain().decides::<Transfer>()), "command transfer is registered twice");
    assert_eq!(says(domain().view(document::<Order>("orders"))), "view orders is registered twice");
    assert_eq!(
        says(Domain::new("x").event::<RegisteredV1>().event::<Impostor>()),
        "event user.registered version 1 is defined twice, in two shapes; two structs share its type"
    );
    let bad = rows("bad", "…").key("a").order(["a"]).on::<Placed>(":no");
    assert!(says(domain().view(bad)).starts_with("view bad names :no"));
}
