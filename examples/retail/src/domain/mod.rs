//! The shop: its events, what becomes of things by them, what may happen, and what is shown.

pub(crate) mod decisions;
pub(crate) mod events;
pub(crate) mod state;
pub(crate) mod views;
