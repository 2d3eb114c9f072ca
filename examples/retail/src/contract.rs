//! What can be asked of the shop, and why it may say no. The commands are, field for field, the
//! arguments of the data set's writing actions; the refusals are, word for word, its reasons.

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

/// Why not.
#[derive(Clone, Debug, PartialEq, Refusal)]
pub enum No {
    /// There is no such order.
    #[say("order not found")]
    OrderNotFound,
    /// There is no such user.
    #[say("user not found")]
    UserNotFound,
    /// The owner of the order has no such payment method.
    #[say("payment method not found")]
    PaymentMethodNotFound,
    /// The order does not hold this item as often as it is named.
    #[say("{0} not found")]
    ItemNotFound(String),
    /// The order does not hold all items that are named.
    #[say("some item not found")]
    SomeItemNotFound,
    /// The item is no variant of the old item's product, or can't be ordered now.
    #[say("new item {0} not found or available")]
    NewItemNotFound(String),
    /// Only pending orders can be cancelled.
    #[say("non-pending order cannot be cancelled")]
    NotCancellable,
    /// Only pending orders can be modified.
    #[say("non-pending order cannot be modified")]
    NotModifiable,
    /// Only delivered orders can be exchanged.
    #[say("non-delivered order cannot be exchanged")]
    NotExchangeable,
    /// Only delivered orders can be returned.
    #[say("non-delivered order cannot be returned")]
    NotReturnable,
    /// Orders are cancelled for two reasons only.
    #[say("invalid reason")]
    InvalidReason,
    /// Not as many new items as old ones.
    #[say("the number of items to be exchanged should match")]
    CountsDiffer,
    /// The gift card's balance does not cover it.
    #[say("insufficient gift card balance to pay for {0}")]
    InsufficientBalance(String),
    /// The payment was modified before.
    #[say("there should be exactly one payment for a pending order")]
    NotOnePayment,
    /// The order was paid by this method.
    #[say("the new payment method should be different from the current one")]
    SamePaymentMethod,
    /// Refunds go to a gift card or back where the money came from.
    #[say("payment method should be either the original payment method or a gift card")]
    NotOriginalOrGiftCard,
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
