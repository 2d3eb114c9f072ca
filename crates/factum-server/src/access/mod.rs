//! Access: who asks, and what they may. Who asks is found out once for each request, before any
//! face sees it; whether they may is decided inside the API's operations, so that a face that
//! forgets to ask opens no door.

mod audit;
mod book;
mod gate;
mod hosts;
mod limited;
#[cfg(test)]
mod limited_tests;
mod pattern;
mod principal;
mod rights;
mod scope;
mod secret;
mod tokens;

pub(crate) use audit::Audit;
pub use book::{Token, TokenId};
pub(crate) use gate::{Gate, Peer, Stop};
pub(crate) use hosts::Origin;
pub(crate) use limited::{Limited, YOUR_RIGHTS};
pub use pattern::Pattern;
pub(crate) use principal::{Extent, Principal};
pub use rights::{Right, Verb};
pub(crate) use scope::Scope;
pub use secret::Secret;
pub use tokens::{ACCESS_LEDGER, NewToken, Tokens, is_system_ledger};

use std::sync::Arc;

use http::{HeaderMap, header};

use crate::api::ApiError;

/// Finds out who asks.
pub(crate) struct Access {
    tokens: Arc<Tokens>,
    /// Whether somebody who says nothing about themselves is nobody, instead of everybody.
    required: bool,
}

impl Access {
    pub(crate) fn new(tokens: Arc<Tokens>, required: bool) -> Self {
        Self { tokens, required }
    }

    /// What is to be recorded of who asks.
    pub(crate) fn audit(&self) -> &Arc<Audit> {
        self.tokens.audit()
    }

    /// Who sent a request with these headers (over HTTP) or this metadata (over gRPC). Whatever is
    /// wrong is answered in the same way: a stranger learns nothing from it.
    pub(crate) fn principal(&self, headers: &HeaderMap) -> Result<Principal, ApiError> {
        let mut said = headers.get_all(header::AUTHORIZATION).iter();
        match (said.next(), said.next()) {
            (None, _) if !self.required => Ok(Principal::everybody()),
            (Some(said), None) => {
                let token = said.to_str().ok().and_then(bearer);
                let token = token.and_then(|text| self.tokens.find(text));
                token.ok_or(ApiError::Unauthenticated)
            }
            _ => Err(ApiError::Unauthenticated),
        }
    }
}

/// What follows `Bearer `.
fn bearer(said: &str) -> Option<&str> {
    let (scheme, token) = said.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
