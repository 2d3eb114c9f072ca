//! The framework over its ports, and over the embedded ledger with views on SQLite.
//!
//! A test named after a guarantee (`g5_…`) fails when it is broken; one named `…_catches_…` breaks
//! it on purpose, in a port, and fails unless the check notices.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod bank;
mod closing;
mod commands;
mod conflicts;
mod isolation;
mod keys;
mod moments;
mod observe;
mod own_writes;
mod past;
mod ports;
mod projectors;
mod races;
mod rebuild;
mod restored;
mod run;
mod snapshots;
mod world;
mod wrappers;
