//! The shop's rules one by one, the data set's ground truth, and what holds under races and kills.

mod boundaries;
mod effects;
mod events_lock;
mod expected;
mod race;
mod rules;
mod views;
mod world;
