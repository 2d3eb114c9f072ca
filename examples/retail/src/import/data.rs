//! The data set's files, read as import commands. The program carries them, so it needs no files.

use serde::de::DeserializeOwned;

use super::{ImportOrder, ListProduct, RegisterUser};
use crate::{
    domain::{events::*, state::*},
    shapes::*,
};

const PRODUCTS: &str = include_str!("../../data/products.jsonl");
const USERS: &str = include_str!("../../data/users.jsonl");
const ORDERS: &str = include_str!("../../data/orders.jsonl");

/// What is to be imported, in order.
pub struct Data {
    /// The products.
    pub products: Vec<ListProduct>,
    /// The users.
    pub users: Vec<RegisterUser>,
    /// The orders, with what happened to them so far.
    pub orders: Vec<ImportOrder>,
}

/// A line of a data file that can't be read.
#[derive(Debug)]
pub struct DataError {
    /// Which line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

impl std::fmt::Display for DataError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {} is not a row of the data set: {}", self.line, self.problem)
    }
}

impl std::error::Error for DataError {}

impl Data {
    /// The data set that this program carries.
    ///
    /// # Panics
    /// Never: a test reads all of it.
    #[must_use]
    pub fn embedded() -> Self {
        Self::read(PRODUCTS, USERS, ORDERS).expect("the embedded data set is one")
    }

    /// The data of three files, a JSON object a line.
    ///
    /// # Errors
    /// [`DataError`] for a line of another shape.
    pub fn read(products: &str, users: &str, orders: &str) -> Result<Self, DataError> {
        Ok(Self {
            products: lines(products, listed)?,
            users: lines(users, registered)?,
            orders: lines(orders, story)?,
        })
    }
}

/// The rows of a JSON-lines text.
pub(crate) fn lines<Row: DeserializeOwned, T>(
    text: &str,
    mut each: impl FnMut(Row) -> Option<T>,
) -> Result<Vec<T>, DataError> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let mut read = |(at, line): (usize, &str)| {
        let problem = |problem: String| DataError { line: at + 1, problem };
        let row = serde_json::from_str(line).map_err(|e| problem(e.to_string()))?;
        each(row).ok_or_else(|| problem("an id is missing".into()))
    };
    lines.map(&mut read).collect()
}

/// A row of the data set has the shape of the document that the view shows.
fn listed(row: Product) -> Option<ListProduct> {
    let Product { product_id, name, variants } = row;
    Some(ListProduct { listed: ProductListed { product_id: product_id?, name, variants } })
}

/// A user's orders follow from the orders.
fn registered(row: User) -> Option<RegisterUser> {
    let User { user_id, name, address, email, payment_methods, orders: _ } = row;
    let user_id = user_id?;
    let registered = UserRegistered { user_id, name, address, email, payment_methods };
    Some(RegisterUser { registered })
}

/// What must have happened to the order that the row shows. An order that was cancelled was paid
/// back then.
fn story(row: Order) -> Option<ImportOrder> {
    let (order_id, user_id) = (row.order_id?, row.user_id?);
    let settled = |transactions: Vec<Transaction>| OrderSettled {
        order_id: order_id.clone(),
        user_id: None,
        transactions,
    };
    let shipped = |fulfillment| OrderShipped { order_id: order_id.clone(), fulfillment };
    let is_refund = |row: &Transaction| row.transaction_type == TransactionType::Refund;
    let (refunds, payments) = row.payment_history.into_iter().partition(is_refund);
    let arrived = row.status == Status::Delivered;
    let cancelled = match row.status {
        Status::Cancelled { cancel_reason: reason } => {
            let (order_id, items) = (order_id.clone(), row.items.clone());
            Some((OrderCancelled { order_id, reason, items }, settled(refunds)))
        }
        _ => None,
    };
    Some(ImportOrder {
        paid: Some(settled(payments)),
        shipped: row.fulfillments.into_iter().map(shipped).collect(),
        delivered: arrived.then(|| OrderDelivered { order_id: order_id.clone() }),
        cancelled,
        placed: OrderPlaced {
            order_id: order_id.clone(),
            user_id,
            address: row.address,
            items: row.items,
        },
    })
}
