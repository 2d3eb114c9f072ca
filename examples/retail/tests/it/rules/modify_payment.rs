//! modify_pending_order_payment

use factum::testing::given;
use retail::*;

use crate::world::*;

fn modify(order_id: &str, method: &str) -> ModifyPendingOrderPayment {
    ModifyPendingOrderPayment { order_id: order(order_id), payment_method_id: method.into() }
}

fn modified(method: &str) -> OrderPaymentModified {
    OrderPaymentModified { order_id: order("#P"), payment_method_id: method.into() }
}

/// A pending order that costs what Ann's gift card holds.
fn cheap(cents: i64) -> Pending {
    let (products, users, placed, _) = pending();
    (products, users, placed, settled_before("#P", vec![payment(cents, "card")]))
}

#[test]
fn an_order_that_does_not_exist_is_not_found() {
    given(pending()).when(modify("#X", "paypal")).refused(No::OrderNotFound);
}

#[test]
fn only_a_pending_order_can_be_modified() {
    given(arrived()).when(modify("#D", "paypal")).refused(No::NotModifiable);
    let swapped = OrderItemsModified { order_id: order("#P"), swaps: vec![] };
    given((pending(), swapped)).when(modify("#P", "paypal")).refused(No::NotModifiable);
}

#[test]
fn the_payment_method_is_the_owners() {
    for method in ["unknown", "bobs_gift"] {
        given(pending()).when(modify("#P", method)).refused(No::PaymentMethodNotFound);
    }
}

#[test]
fn the_history_is_one_single_payment() {
    let again = settled("#P", vec![payment(7000, "paypal"), refund(7000, "card")]);
    given((pending(), again)).when(modify("#P", "gift")).refused(No::NotOnePayment);
    let (products, users, placed, _) = pending();
    let unpaid = || (products.clone(), users.clone(), placed.clone());
    given(unpaid()).when(modify("#P", "paypal")).refused(No::NotOnePayment);
    let refunded = settled_before("#P", vec![refund(7000, "card")]);
    given((unpaid(), refunded)).when(modify("#P", "paypal")).refused(No::NotOnePayment);
}

#[test]
fn the_method_differs() {
    given(pending()).when(modify("#P", "card")).refused(No::SamePaymentMethod);
    given(pending_by("gift")).when(modify("#P", "gift")).refused(No::SamePaymentMethod);
}

#[test]
fn a_gift_card_covers_the_amount() {
    let short = || No::InsufficientBalance("the order".into());
    given(pending()).when(modify("#P", "gift")).refused(short());
    given(cheap(501)).when(modify("#P", "gift")).refused(short());
    given(cheap(500))
        .when(modify("#P", "gift"))
        .then((modified("gift"), settled("#P", vec![payment(500, "gift"), refund(500, "card")])));
}

#[test]
fn a_payment_by_the_new_method_then_a_refund_to_the_old_one() {
    given(pending_by("gift")).when(modify("#P", "paypal")).then((
        modified("paypal"),
        settled("#P", vec![payment(7000, "paypal"), refund(7000, "gift")]),
    ));
}

#[test]
fn the_rules_are_checked_in_the_data_sets_order() {
    given(arrived()).when(modify("#D", "unknown")).refused(No::NotModifiable);
    let again = settled("#P", vec![payment(7000, "paypal"), refund(7000, "card")]);
    given((pending(), again.clone()))
        .when(modify("#P", "unknown"))
        .refused(No::PaymentMethodNotFound);
    given((pending(), again)).when(modify("#P", "card")).refused(No::NotOnePayment);
    let (products, users, placed, _) = pending();
    let refunded = settled_before("#P", vec![refund(7000, "card")]);
    given((products, users, placed, refunded))
        .when(modify("#P", "card"))
        .refused(No::NotOnePayment);
}
