//! What can be asked of the shop: the commands, field for field the arguments of the data set's
//! writing actions.

use factum::prelude::*;

use crate::shapes::*;

/// Cancels an order and pays back what was paid.
#[derive(Command)]
pub struct CancelPendingOrder {
    /// Which.
    pub order_id: OrderId,
    /// `no longer needed` or `ordered by mistake`.
    pub reason: String,
}

/// Gives items of an order way to other variants of their products, once.
#[derive(Command)]
pub struct ModifyPendingOrderItems {
    /// Of which order.
    pub order_id: OrderId,
    /// Which items.
    pub item_ids: Vec<String>,
    /// What for, in the same order.
    pub new_item_ids: Vec<String>,
    /// How the difference is settled.
    pub payment_method_id: String,
}

/// Sends an order elsewhere.
#[derive(Command)]
pub struct ModifyPendingOrderAddress {
    /// Which.
    pub order_id: OrderId,
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

/// Pays an order by another method.
#[derive(Command)]
pub struct ModifyPendingOrderPayment {
    /// Which.
    pub order_id: OrderId,
    /// By which of its owner's.
    pub payment_method_id: String,
}

/// Asks for other variants of the same products.
#[derive(Command)]
pub struct ExchangeDeliveredOrderItems {
    /// Of which order.
    pub order_id: OrderId,
    /// Which items.
    pub item_ids: Vec<String>,
    /// What for, in the same order.
    pub new_item_ids: Vec<String>,
    /// How the difference will be settled.
    pub payment_method_id: String,
}

/// Asks to give items back.
#[derive(Command)]
pub struct ReturnDeliveredOrderItems {
    /// Of which order.
    pub order_id: OrderId,
    /// Which.
    pub item_ids: Vec<String>,
    /// Where the refund goes.
    pub payment_method_id: String,
}

/// Changes where a user lives.
#[derive(Command)]
pub struct ModifyUserAddress {
    /// Whose.
    pub user_id: UserId,
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

/// The address that a command spells out.
macro_rules! spells_out_address {
    ($($command:ident),*) => {
        $(impl $command {
            pub(crate) fn address(&self) -> Address {
                Address {
                    address1: self.address1.clone(),
                    address2: self.address2.clone(),
                    city: self.city.clone(),
                    country: self.country.clone(),
                    state: self.state.clone(),
                    zip: self.zip.clone(),
                }
            }
        })*
    };
}
spells_out_address!(ModifyPendingOrderAddress, ModifyUserAddress);
