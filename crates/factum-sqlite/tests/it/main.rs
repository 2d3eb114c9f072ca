//! The view store on SQLite, through its port.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod conformance;
mod damage;
mod rows;
