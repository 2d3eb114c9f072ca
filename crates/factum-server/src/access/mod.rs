//! Access: who asks, and what they may. A face finds out who asks and hands the [`Principal`] on;
//! whether they may is decided inside the API's operations, so that a face that forgets to ask
//! opens no door.

mod principal;

pub(crate) use principal::{Principal, Verb};

use http::HeaderMap;

use crate::api::ApiError;

/// Finds out who asks.
pub(crate) struct Access {}

impl Access {
    pub(crate) fn new() -> Self {
        Self {}
    }

    /// Who sent a request with these headers (over HTTP) or this metadata (over gRPC).
    pub(crate) fn principal(&self, _: &HeaderMap) -> Result<Principal, ApiError> {
        Ok(Principal::everybody())
    }
}
