//! cancel_pending_order

use factum::testing::given;
use retail::*;

use crate::world::*;

fn cancel(order_id: &str, reason: &str) -> CancelPendingOrder {
    CancelPendingOrder { order_id: order(order_id), reason: reason.into() }
}

fn cancelled(reason: &str) -> OrderCancelled {
    let items = placed("#P").items;
    OrderCancelled { order_id: order("#P"), reason: Some(reason.into()), items }
}

#[test]
fn an_order_that_does_not_exist_is_not_found() {
    given(pending()).when(cancel("#X", "no longer needed")).refused(No::OrderNotFound);
    given(()).when(cancel("#P", "because")).refused(No::OrderNotFound);
}

#[test]
fn only_a_pending_order_can_be_cancelled() {
    given(arrived()).when(cancel("#D", "no longer needed")).refused(No::NotCancellable);
    given((pending(), shipped("#P")))
        .when(cancel("#P", "no longer needed"))
        .refused(No::NotCancellable);
    given((pending(), cancelled("no longer needed")))
        .when(cancel("#P", "no longer needed"))
        .refused(No::NotCancellable);
}

#[test]
fn an_order_whose_items_were_modified_is_not_exactly_pending() {
    let modified = OrderItemsModified { order_id: order("#P"), swaps: vec![] };
    given((pending(), modified)).when(cancel("#P", "no longer needed")).refused(No::NotCancellable);
}

#[test]
fn there_are_two_reasons() {
    given(pending()).when(cancel("#P", "because")).refused(No::InvalidReason);
    given(pending()).when(cancel("#P", "")).refused(No::InvalidReason);
    for reason in ["no longer needed", "ordered by mistake"] {
        given(pending())
            .when(cancel("#P", reason))
            .then((cancelled(reason), settled("#P", vec![refund(7000, "card")])));
    }
}

#[test]
fn the_status_comes_before_the_reason() {
    given(arrived()).when(cancel("#D", "because")).refused(No::NotCancellable);
}

#[test]
fn payments_and_refunds_alike_are_refunded_in_their_order() {
    let modified = settled("#P", vec![payment(7000, "gift"), refund(7000, "card")]);
    given((pending(), modified)).when(cancel("#P", "ordered by mistake")).then((
        cancelled("ordered by mistake"),
        settled("#P", vec![refund(7000, "card"), refund(7000, "gift"), refund(7000, "card")]),
    ));
}
