//! return_delivered_order_items

use factum::testing::given;
use retail::*;

use crate::world::*;

fn give_back(order_id: &str, items: &[&str], method: &str) -> ReturnDeliveredOrderItems {
    ReturnDeliveredOrderItems {
        order_id: order(order_id),
        item_ids: texts(items),
        payment_method_id: method.into(),
    }
}

fn requested(items: Vec<Item>, method: &str) -> OrderReturnRequested {
    OrderReturnRequested { order_id: order("#D"), items, payment_method_id: method.into() }
}

#[test]
fn an_order_that_does_not_exist_is_not_found() {
    given(arrived()).when(give_back("#X", &["100"], "card")).refused(No::OrderNotFound);
}

#[test]
fn only_a_delivered_order_can_be_returned() {
    given(pending()).when(give_back("#P", &["100"], "card")).refused(No::NotReturnable);
    given((pending(), shipped("#P")))
        .when(give_back("#P", &["100"], "card"))
        .refused(No::NotReturnable);
    given((arrived(), requested(vec![], "card")))
        .when(give_back("#D", &["100"], "card"))
        .refused(No::NotReturnable);
}

#[test]
fn the_payment_method_is_the_owners() {
    for method in ["unknown", "bobs_gift"] {
        given(arrived()).when(give_back("#D", &["100"], method)).refused(No::PaymentMethodNotFound);
    }
}

#[test]
fn the_refund_goes_to_a_gift_card_or_back_where_the_money_came_from() {
    given(arrived()).when(give_back("#D", &["100"], "paypal")).refused(No::NotOriginalOrGiftCard);
    for method in ["card", "gift"] {
        given(arrived())
            .when(give_back("#D", &["100"], method))
            .then(requested(vec![lamp("100", 1000)], method));
    }
}

#[test]
fn the_money_came_from_the_first_payment() {
    let changed = settled("#D", vec![payment(7000, "paypal"), refund(7000, "card")]);
    given((arrived(), changed))
        .when(give_back("#D", &["100"], "paypal"))
        .refused(No::NotOriginalOrGiftCard);
}

#[test]
fn items_are_in_the_order_as_often_as_they_are_named() {
    given(arrived()).when(give_back("#D", &["102"], "card")).refused(No::SomeItemNotFound);
    given(arrived())
        .when(give_back("#D", &["100", "100", "100"], "card"))
        .refused(No::SomeItemNotFound);
    given(arrived())
        .when(give_back("#D", &["200", "100", "100"], "card"))
        .then(requested(vec![rug("200", 5000), lamp("100", 1000), lamp("100", 1000)], "card"));
}

#[test]
fn the_rules_are_checked_in_the_data_sets_order() {
    given(pending()).when(give_back("#P", &["100"], "unknown")).refused(No::NotReturnable);
    given(arrived()).when(give_back("#D", &["300"], "unknown")).refused(No::PaymentMethodNotFound);
    given(arrived()).when(give_back("#D", &["300"], "paypal")).refused(No::NotOriginalOrGiftCard);
}
