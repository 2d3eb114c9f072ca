//! The embedded ledger, through its port.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod backup;
mod backup_again;
mod compact;
mod compact_again;
mod conformance;
mod damage;
mod delete;
mod golden;
mod harm;
mod index;
mod ledger;
mod random;
mod read;
mod reopen;
mod repair;
mod retention;
mod short_reads;
mod subscribe;
mod unlisted;
