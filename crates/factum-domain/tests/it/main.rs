//! Everything that the domain layer promises, without a store.

#![allow(unreachable_pub, reason = "the samples are written as an application would write them")]

extern crate factum_domain as factum;

mod bank;
mod messages;
