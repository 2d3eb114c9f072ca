//! Every decoder of what clients send, face by face, as a function of bytes, for fuzzing. Only with
//! the feature `fuzzing`; no part of the API.

use crate::{access, grpc, http, umadb};

/// A decoder, by name.
pub type Target = (&'static str, fn(&[u8]));

/// Every decoder.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    let http = http::fuzzing::TARGETS.iter().chain(access::fuzzing::TARGETS);
    http.chain(grpc::fuzzing::TARGETS).chain(umadb::fuzzing::TARGETS)
}

/// Inputs of a target that are whole, to begin with.
#[must_use]
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = http::fuzzing::seeds(target);
    seeds.extend(access::fuzzing::seeds(target));
    seeds.extend(grpc::fuzzing::seeds(target));
    seeds.extend(umadb::fuzzing::seeds(target));
    seeds
}
