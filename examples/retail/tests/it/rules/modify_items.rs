//! modify_pending_order_items

use factum::testing::given;
use retail::*;

use crate::world::*;

fn modify(order_id: &str, old: &[&str], new: &[&str], method: &str) -> ModifyPendingOrderItems {
    ModifyPendingOrderItems {
        order_id: order(order_id),
        item_ids: texts(old),
        new_item_ids: texts(new),
        payment_method_id: method.into(),
    }
}

fn swap(item: &Item, new: &Variant) -> Swap {
    Swap {
        product_id: item.product_id.clone(),
        item_id: item.item_id.clone(),
        new: new.clone(),
        difference_cents: new.price_cents - item.price_cents,
    }
}

fn modified(swaps: Vec<Swap>, row: Transaction) -> (OrderItemsModified, OrderSettled) {
    (OrderItemsModified { order_id: order("#P"), swaps }, settled("#P", vec![row]))
}

#[test]
fn an_order_that_does_not_exist_is_not_found() {
    given(pending()).when(modify("#X", &["100"], &["101"], "card")).refused(No::OrderNotFound);
}

#[test]
fn only_a_pending_order_can_be_modified() {
    given(arrived()).when(modify("#D", &["100"], &["101"], "card")).refused(No::NotModifiable);
    given((pending(), shipped("#P")))
        .when(modify("#P", &["100"], &["101"], "card"))
        .refused(No::NotModifiable);
}

#[test]
fn items_can_be_modified_once() {
    let before =
        modified(vec![swap(&lamp("100", 1000), &variant("101", 1200))], payment(200, "card"));
    given((pending(), before))
        .when(modify("#P", &["100"], &["101"], "card"))
        .refused(No::NotModifiable);
}

#[test]
fn old_items_are_in_the_order_as_often_as_they_are_named() {
    let not_found = |old: &[&str], id: &str| {
        let new = vec!["101"; old.len()];
        given(pending()).when(modify("#P", old, &new, "card")).refused(No::ItemNotFound(id.into()));
    };
    not_found(&["102"], "102");
    not_found(&["100", "100", "100"], "100");
    not_found(&["100", "300", "100", "100"], "100");
    not_found(&["100", "300", "100", "400"], "300");
}

#[test]
fn as_many_new_items_as_old_ones() {
    given(pending())
        .when(modify("#P", &["100"], &["101", "102"], "card"))
        .refused(No::CountsDiffer);
    given(pending())
        .when(modify("#P", &["100", "100"], &["101"], "card"))
        .refused(No::CountsDiffer);
}

#[test]
fn a_new_item_is_an_available_variant_of_the_same_product() {
    let missing = |new: &str| {
        given(pending())
            .when(modify("#P", &["100"], &[new], "card"))
            .refused(No::NewItemNotFound(new.into()));
    };
    missing("999");
    missing("109");
    missing("201");
}

#[test]
fn the_payment_method_is_the_owners() {
    let by = |method| {
        given(pending())
            .when(modify("#P", &["100"], &["101"], method))
            .refused(No::PaymentMethodNotFound);
    };
    by("unknown");
    by("bobs_gift");
}

#[test]
fn a_gift_card_covers_the_difference() {
    let short = No::InsufficientBalance("the new item".into());
    given(pending()).when(modify("#P", &["200"], &["201"], "gift")).refused(short);
}

#[test]
fn the_last_cent_of_a_gift_card_can_be_spent() {
    let rug = rug("200", 5000);
    let listed = |cents| ProductListed {
        product_id: product("rug"),
        name: "Rug".into(),
        variants: [("201".to_owned(), variant("201", cents))].into(),
    };
    given((pending(), listed(5500)))
        .when(modify("#P", &["200"], &["201"], "gift"))
        .then(modified(vec![swap(&rug, &variant("201", 5500))], payment(500, "gift")));
    given((pending(), listed(5501)))
        .when(modify("#P", &["200"], &["201"], "gift"))
        .refused(No::InsufficientBalance("the new item".into()));
}

#[test]
fn the_balance_is_what_earlier_decisions_left() {
    let spent = settled("#other", vec![payment(400, "gift")]);
    given((pending(), spent))
        .when(modify("#P", &["100"], &["101"], "gift"))
        .refused(No::InsufficientBalance("the new item".into()));
    let credited = settled("#other", vec![refund(500, "gift")]);
    given((pending(), credited)).when(modify("#P", &["200"], &["201"], "gift")).then(modified(
        vec![swap(&rug("200", 5000), &variant("201", 6000))],
        payment(1000, "gift"),
    ));
}

#[test]
fn what_was_settled_before_the_import_changes_no_balance() {
    let before = settled_before("#other", vec![payment(400, "gift")]);
    given((pending(), before)).when(modify("#P", &["100"], &["101"], "gift")).then(modified(
        vec![swap(&lamp("100", 1000), &variant("101", 1200))],
        payment(200, "gift"),
    ));
}

#[test]
fn a_positive_difference_is_a_payment_and_any_other_a_refund_without_sign() {
    let lamp = lamp("100", 1000);
    let to = |new: &str, cents, row: Transaction| {
        given(pending())
            .when(modify("#P", &["100"], &[new], "paypal"))
            .then(modified(vec![swap(&lamp, &variant(new, cents))], row));
    };
    to("101", 1200, payment(200, "paypal"));
    to("102", 800, refund(200, "paypal"));
    to("100", 1000, refund(0, "paypal"));
}

#[test]
fn differences_add_up() {
    let swaps = vec![
        swap(&lamp("100", 1000), &variant("101", 1200)),
        swap(&rug("200", 5000), &variant("201", 6000)),
        swap(&lamp("100", 1000), &variant("102", 800)),
    ];
    given(pending())
        .when(modify("#P", &["100", "200", "100"], &["101", "201", "102"], "card"))
        .then(modified(swaps, payment(1000, "card")));
}

#[test]
fn the_rules_are_checked_in_the_data_sets_order() {
    let says = |command, no| given(pending()).when(command).refused(no);
    given(arrived()).when(modify("#D", &["300"], &["101"], "card")).refused(No::NotModifiable);
    says(modify("#P", &["300"], &["101", "102"], "card"), No::ItemNotFound("300".into()));
    says(modify("#P", &["100"], &["999", "102"], "card"), No::CountsDiffer);
    says(modify("#P", &["100"], &["999"], "unknown"), No::NewItemNotFound("999".into()));
    says(modify("#P", &["200"], &["201"], "unknown"), No::PaymentMethodNotFound);
}
