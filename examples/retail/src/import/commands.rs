//! The commands that bring in what another system knows. Each hands the facts over as they were
//! told, and is refused when we know the thing already.

use factum::prelude::*;

use crate::domain::{events::*, state::*};

/// It is known already.
#[derive(Clone, Debug, PartialEq, Refusal)]
pub enum Known {
    /// The product is listed.
    #[say("product {0} is already listed")]
    Product(String),
    /// The user is registered.
    #[say("user {0} is already registered")]
    User(String),
    /// The order is placed.
    #[say("order {0} is already placed")]
    Order(String),
}

/// Lists a product.
#[derive(Command)]
pub struct ListProduct {
    /// The product.
    pub listed: ProductListed,
}

#[decide]
fn list_product(
    c: &ListProduct,
    #[by(c.listed.product_id)] product: &Product,
) -> Result<ProductListed, Known> {
    let listed = &c.listed;
    ensure!(product.product_id.is_none(), Known::Product(listed.product_id.to_string()));
    Ok(listed.clone())
}

/// Registers a user. Their gift cards' balances are those of now.
#[derive(Command)]
pub struct RegisterUser {
    /// The user.
    pub registered: UserRegistered,
}

#[decide]
fn register_user(
    c: &RegisterUser,
    #[by(c.registered.user_id, ignoring(UserAddressModified, OrderPlaced, OrderSettled))]
    user: &User,
) -> Result<UserRegistered, Known> {
    let registered = &c.registered;
    ensure!(user.user_id.is_none(), Known::User(registered.user_id.to_string()));
    Ok(registered.clone())
}

/// Takes an order over with its story so far. Gift cards stay as they are: their balances have seen
/// it, so what was paid names no user.
#[derive(Command)]
pub struct ImportOrder {
    /// What was ordered.
    pub placed: OrderPlaced,
    /// What was paid.
    pub paid: Option<OrderSettled>,
    /// The parcels.
    pub shipped: Vec<OrderShipped>,
    /// Whether it arrived.
    pub delivered: Option<OrderDelivered>,
    /// Whether it was cancelled, and what was paid back then.
    pub cancelled: Option<(OrderCancelled, OrderSettled)>,
}

type Story = (
    OrderPlaced,
    Option<OrderSettled>,
    Vec<OrderShipped>,
    Option<OrderDelivered>,
    Option<(OrderCancelled, OrderSettled)>,
);

#[decide]
fn import_order(c: &ImportOrder, #[by(c.placed.order_id)] order: &Order) -> Result<Story, Known> {
    let placed = c.placed.clone();
    ensure!(order.order_id.is_none(), Known::Order(placed.order_id.to_string()));
    Ok((placed, c.paid.clone(), c.shipped.clone(), c.delivered.clone(), c.cancelled.clone()))
}
