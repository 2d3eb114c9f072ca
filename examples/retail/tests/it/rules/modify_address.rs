//! modify_pending_order_address and modify_user_address

use factum::testing::given;
use retail::*;

use crate::world::*;

fn order_goes_to(order_id: &str, to: &Address) -> ModifyPendingOrderAddress {
    let Address { address1, address2, city, country, state, zip } = to.clone();
    let order_id = order(order_id);
    ModifyPendingOrderAddress { order_id, address1, address2, city, country, state, zip }
}

fn user_moves_to(user_id: &str, to: &Address) -> ModifyUserAddress {
    let Address { address1, address2, city, country, state, zip } = to.clone();
    ModifyUserAddress { user_id: user(user_id), address1, address2, city, country, state, zip }
}

#[test]
fn an_order_that_does_not_exist_is_not_found() {
    given(pending()).when(order_goes_to("#X", &address("2"))).refused(No::OrderNotFound);
}

#[test]
fn only_a_pending_order_can_be_modified() {
    given(arrived()).when(order_goes_to("#D", &address("2"))).refused(No::NotModifiable);
    let swapped = OrderItemsModified { order_id: order("#P"), swaps: vec![] };
    given((pending(), swapped)).when(order_goes_to("#P", &address("2"))).refused(No::NotModifiable);
}

#[test]
fn the_orders_address_is_replaced_as_often_as_wanted() {
    let to = |street| OrderAddressModified { order_id: order("#P"), address: address(street) };
    given(pending()).when(order_goes_to("#P", &address("2"))).then(to("2"));
    given((pending(), to("2"))).when(order_goes_to("#P", &address("3"))).then(to("3"));
}

#[test]
fn a_user_that_does_not_exist_is_not_found() {
    given(pending()).when(user_moves_to("eve", &address("2"))).refused(No::UserNotFound);
}

#[test]
fn the_users_address_is_replaced() {
    given(pending())
        .when(user_moves_to("ann", &address("2")))
        .then(UserAddressModified { user_id: user("ann"), address: address("2") });
}
