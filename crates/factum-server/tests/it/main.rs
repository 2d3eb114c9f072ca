//! The server as its clients see it: over real connections.

mod access;
mod bank;
mod client;
mod commands;
mod events;
mod groups;
mod grpc;
mod guard;
mod guarded;
mod identity;
mod ledgers;
mod limits;
mod listen;
mod malformed;
mod matrix;
mod metrics;
mod operate;
mod reading;
mod routes;
mod standstill;
mod store;
mod stream;
mod streams;
mod tls;
mod views;
mod world;
