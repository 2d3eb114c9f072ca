//! The order system that the main job runs: an ordinary application of `factum`.
//!
//! It works on tau-bench's retail data (MIT, see `data/LICENSE`): 50 products, 500 users, 1,000
//! orders, and the 1,350 things that customer-service agents did. `domain/` is the whole shop:
//! events, folds, decisions and views; the rest brings the data in and the actions to it.

mod actions;
mod contract;
mod dollars;
mod domain;
mod import;
mod shapes;

use factum::prelude::*;

pub use actions::{Action, Actions, Performed, perform};
pub use contract::*;
pub use domain::{events::*, state::*};
pub use import::{
    Data, DataError, ImportOrder, Known, ListProduct, Progress, RegisterUser, import, import_data,
};
pub use shapes::*;

/// The shop: ten commands and six views.
#[must_use]
pub fn domain() -> Domain {
    Domain::new("retail")
        .decides::<ListProduct>()
        .decides::<RegisterUser>()
        .decides::<ImportOrder>()
        .decides::<CancelPendingOrder>()
        .decides::<ModifyPendingOrderItems>()
        .decides::<ModifyPendingOrderAddress>()
        .decides::<ModifyPendingOrderPayment>()
        .decides::<ExchangeDeliveredOrderItems>()
        .decides::<ReturnDeliveredOrderItems>()
        .decides::<ModifyUserAddress>()
        .view(document::<Product>("products"))
        .view(document::<User>("users"))
        .view(document::<Order>("orders"))
        .view(domain::views::order_history())
        .view(domain::views::product_sales())
        .view(domain::views::shipping_queue())
}
