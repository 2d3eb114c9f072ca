//! The framework over its ports, and over the embedded ledger with views on SQLite.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod bank;
mod commands;
mod moments;
mod projectors;
mod races;
mod snapshots;
mod wrappers;
