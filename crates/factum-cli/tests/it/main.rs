//! The real binary, run as a person or a script runs it, in directories of its own.

mod append_read;
mod completions;
mod config;
mod demo;
mod doctor;
mod exits;
mod groups;
mod harm;
mod harness;
mod help;
mod kill;
mod malformed;
mod packaging;
mod serve;
mod streams;
mod tokens;
mod upkeep;
mod views;
