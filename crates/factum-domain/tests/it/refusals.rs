//! A refusal is code, sentence and data, and comes back from what was recorded.

use factum::{Refusal, Refused};
use serde_json::json;

use crate::shop::{No, card, order, user};

#[test]
fn a_refusal_comes_back_from_its_parts() {
    let all = [
        (No::Unknown(order("o1")), "unknown", "there is no order o1", json!({ "0": "o1" })),
        (No::Cancelled, "cancelled", "it was cancelled before", json!(null)),
        (
            No::TooMuch { cents: 7, limit: 5 },
            "too-much",
            "7 cents are too much for {braces}",
            json!({ "cents": 7, "limit": 5 }),
        ),
        (
            No::NotOwned(user("u1"), card("c1")),
            "not_owned",
            "u1 does not own CardId(c1)",
            json!({ "0": "u1", "1": "c1" }),
        ),
    ];
    for (refusal, code, message, data) in all {
        let refused = Refused::of(&refusal);
        assert_eq!((refused.code.as_str(), refused.message.as_str()), (code, message));
        assert_eq!(refused.data, data);
        let recorded = serde_json::to_vec(&refused).unwrap();
        let read: Refused = serde_json::from_slice(&recorded).unwrap();
        assert_eq!(read, refused);
        assert_eq!(read.restore::<No>(), Some(refusal));
    }
}

#[test]
fn what_is_no_such_refusal_is_not_restored() {
    assert_eq!(No::from_parts("gone", &json!(null)), None);
    assert_eq!(No::from_parts("too-much", &json!({ "cents": 7 })), None);
    assert_eq!(No::from_parts("unknown", &json!({ "0": "" })), None, "ids are checked here too");
    assert!(std::convert::Infallible::from_parts("unknown", &json!(null)).is_none());
}

#[test]
fn the_catalogue_has_all_of_them() {
    let catalogue = No::catalogue();
    let fields: Vec<_> = catalogue[2].fields.iter().map(|f| (f.name, f.rust_type)).collect();
    assert_eq!(catalogue[2].code, "too-much");
    assert_eq!(catalogue[2].say, "{cents} cents are too much for {{braces}}");
    assert_eq!(fields, [("cents", "i64"), ("limit", "i64")]);
}
