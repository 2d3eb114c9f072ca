//! One subcommand, one file: its options, its help with examples, and what it does.

pub(crate) mod append;
pub(crate) mod backup;
pub(crate) mod compact;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod doctor;
pub(crate) mod group;
pub(crate) mod health;
pub(crate) mod inspect;
pub(crate) mod ledgers;
pub(crate) mod read;
pub(crate) mod rebuild;
pub(crate) mod repair;
pub(crate) mod restore;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod stream;
pub(crate) mod subscribe;
pub(crate) mod token;
pub(crate) mod verify;
pub(crate) mod view;
pub(crate) mod views;
