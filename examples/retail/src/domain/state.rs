//! Folds: what has become of products, users and orders. Each is both what decisions are made on
//! and the document that its view shows, in the data set's shape.

use std::collections::BTreeMap;

use factum::prelude::*;
use serde::{Deserialize, Serialize};

use super::events::*;
use crate::{dollars, shapes::*};

/// A product.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Product {
    /// Its id, once it is listed.
    pub product_id: Option<ProductId>,
    /// Its name.
    pub name: String,
    /// Its variants by item id.
    #[serde(with = "dollars")]
    pub variants: BTreeMap<String, Variant>,
}

#[fold(by = ProductId, version = 1)]
impl Product {
    fn listed(&mut self, e: &ProductListed) {
        self.product_id = Some(e.product_id.clone());
        (self.name, self.variants) = (e.name.clone(), e.variants.clone());
    }
}

/// A user.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct User {
    /// Their id, once they are registered.
    pub user_id: Option<UserId>,
    /// Their name.
    pub name: Name,
    /// Where they live.
    pub address: Address,
    /// Their mail address.
    pub email: String,
    /// How they can pay, with the balances of gift cards.
    #[serde(with = "dollars")]
    pub payment_methods: BTreeMap<String, PaymentMethod>,
    /// Their orders, oldest first.
    pub orders: Vec<OrderId>,
}

#[fold(by = UserId, version = 1)]
impl User {
    fn registered(&mut self, e: &UserRegistered) {
        self.user_id = Some(e.user_id.clone());
        (self.name, self.email) = (e.name.clone(), e.email.clone());
        (self.address, self.payment_methods) = (e.address.clone(), e.payment_methods.clone());
    }
    fn address_modified(&mut self, e: &UserAddressModified) {
        self.address = e.address.clone();
    }
    fn order_placed(&mut self, e: &OrderPlaced) {
        self.orders.push(e.order_id.clone());
    }
    fn order_settled(&mut self, e: &OrderSettled) {
        for transaction in &e.transactions {
            let method = self.payment_methods.get_mut(&transaction.payment_method_id);
            method.into_iter().for_each(|method| method.settle(transaction));
        }
    }

    /// Their payment method of this id.
    pub(super) fn method(&self, id: &str) -> Option<&PaymentMethod> {
        self.payment_methods.get(id)
    }
}

/// An order.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Order {
    /// Its id, once it is placed.
    pub order_id: Option<OrderId>,
    /// Whose it is.
    pub user_id: Option<UserId>,
    /// Where it goes.
    pub address: Address,
    /// What is in it.
    #[serde(with = "dollars")]
    pub items: Vec<Item>,
    /// Its parcels.
    pub fulfillments: Vec<Fulfillment>,
    /// How far it has come.
    #[serde(flatten)]
    pub status: Status,
    /// Its payments and refunds, oldest first.
    #[serde(with = "dollars")]
    pub payment_history: Vec<Transaction>,
}

#[fold(by = OrderId, version = 1)]
impl Order {
    fn placed(&mut self, e: &OrderPlaced) {
        (self.order_id, self.user_id) = (Some(e.order_id.clone()), Some(e.user_id.clone()));
        (self.address, self.items) = (e.address.clone(), e.items.clone());
    }
    fn settled(&mut self, e: &OrderSettled) {
        self.payment_history.extend(e.transactions.iter().cloned());
    }
    fn shipped(&mut self, e: &OrderShipped) {
        self.fulfillments.push(e.fulfillment.clone());
        self.status = Status::Processed;
    }
    fn delivered(&mut self, _: &OrderDelivered) {
        self.status = Status::Delivered;
    }
    fn cancelled(&mut self, e: &OrderCancelled) {
        self.status = Status::Cancelled { cancel_reason: e.reason.clone() };
    }
    fn items_modified(&mut self, e: &OrderItemsModified) {
        for swap in &e.swaps {
            let mut items = self.items.iter_mut();
            let first = items.find(|item| item.item_id == swap.item_id);
            first.into_iter().for_each(|item| item.become_variant(&swap.new));
        }
        self.status = Status::ItemModified;
    }
    fn address_modified(&mut self, e: &OrderAddressModified) {
        self.address = e.address.clone();
    }
    fn exchange_requested(&mut self, e: &OrderExchangeRequested) {
        self.status = Status::ExchangeRequested {
            exchange_items: sorted(e.swaps.iter().map(|swap| &swap.item_id)),
            exchange_new_items: sorted(e.swaps.iter().map(|swap| &swap.new.item_id)),
            exchange_payment_method_id: e.payment_method_id.clone(),
            exchange_price_difference: e.swaps.iter().map(|swap| swap.difference_cents).sum(),
        };
    }
    fn return_requested(&mut self, e: &OrderReturnRequested) {
        self.status = Status::ReturnRequested {
            return_items: sorted(e.items.iter().map(|item| &item.item_id)),
            return_payment_method_id: e.payment_method_id.clone(),
        };
    }

    /// Its items of these ids; or the first id that is named more often than it is in the order.
    pub(super) fn find<'a>(&'a self, item_ids: &[String]) -> Result<Vec<&'a Item>, String> {
        let find = |id: &String| {
            let named = item_ids.iter().filter(|named| *named == id).count();
            let mut held = self.items.iter().filter(|item| item.item_id == *id);
            held.next().filter(|_| named <= 1 + held.count()).ok_or_else(|| id.clone())
        };
        item_ids.iter().map(find).collect()
    }
}

fn sorted<'a>(item_ids: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut sorted: Vec<_> = item_ids.cloned().collect();
    sorted.sort();
    sorted
}
