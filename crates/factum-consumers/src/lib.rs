//! Consumer groups as pure steps: which consumer gets which event, and what is settled.
//!
//! ```text
//!   events that match ──► offer ─┐              ┌─► draw ──► deliveries
//!   ack, nack, extend ──────────►│    Group     │
//!   time, as data ──────► tick ─►│              └─► changes ──► a log, synced by the shell
//!   pause, requeue, skip ───────►│                     │
//!                                └──◄── Durable::apply ◄┘   (after a crash)
//! ```
//!
//! * [`Group`] decides. It has no clock, no thread and no file: that is what this crate's boundary
//!   is for, the compiler would refuse them. A shell gives it events and the time, writes its
//!   [`Change`]s down, and only then answers and draws again.
//! * [`Durable`] is what the changes come to: the only thing that has to survive.
//!
//! What is held, and tested against a small oracle through random runs with crashes:
//!
//! 1. No event is passed by the checkpoint unless it was settled (acknowledged, skipped, or found
//!    gone) or is kept by reference, durably.
//! 2. Of the events that share a key at most one is in flight, and none is delivered before each
//!    earlier one is settled. A parked event therefore holds its key; other keys flow.
//! 3. What was settled durably is never delivered again, unless the group is reset.
//! 4. Everything is bounded: events in flight, looked ahead at, parked, and waiting behind parked
//!    ones. At a bound the group stops and says so; nothing is skipped.

mod change;
mod durable;
mod group;
mod reference;
mod sabotage;
mod settings;

pub use change::{Change, How};
pub use durable::Durable;
pub use group::{
    Delivery, DeliveryId, Fate, Group, Lost, Nack, NotOpen, Offered, Pick, Status, Stopped,
};
pub use reference::{Key, Reference, Standing};
#[cfg(feature = "sabotage")]
pub use sabotage::Sabotage;
pub use settings::{Definition, Order, Pace};
