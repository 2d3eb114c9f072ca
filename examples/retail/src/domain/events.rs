//! Events: what has happened to products, users and orders. Money is in whole cents.

use std::collections::BTreeMap;

use factum::prelude::*;

use crate::shapes::*;

/// A product can be ordered, in these variants.
#[derive(Clone, Debug, Event)]
#[event("product.listed")]
pub struct ProductListed {
    /// The product.
    #[tag]
    pub product_id: ProductId,
    /// Its name.
    pub name: String,
    /// Its variants by item id.
    pub variants: BTreeMap<String, Variant>,
}

/// A user can order.
#[derive(Clone, Debug, Event)]
#[event("user.registered")]
pub struct UserRegistered {
    /// The user.
    #[tag]
    pub user_id: UserId,
    /// Their name.
    #[personal]
    pub name: Name,
    /// Where they live.
    #[personal]
    pub address: Address,
    /// Their mail address.
    #[personal]
    pub email: String,
    /// Their payment methods by id.
    pub payment_methods: BTreeMap<String, PaymentMethod>,
}

/// A user lives elsewhere now.
#[derive(Clone, Debug, Event)]
#[event("user.address_modified")]
pub struct UserAddressModified {
    /// The user.
    #[tag]
    pub user_id: UserId,
    /// Where they live now.
    #[personal]
    pub address: Address,
}

/// A user ordered.
#[derive(Clone, Debug, Event)]
#[event("order.placed")]
pub struct OrderPlaced {
    /// The order.
    #[tag]
    pub order_id: OrderId,
    /// Whose it is.
    #[tag]
    pub user_id: UserId,
    /// Where it goes.
    #[personal]
    pub address: Address,
    /// What was ordered.
    pub items: Vec<Item>,
}

/// Money was paid or paid back.
#[derive(Clone, Debug, Event)]
#[event("order.settled")]
pub struct OrderSettled {
    /// For this order.
    #[tag]
    pub order_id: OrderId,
    /// The owner, whose gift cards' balances change by it at once; nobody when it happened before
    /// the order came to us, since the balances that came with it have seen it.
    #[tag]
    pub user_id: Option<UserId>,
    /// The new rows of the order's payment history.
    pub transactions: Vec<Transaction>,
}

/// An order is on its way.
#[derive(Clone, Debug, Event)]
#[event("order.shipped")]
pub struct OrderShipped {
    /// The order.
    #[tag]
    pub order_id: OrderId,
    /// The parcel.
    pub fulfillment: Fulfillment,
}

/// An order arrived.
#[derive(Clone, Debug, Event)]
#[event("order.delivered")]
pub struct OrderDelivered {
    /// The order.
    #[tag]
    pub order_id: OrderId,
}

/// An order will not be delivered.
#[derive(Clone, Debug, Event)]
#[event("order.cancelled")]
pub struct OrderCancelled {
    /// The order.
    #[tag]
    pub order_id: OrderId,
    /// Why, where known.
    pub reason: Option<String>,
    /// What will not be delivered.
    pub items: Vec<Item>,
}

/// Items of an order that was not yet shipped gave way to others.
#[derive(Clone, Debug, Event)]
#[event("order.items_modified")]
pub struct OrderItemsModified {
    /// The order.
    #[tag]
    pub order_id: OrderId,
    /// Which items, in this order.
    pub swaps: Vec<Swap>,
}

/// An order that was not yet shipped goes elsewhere.
#[derive(Clone, Debug, Event)]
#[event("order.address_modified")]
pub struct OrderAddressModified {
    /// The order.
    #[tag]
    pub order_id: OrderId,
    /// Where it goes now.
    #[personal]
    pub address: Address,
}

/// An order is paid by another method.
#[derive(Clone, Debug, Event)]
#[event("order.payment_modified")]
pub struct OrderPaymentModified {
    /// The order.
    #[tag]
    pub order_id: OrderId,
    /// The new method.
    pub payment_method_id: String,
}

/// A user wants other variants for items that arrived.
#[derive(Clone, Debug, Event)]
#[event("order.exchange_requested")]
pub struct OrderExchangeRequested {
    /// The order.
    #[tag]
    pub order_id: OrderId,
    /// Which items.
    pub swaps: Vec<Swap>,
    /// How the difference will be settled; nothing has been charged yet.
    pub payment_method_id: String,
}

/// A user wants to give items back that arrived.
#[derive(Clone, Debug, Event)]
#[event("order.return_requested")]
pub struct OrderReturnRequested {
    /// The order.
    #[tag]
    pub order_id: OrderId,
    /// Which items.
    pub items: Vec<Item>,
    /// Where the refund goes.
    pub payment_method_id: String,
}
