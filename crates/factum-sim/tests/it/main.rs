//! The simulation's own tests: that it finds nothing, that it exercises everything, and that it
//! finds every deliberate bug.

mod exercised;
mod order;
#[cfg(feature = "sabotage")]
mod sabotage;
