//! Factum's gRPC interface, `factum.v1`: wire types, and how they and the words of `factum-store`
//! become each other. The interface itself, with what everything means, is
//! `proto/factum/v1/factum.proto`.

/// The wire types, as they are made from the interface.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
pub mod v1 {
    tonic::include_proto!("factum.v1");
}
