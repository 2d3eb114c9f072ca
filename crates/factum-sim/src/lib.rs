//! The real engine on a simulated machine, driven from a seed in one thread.
//!
//! ```text
//!   seed ─► scene: clients, readers, followers, clock ─► engine ─► simulated machine ◄─ faults
//!             └────────► witness, history: everything that was answered is checked ◄──┘
//! ```
//!
//! A run is a function of its seed: the same seed does the same things in the same order and fails
//! at the same place. `docs/simulation.md` says what is simulated, what is checked and what is not.

mod answers;
mod audit;
mod backups;
mod compacting;
mod fates;
mod follower;
mod history;
mod life;
mod model;
mod order;
mod reading;
mod rot;
mod rot_while_open;
mod run;
mod scene;
mod tally;
mod witness;
mod workload;

pub use order::{Moment, Role, in_real_time};
pub use run::{Outcome, Plan, simulate};
pub use tally::Tally;
