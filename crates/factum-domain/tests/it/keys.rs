//! Ids and keys: checked where they are made, and their text can be read back.

use factum::{Id, Key};
use factum_store::Tag;

use crate::{
    bank::AccountId,
    shop::{OrderId, UserId, order, user},
};

#[test]
fn a_text_id_is_checked_wherever_it_comes_from() {
    let long = "x".repeat(201);
    for bad in ["", "a\nb", "\u{85}", long.as_str()] {
        assert!(OrderId::new(bad).is_err(), "{bad:?}");
        assert!(bad.parse::<OrderId>().is_err(), "{bad:?}");
        let json = serde_json::to_string(bad).unwrap();
        assert!(serde_json::from_str::<OrderId>(&json).is_err(), "{bad:?}");
    }
    let longest = "ö".repeat(100);
    assert_eq!(order(&longest).tag().as_str(), format!("order:{longest}"));
    assert_eq!(
        OrderId::new("").unwrap_err().to_string(),
        "order is empty; it needs at least one character"
    );
}

#[test]
fn a_uuid_id_is_its_text_in_json_and_in_tags() {
    let id = AccountId::from(uuid::Uuid::from_u128(7));
    let text = "00000000-0000-0000-0000-000000000007";
    assert_eq!(id.to_string(), text);
    assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{text}\""));
    assert_eq!(serde_json::from_str::<AccountId>(&format!("\"{text}\"")).unwrap(), id);
    assert_eq!(id.tag().as_str(), format!("account:{text}"));
    assert!("7".parse::<AccountId>().is_err());
    assert_eq!(format!("{id:?}"), format!("AccountId({text})"));
}

#[test]
fn the_text_of_a_pair_is_injective_and_read_back() {
    let parts = ["a", ",", "\\", "\\,", "a,b", "a\\", ",\\", "all"];
    let mut texts = std::collections::BTreeSet::new();
    for a in parts {
        for b in parts {
            let pair = (order(a), user(b));
            assert_eq!(<(OrderId, UserId)>::parse(&pair.text()).unwrap(), pair);
            assert!(texts.insert(pair.text()), "{a:?} {b:?}");
        }
    }
    assert!(<(OrderId, UserId)>::parse("no comma").is_err());
    assert!(<(OrderId, UserId)>::parse(",").is_err());
}

#[test]
fn the_whole_ledger_is_one_key() {
    assert_eq!(<()>::parse(&().text()), Ok(()));
    assert!(<()>::parse("some").is_err());
    assert_eq!(<()>::found_in(&[]), [()]);
}

#[test]
fn keys_are_found_in_tags() {
    let tags: Vec<Tag> = ["order:o1", "order:o2", "orders:o3", "user:u1", "order"]
        .map(|t| t.parse().unwrap())
        .to_vec();
    assert_eq!(OrderId::found_in(&tags), [order("o1"), order("o2")]);
    assert_eq!(
        <(OrderId, UserId)>::found_in(&tags),
        [(order("o1"), user("u1")), (order("o2"), user("u1"))]
    );
    assert_eq!(AccountId::found_in(&["account:not-a-uuid".parse().unwrap()]), []);
    let pair = (order("o1"), user("u1"));
    let carried: Vec<_> = pair.tags().iter().map(ToString::to_string).collect();
    assert_eq!(carried, ["order:o1", "user:u1"]);
}
