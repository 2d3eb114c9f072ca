//! Everything that the domain layer promises, without a store.

#![allow(unreachable_pub, reason = "the samples are written as an application would write them")]
#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

extern crate factum_domain as factum;

mod bank;
mod boundaries;
mod by_hand;
mod domain;
mod events_lock;
mod fingerprints;
mod given_when_then;
mod keys;
mod messages;
mod refusals;
mod shop;
mod versions;
mod views;
