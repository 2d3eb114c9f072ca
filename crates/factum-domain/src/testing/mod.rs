//! Given, when, then: a decision tested without a store.
//!
//! ```text
//! given((Opened { … }, Deposited { … }))
//!     .when(Transfer { … })
//!     .then((Withdrawn { … }, Deposited { … }));
//! given(Opened { … }).when(Transfer { … }).refused(No::Short { have: 0 });
//! ```
//!
//! The decision sees the history through its declared boundary only: each fold gets the events
//! that its query matches. A boundary that misses an event fails its test.

mod given;
mod lock;
mod then;

pub use given::{Given, given, recorded};
pub use lock::{check_events_lock, compare_lock_file};
pub use then::When;
