//! Factum's server: one API in Rust, and the faces that translate it: HTTP and gRPC, on one port.

mod access;
mod api;
mod config;
mod connection;
mod consumers;
mod faces;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod grpc;
mod http;
mod idle;
pub mod json;
mod lasting;
mod machine;
mod messages;
mod metrics;
mod observe;
mod peers;
mod plain_name;
mod rates;
mod schema;
mod server;
mod settings;
mod tls;
mod umadb;
mod units;

pub use access::{
    ACCESS_LEDGER, Identity, JwtSettings, NewToken, Pattern, Right, Secret, Token, TokenId, Tokens,
    Verb, is_system_ledger,
};
pub use config::{Config, ServeError};
pub use observe::Logs;
pub use server::Server;
pub use settings::Setting;
pub use tls::TlsFiles;
pub use units::bytes;
