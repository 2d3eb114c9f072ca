//! A group against an oracle that is small enough to be seen right, through random runs with
//! crashes; and the deliberate bugs that these runs find.

mod oracle;
mod random;
#[cfg(feature = "sabotage")]
mod sabotage;
mod world;
