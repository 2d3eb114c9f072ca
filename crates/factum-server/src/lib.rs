//! Factum's server: one API in Rust, and the HTTP face that translates it.

mod api;
mod config;
mod connection;
mod http;
pub mod json;
mod server;

pub use config::{Config, ServeError};
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use http::fuzzing;
pub use server::Server;
