//! exchange_delivered_order_items

use factum::testing::given;
use retail::*;

use crate::world::*;

fn exchange(
    order_id: &str,
    old: &[&str],
    new: &[&str],
    method: &str,
) -> ExchangeDeliveredOrderItems {
    ExchangeDeliveredOrderItems {
        order_id: order(order_id),
        item_ids: texts(old),
        new_item_ids: texts(new),
        payment_method_id: method.into(),
    }
}

fn requested(swaps: &[(Item, Variant)], method: &str) -> OrderExchangeRequested {
    let swaps = swaps.iter().map(|(item, new)| Swap {
        product_id: item.product_id.clone(),
        item_id: item.item_id.clone(),
        new: new.clone(),
        difference_cents: new.price_cents - item.price_cents,
    });
    OrderExchangeRequested {
        order_id: order("#D"),
        swaps: swaps.collect(),
        payment_method_id: method.into(),
    }
}

#[test]
fn an_order_that_does_not_exist_is_not_found() {
    given(arrived()).when(exchange("#X", &["100"], &["101"], "card")).refused(No::OrderNotFound);
}

#[test]
fn only_a_delivered_order_can_be_exchanged() {
    given(pending()).when(exchange("#P", &["100"], &["101"], "card")).refused(No::NotExchangeable);
    given((pending(), shipped("#P")))
        .when(exchange("#P", &["100"], &["101"], "card"))
        .refused(No::NotExchangeable);
    given((arrived(), requested(&[], "card")))
        .when(exchange("#D", &["100"], &["101"], "card"))
        .refused(No::NotExchangeable);
}

#[test]
fn old_items_are_in_the_order_as_often_as_they_are_named() {
    given(arrived())
        .when(exchange("#D", &["102"], &["101"], "card"))
        .refused(No::ItemNotFound("102".into()));
    given(arrived())
        .when(exchange("#D", &["100", "100", "100"], &["101", "101", "101"], "card"))
        .refused(No::ItemNotFound("100".into()));
}

#[test]
fn as_many_new_items_as_old_ones() {
    given(arrived()).when(exchange("#D", &["100"], &[], "card")).refused(No::CountsDiffer);
    given(arrived()).when(exchange("#D", &[], &["100"], "card")).refused(No::CountsDiffer);
}

#[test]
fn a_new_item_is_an_available_variant_of_the_same_product() {
    for new in ["999", "109", "201"] {
        given(arrived())
            .when(exchange("#D", &["100"], &[new], "card"))
            .refused(No::NewItemNotFound(new.into()));
    }
}

#[test]
fn the_payment_method_is_the_owners() {
    for method in ["unknown", "bobs_gift"] {
        given(arrived())
            .when(exchange("#D", &["100"], &["101"], method))
            .refused(No::PaymentMethodNotFound);
    }
}

#[test]
fn a_gift_card_covers_the_difference_but_is_not_charged() {
    given(arrived())
        .when(exchange("#D", &["200"], &["201"], "gift"))
        .refused(No::InsufficientBalance("the price difference".into()));
    given(arrived())
        .when(exchange("#D", &["100", "200"], &["101", "201"], "gift"))
        .refused(No::InsufficientBalance("the price difference".into()));
    given(arrived())
        .when(exchange("#D", &["100"], &["101"], "gift"))
        .then(requested(&[(lamp("100", 1000), variant("101", 1200))], "gift"));
}

#[test]
fn an_item_can_be_exchanged_for_itself() {
    given(arrived()).when(exchange("#D", &["100", "100"], &["100", "102"], "card")).then(
        requested(
            &[(lamp("100", 1000), variant("100", 1000)), (lamp("100", 1000), variant("102", 800))],
            "card",
        ),
    );
}

#[test]
fn the_rules_are_checked_in_the_data_sets_order() {
    let says = |command, no| given(arrived()).when(command).refused(no);
    given(pending()).when(exchange("#P", &["300"], &["101"], "card")).refused(No::NotExchangeable);
    says(exchange("#D", &["300"], &["101", "102"], "card"), No::ItemNotFound("300".into()));
    says(exchange("#D", &["100"], &["999", "102"], "card"), No::CountsDiffer);
    says(exchange("#D", &["100"], &["999"], "unknown"), No::NewItemNotFound("999".into()));
    says(exchange("#D", &["200"], &["201"], "unknown"), No::PaymentMethodNotFound);
}
