//! Decisions: what may happen to orders and users. Each rule is one line, in the order in which the
//! data set says they are checked; the first that fails is the reason.
//!
//! A decision reads the order, its owner (whoever calls) and the products it needs at one moment,
//! and nothing that it read may have changed when its event is recorded. What it does not look at,
//! it ignores: two changes that can't disturb each other don't wait for each other.

use factum::prelude::*;

use super::{events::*, state::*};
use crate::{contract::*, shapes::*};

#[decide]
fn cancel_pending_order(
    c: &CancelPendingOrder,
    #[by(c.order_id, ignoring(OrderAddressModified))] order: &Order,
) -> Result<(OrderCancelled, OrderSettled), No> {
    ensure!(order.user_id.is_some(), No::OrderNotFound);
    ensure!(order.status == Status::Pending, No::NotCancellable);
    let reasons = ["no longer needed", "ordered by mistake"];
    ensure!(reasons.contains(&c.reason.as_str()), No::InvalidReason);
    let refunds = order.payment_history.iter().map(Transaction::refunded).collect();
    let (order_id, reason) = (c.order_id.clone(), Some(c.reason.clone()));
    let cancelled = OrderCancelled { order_id, reason, items: order.items.clone() };
    Ok((cancelled, settled(&c.order_id, order, refunds)))
}

#[decide]
fn modify_pending_order_items(
    c: &ModifyPendingOrderItems,
    #[by(c.order_id, ignoring(OrderAddressModified, OrderSettled))] order: &Order,
    #[by(order.user_id, ignoring(OrderPlaced, UserAddressModified))] owner: &User,
    #[by(order.items.iter().map(|item| &item.product_id))] products: &Each<Product>,
) -> Result<(OrderItemsModified, OrderSettled), No> {
    ensure!(order.user_id.is_some(), No::OrderNotFound);
    ensure!(order.status == Status::Pending, No::NotModifiable);
    let swaps = swaps(order, products, &c.item_ids, &c.new_item_ids)?;
    let method = owner.method(&c.payment_method_id).ok_or(No::PaymentMethodNotFound)?;
    let cents = swaps.iter().map(|swap| swap.difference_cents).sum();
    ensure!(method.covers(cents), No::InsufficientBalance("the new item".into()));
    let settled = settled(&c.order_id, order, vec![Transaction::of(cents, &c.payment_method_id)]);
    Ok((OrderItemsModified { order_id: c.order_id.clone(), swaps }, settled))
}

#[decide]
fn modify_pending_order_address(
    c: &ModifyPendingOrderAddress,
    #[by(c.order_id, ignoring(OrderAddressModified, OrderSettled))] order: &Order,
) -> Result<OrderAddressModified, No> {
    ensure!(order.user_id.is_some(), No::OrderNotFound);
    ensure!(order.status == Status::Pending, No::NotModifiable);
    Ok(OrderAddressModified { order_id: c.order_id.clone(), address: c.address() })
}

#[decide]
fn modify_pending_order_payment(
    c: &ModifyPendingOrderPayment,
    #[by(c.order_id, ignoring(OrderAddressModified))] order: &Order,
    #[by(order.user_id, ignoring(OrderPlaced, UserAddressModified))] owner: &User,
) -> Result<(OrderPaymentModified, OrderSettled), No> {
    ensure!(order.user_id.is_some(), No::OrderNotFound);
    ensure!(order.status == Status::Pending, No::NotModifiable);
    let method = owner.method(&c.payment_method_id).ok_or(No::PaymentMethodNotFound)?;
    let [paid] = &order.payment_history[..] else { return Err(No::NotOnePayment) };
    ensure!(paid.transaction_type == TransactionType::Payment, No::NotOnePayment);
    ensure!(paid.payment_method_id != c.payment_method_id, No::SamePaymentMethod);
    ensure!(method.covers(paid.amount_cents), No::InsufficientBalance("the order".into()));
    let (order_id, payment_method_id) = (c.order_id.clone(), c.payment_method_id.clone());
    let payment = Transaction { payment_method_id: payment_method_id.clone(), ..paid.clone() };
    let settled = settled(&c.order_id, order, vec![payment, paid.refunded()]);
    Ok((OrderPaymentModified { order_id, payment_method_id }, settled))
}

#[decide]
fn exchange_delivered_order_items(
    c: &ExchangeDeliveredOrderItems,
    #[by(c.order_id, ignoring(OrderAddressModified, OrderSettled))] order: &Order,
    #[by(order.user_id, ignoring(OrderPlaced, UserAddressModified))] owner: &User,
    #[by(order.items.iter().map(|item| &item.product_id))] products: &Each<Product>,
) -> Result<OrderExchangeRequested, No> {
    ensure!(order.user_id.is_some(), No::OrderNotFound);
    ensure!(order.status == Status::Delivered, No::NotExchangeable);
    let swaps = swaps(order, products, &c.item_ids, &c.new_item_ids)?;
    let method = owner.method(&c.payment_method_id).ok_or(No::PaymentMethodNotFound)?;
    let covered = method.covers(swaps.iter().map(|swap| swap.difference_cents).sum());
    ensure!(covered, No::InsufficientBalance("the price difference".into()));
    let (order_id, payment_method_id) = (c.order_id.clone(), c.payment_method_id.clone());
    Ok(OrderExchangeRequested { order_id, swaps, payment_method_id })
}

#[decide]
fn return_delivered_order_items(
    c: &ReturnDeliveredOrderItems,
    #[by(c.order_id, ignoring(OrderAddressModified))] order: &Order,
    #[by(order.user_id, ignoring(OrderPlaced, OrderSettled, UserAddressModified))] owner: &User,
) -> Result<OrderReturnRequested, No> {
    ensure!(order.user_id.is_some(), No::OrderNotFound);
    ensure!(order.status == Status::Delivered, No::NotReturnable);
    let method = owner.method(&c.payment_method_id).ok_or(No::PaymentMethodNotFound)?;
    let original = order.payment_history.first().map(|first| &first.payment_method_id);
    let to_original = original == Some(&c.payment_method_id);
    ensure!(to_original || method.is_gift_card(), No::NotOriginalOrGiftCard);
    let items = order.find(&c.item_ids).map_err(|_| No::SomeItemNotFound)?;
    let items = items.into_iter().cloned().collect();
    let (order_id, payment_method_id) = (c.order_id.clone(), c.payment_method_id.clone());
    Ok(OrderReturnRequested { order_id, items, payment_method_id })
}

#[decide]
fn modify_user_address(
    c: &ModifyUserAddress,
    #[by(c.user_id, ignoring(OrderPlaced, OrderSettled, UserAddressModified))] user: &User,
) -> Result<UserAddressModified, No> {
    ensure!(user.user_id.is_some(), No::UserNotFound);
    Ok(UserAddressModified { user_id: c.user_id.clone(), address: c.address() })
}

/// What modifying and exchanging have in common: items of an order give way to other variants.
fn swaps(
    order: &Order,
    products: &Each<Product>,
    old: &[String],
    new: &[String],
) -> Result<Vec<Swap>, No> {
    let items = order.find(old).map_err(No::ItemNotFound)?;
    ensure!(old.len() == new.len(), No::CountsDiffer);
    let swap = |(item, new): (&Item, &String)| {
        let product = products.get(&item.product_id);
        let variant = product.and_then(|p| p.variants.get(new)).filter(|v| v.available);
        variant.map(|new| Swap::of(item, new)).ok_or_else(|| No::NewItemNotFound(new.clone()))
    };
    items.into_iter().zip(new).map(swap).collect()
}

fn settled(order_id: &OrderId, order: &Order, transactions: Vec<Transaction>) -> OrderSettled {
    OrderSettled { order_id: order_id.clone(), user_id: order.user_id.clone(), transactions }
}
