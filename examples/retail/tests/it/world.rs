//! A small shop, in which each rule can be broken alone.

use std::collections::BTreeMap;

use retail::*;

pub(crate) fn order(id: &str) -> OrderId {
    OrderId::new(id).expect("an order id")
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::new(id).expect("a user id")
}

pub(crate) fn product(id: &str) -> ProductId {
    ProductId::new(id).expect("a product id")
}

pub(crate) fn texts(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

pub(crate) fn variant(item_id: &str, price_cents: i64) -> Variant {
    let options = BTreeMap::from([("colour".to_owned(), format!("colour of {item_id}"))]);
    Variant { item_id: item_id.into(), options, available: true, price_cents }
}

/// Lamps are 1xx, rugs are 2xx; lamp 109 is not available.
pub(crate) fn catalogue() -> Vec<ProductListed> {
    let listed = |id, name: &str, variants: Vec<Variant>| ProductListed {
        product_id: product(id),
        name: name.into(),
        variants: variants.into_iter().map(|v| (v.item_id.clone(), v)).collect(),
    };
    let gone = Variant { available: false, ..variant("109", 900) };
    let lamps = vec![variant("100", 1000), variant("101", 1200), variant("102", 800), gone];
    let rugs = vec![variant("200", 5000), variant("201", 6000)];
    vec![listed("lamp", "Lamp", lamps), listed("rug", "Rug", rugs)]
}

pub(crate) fn address(street: &str) -> Address {
    let text = |text: &str| text.to_owned();
    Address {
        address1: text(street),
        address2: text(""),
        city: text("Bonn"),
        country: text("Germany"),
        state: text("NW"),
        zip: text("53111"),
    }
}

/// Ann pays by card, by PayPal, or by a gift card with 5 dollars on it.
pub(crate) fn ann() -> UserRegistered {
    let methods = [
        PaymentMethod::CreditCard {
            id: "card".into(),
            brand: "visa".into(),
            last_four: "1234".into(),
        },
        PaymentMethod::Paypal { id: "paypal".into() },
        PaymentMethod::GiftCard { id: "gift".into(), balance_cents: 500 },
    ];
    UserRegistered {
        user_id: user("ann"),
        name: Name { first_name: "Ann".into(), last_name: "Ott".into() },
        address: address("1 Home Street"),
        email: "ann@example.com".into(),
        payment_methods: ["card", "paypal", "gift"]
            .map(str::to_owned)
            .into_iter()
            .zip(methods)
            .collect(),
    }
}

/// Bob has a gift card of his own, with plenty on it.
pub(crate) fn bob() -> UserRegistered {
    let gift = PaymentMethod::GiftCard { id: "bobs_gift".into(), balance_cents: 100_000 };
    UserRegistered {
        user_id: user("bob"),
        payment_methods: BTreeMap::from([("bobs_gift".to_owned(), gift)]),
        ..ann()
    }
}

pub(crate) fn lamp(item_id: &str, price_cents: i64) -> Item {
    let Variant { item_id, options, price_cents, .. } = variant(item_id, price_cents);
    Item { name: "Lamp".into(), product_id: product("lamp"), item_id, price_cents, options }
}

pub(crate) fn rug(item_id: &str, price_cents: i64) -> Item {
    Item { name: "Rug".into(), product_id: product("rug"), ..lamp(item_id, price_cents) }
}

/// Ann orders two of the same lamp and a rug: 70 dollars.
pub(crate) fn placed(order_id: &str) -> OrderPlaced {
    OrderPlaced {
        order_id: order(order_id),
        user_id: user("ann"),
        address: address("1 Home Street"),
        items: vec![lamp("100", 1000), rug("200", 5000), lamp("100", 1000)],
    }
}

pub(crate) fn payment(amount_cents: i64, method: &str) -> Transaction {
    let payment_method_id = method.to_owned();
    Transaction { transaction_type: TransactionType::Payment, amount_cents, payment_method_id }
}

pub(crate) fn refund(amount_cents: i64, method: &str) -> Transaction {
    Transaction { transaction_type: TransactionType::Refund, ..payment(amount_cents, method) }
}

/// Settled before the order came to us: no balance changes.
pub(crate) fn settled_before(order_id: &str, transactions: Vec<Transaction>) -> OrderSettled {
    OrderSettled { order_id: order(order_id), user_id: None, transactions }
}

/// Settled with Ann: the balance of her gift card changes.
pub(crate) fn settled(order_id: &str, transactions: Vec<Transaction>) -> OrderSettled {
    OrderSettled { user_id: Some(user("ann")), ..settled_before(order_id, transactions) }
}

pub(crate) fn shipped(order_id: &str) -> OrderShipped {
    let parcel =
        Fulfillment { tracking_id: texts(&["t1"]), item_ids: texts(&["100", "200", "100"]) };
    OrderShipped { order_id: order(order_id), fulfillment: parcel }
}

pub(crate) fn delivered(order_id: &str) -> OrderDelivered {
    OrderDelivered { order_id: order(order_id) }
}

pub(crate) type Pending = (Vec<ProductListed>, Vec<UserRegistered>, OrderPlaced, OrderSettled);

/// A pending order `#P`, paid by this method.
pub(crate) fn pending_by(method: &str) -> Pending {
    let paid = settled_before("#P", vec![payment(7000, method)]);
    (catalogue(), vec![ann(), bob()], placed("#P"), paid)
}

pub(crate) fn pending() -> Pending {
    pending_by("card")
}

pub(crate) type Delivered = (
    Vec<ProductListed>,
    Vec<UserRegistered>,
    OrderPlaced,
    OrderSettled,
    OrderShipped,
    OrderDelivered,
);

/// A delivered order `#D`, paid by card.
pub(crate) fn arrived() -> Delivered {
    let paid = settled_before("#D", vec![payment(7000, "card")]);
    (catalogue(), vec![ann(), bob()], placed("#D"), paid, shipped("#D"), delivered("#D"))
}
