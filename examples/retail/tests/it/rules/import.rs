//! list_product, register_user, import_order: facts are taken over once, as they were told.

use factum::testing::given;
use retail::*;

use crate::world::*;

fn lamp_product() -> ProductListed {
    catalogue().swap_remove(0)
}

fn told() -> ImportOrder {
    let paid = settled_before("#D", vec![payment(7000, "card")]);
    ImportOrder {
        placed: placed("#D"),
        paid: Some(paid),
        shipped: vec![shipped("#D")],
        delivered: Some(delivered("#D")),
        cancelled: None,
    }
}

#[test]
fn a_product_is_listed_once() {
    given(()).when(ListProduct { listed: lamp_product() }).then(lamp_product());
    given(catalogue())
        .when(ListProduct { listed: lamp_product() })
        .refused(Known::Product("lamp".into()));
}

#[test]
fn a_user_is_registered_once() {
    given(()).when(RegisterUser { registered: ann() }).then(ann());
    given(bob()).when(RegisterUser { registered: ann() }).then(ann());
    given(ann()).when(RegisterUser { registered: ann() }).refused(Known::User("ann".into()));
}

#[test]
fn an_order_comes_with_its_story_once() {
    let paid = settled_before("#D", vec![payment(7000, "card")]);
    given(()).when(told()).then((placed("#D"), paid, shipped("#D"), delivered("#D")));
    given(arrived()).when(told()).refused(Known::Order("#D".into()));
    given(pending()).when(told()).then((
        placed("#D"),
        settled_before("#D", vec![payment(7000, "card")]),
        shipped("#D"),
        delivered("#D"),
    ));
}

#[test]
fn an_order_that_was_cancelled_was_paid_back_then() {
    let cancelled = || OrderCancelled { order_id: order("#D"), reason: None, items: vec![] };
    let back = || settled_before("#D", vec![refund(7000, "card")]);
    let told = ImportOrder { delivered: None, cancelled: Some((cancelled(), back())), ..told() };
    let paid = settled_before("#D", vec![payment(7000, "card")]);
    given(()).when(told).then((placed("#D"), paid, shipped("#D"), cancelled(), back()));
}
