//! The data set's own words: what products, users and orders are made of. Events carry these shapes
//! and documents show them; the one difference is that events hold money in whole cents
//! (`price_cents`) and documents in dollars (`price`), see [`dollars`](crate::dollars).

use std::collections::BTreeMap;

use factum::prelude::*;
use serde::{Deserialize, Serialize};

id!(
    /// The data set's id of a product.
    pub ProductId(String), "product"
);
id!(
    /// The data set's id of a user.
    pub UserId(String), "user"
);
id!(
    /// The data set's id of an order, such as `#W2611340`.
    pub OrderId(String), "order"
);

/// A user's name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Name {
    /// Given.
    pub first_name: String,
    /// Family.
    pub last_name: String,
}

/// Where a user lives or an order goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Address {
    /// Street and number.
    pub address1: String,
    /// Suite; may be empty.
    pub address2: String,
    /// City.
    pub city: String,
    /// Country.
    pub country: String,
    /// State.
    pub state: String,
    /// Postal code.
    pub zip: String,
}

/// What a variant differs in: colour, size …
pub type Options = BTreeMap<String, String>;

/// One form of a product that can be ordered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Its id, unique over all products.
    pub item_id: String,
    /// What it differs in.
    pub options: Options,
    /// Whether it can be ordered now.
    pub available: bool,
    /// Its price.
    pub price_cents: i64,
}

/// A variant as it was ordered, at the price of that time. An order may hold the same twice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Item {
    /// The product's name.
    pub name: String,
    /// The product.
    pub product_id: ProductId,
    /// The variant.
    pub item_id: String,
    /// What it was sold for.
    pub price_cents: i64,
    /// What it differs in.
    pub options: Options,
}

impl Item {
    /// It is this variant now, at this price.
    pub fn become_variant(&mut self, variant: &Variant) {
        self.item_id = variant.item_id.clone();
        (self.price_cents, self.options) = (variant.price_cents, variant.options.clone());
    }
}

/// An item of an order gives way to another variant of its product, at that variant's price.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Swap {
    /// The product of both.
    pub product_id: ProductId,
    /// The item that goes.
    pub item_id: String,
    /// The variant that comes; it may be the same.
    pub new: Variant,
    /// By how much the new one costs more than the old one did.
    pub difference_cents: i64,
}

impl Swap {
    /// `item` gives way to `new`.
    #[must_use]
    pub fn of(item: &Item, new: &Variant) -> Self {
        Self {
            product_id: item.product_id.clone(),
            item_id: item.item_id.clone(),
            new: new.clone(),
            difference_cents: new.price_cents - item.price_cents,
        }
    }
}

/// How a user can pay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "snake_case")]
pub enum PaymentMethod {
    /// A credit card.
    CreditCard {
        /// Its id.
        id: String,
        /// Who issued it.
        brand: String,
        /// The last four digits.
        last_four: String,
    },
    /// A gift card: the only method with a balance of ours.
    GiftCard {
        /// Its id.
        id: String,
        /// What is left on it; never below zero.
        balance_cents: i64,
    },
    /// A PayPal account.
    Paypal {
        /// Its id.
        id: String,
    },
}

impl PaymentMethod {
    /// Whether it is a gift card.
    #[must_use]
    pub fn is_gift_card(&self) -> bool {
        matches!(self, Self::GiftCard { .. })
    }

    /// Whether this amount can be paid by it: a gift card must have the balance.
    #[must_use]
    pub fn covers(&self, cents: i64) -> bool {
        match self {
            Self::GiftCard { balance_cents, .. } => *balance_cents >= cents,
            Self::CreditCard { .. } | Self::Paypal { .. } => true,
        }
    }

    /// Takes a payment off a gift card's balance, or puts a refund on it.
    pub fn settle(&mut self, transaction: &Transaction) {
        if let Self::GiftCard { balance_cents, .. } = self {
            *balance_cents += transaction.to_method_cents();
        }
    }
}

/// A row of an order's payment history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transaction {
    /// Which way the money went.
    pub transaction_type: TransactionType,
    /// How much; never negative.
    pub amount_cents: i64,
    /// By which of the user's methods.
    pub payment_method_id: String,
}

/// Which way money went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TransactionType {
    /// From the user.
    Payment,
    /// To the user.
    Refund,
}

impl Transaction {
    /// A payment of what is above zero, else a refund of what is not.
    #[must_use]
    pub fn of(cents: i64, payment_method_id: &str) -> Self {
        let transaction_type =
            if cents > 0 { TransactionType::Payment } else { TransactionType::Refund };
        let payment_method_id = payment_method_id.to_owned();
        Self { transaction_type, amount_cents: cents.abs(), payment_method_id }
    }

    /// The same amount, back to the same method.
    #[must_use]
    pub fn refunded(&self) -> Self {
        Self { transaction_type: TransactionType::Refund, ..self.clone() }
    }

    /// What the method has more for it.
    #[must_use]
    pub fn to_method_cents(&self) -> i64 {
        match self.transaction_type {
            TransactionType::Payment => -self.amount_cents,
            TransactionType::Refund => self.amount_cents,
        }
    }
}

/// A parcel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Fulfillment {
    /// The carrier's numbers.
    pub tracking_id: Vec<String>,
    /// What is in it.
    pub item_ids: Vec<String>,
}

/// How far an order has come, with what only an order that came so far has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "lowercase")]
pub enum Status {
    /// Waits to be shipped, and may be changed.
    #[default]
    Pending,
    /// Waits to be shipped; its items were changed, which can happen once.
    #[serde(rename = "pending (item modified)")]
    ItemModified,
    /// On its way.
    Processed,
    /// Arrived.
    Delivered,
    /// Will not be shipped.
    Cancelled {
        /// Why; orders that were cancelled before the import have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cancel_reason: Option<String>,
    },
    /// Some of its items come back.
    #[serde(rename = "return requested")]
    ReturnRequested {
        /// Which, sorted.
        return_items: Vec<String>,
        /// Where the refund goes.
        return_payment_method_id: String,
    },
    /// Some of its items come back and others go out for them.
    #[serde(rename = "exchange requested")]
    ExchangeRequested {
        /// Which come back, sorted.
        exchange_items: Vec<String>,
        /// Which go out, sorted.
        exchange_new_items: Vec<String>,
        /// How the difference will be settled.
        exchange_payment_method_id: String,
        /// In cents; what the user will pay, or get back when negative.
        #[serde(with = "crate::dollars")]
        exchange_price_difference: i64,
    },
}
