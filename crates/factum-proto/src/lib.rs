//! Factum's gRPC interface, `factum.v1`: wire types, and how they and the words of `factum-store`
//! become each other. The interface itself, with what everything means, is
//! `proto/factum/v1/factum.proto`.
//!
//! What comes off the wire is checked where it becomes a word of `factum-store`: whoever has such a
//! word has a valid one. What can't be accepted is an [`Invalid`](factum_store::Invalid) that names
//! the field by its path. What has more parts than there may be is refused before it is decoded.

mod append;
mod codec;
mod event;
mod failure;
mod query;
mod read;
mod shape;
mod stream;

pub use append::{Keyed, append};
pub use codec::{Bounded, BoundedDecoder, Codec, decode};
pub use failure::{Failure, Reason, later};
pub use read::{LIMIT_ALL, read};
pub use shape::{Part, Shape, Unfit};

/// The wire types, as they are made from the interface.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("factum.v1");
}

/// The interface as data, for reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = tonic::include_file_descriptor_set!("descriptors");

/// The ledger that is meant when none is named.
pub const DEFAULT_LEDGER: &str = "default";

/// The ledger that a request names.
#[must_use]
pub fn ledger(named: String) -> String {
    if named.is_empty() { DEFAULT_LEDGER.to_owned() } else { named }
}
