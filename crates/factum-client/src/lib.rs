//! Factum's Rust client: a ledger over the network is a [`factum_store::Ledger`] like any other.
//!
//! ```no_run
//! use factum_client::Client;
//! use factum_store::Ledger;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::to("https://factum.example:2113").token("…").connect().await?;
//! let ledger = client.ledger("bank");
//! println!("{}", ledger.head().await?.position);
//! # Ok(())
//! # }
//! ```
//!
//! What the network adds to the promises of a ledger:
//! * An append whose answer was lost is [`OutcomeUnknown`](factum_store::AppendError::OutcomeUnknown),
//!   unless it has a key: then it is sent again, for a while, and happens once.
//! * A subscription that lost its connection comes back by itself and goes on after what it has
//!   yielded: no event is left out, and none comes twice (G6).
//! * A read that lost its connection is done again, for a while.

mod call;
mod client;
mod connect;
mod environment;
mod ledger;
mod pipeline;
mod runtime;
mod signals;

pub use client::{Client, Connection};
pub use connect::{Connect, ConnectError, Token};
pub use ledger::RemoteLedger;
pub use pipeline::Pipeline;
