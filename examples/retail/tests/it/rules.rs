//! Every rule of the data set's README, and every effect: given what happened, when this is asked,
//! then that. Each rule has a test that fails without it; where two rules are broken at once, the
//! first in the data set's order is the reason.

mod cancel;
mod exchange;
mod import;
mod modify_address;
mod modify_items;
mod modify_payment;
mod return_items;
