//! Access: who asks, and what they may. Who asks is found out once for each request, before any
//! face sees it; whether they may is decided inside the API's operations, so that a face that
//! forgets to ask opens no door.

mod audit;
mod book;
mod certificate;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod gate;
mod hosts;
mod jwt;
mod limited;
#[cfg(test)]
mod limited_tests;
mod pattern;
mod principal;
mod rights;
mod scope;
mod secret;
mod seen;
mod standing;
mod tokens;

pub(crate) use audit::Audit;
pub use book::{Token, TokenId};
pub use certificate::Identity;
pub(crate) use certificate::Shown;
pub(crate) use gate::{Admitted, Gate, Peer, Stop};
pub(crate) use hosts::Origin;
pub(crate) use jwt::Jwt;
pub use jwt::JwtSettings;
pub(crate) use limited::{Limited, YOUR_RIGHTS};
pub use pattern::Pattern;
pub(crate) use principal::{Extent, Principal};
pub use rights::{Right, Verb};
pub(crate) use scope::Scope;
pub use secret::Secret;
pub(crate) use standing::Standing;
pub(crate) use tokens::now;
pub use tokens::{ACCESS_LEDGER, NewToken, Tokens, is_system_ledger};

use std::sync::Arc;

use factum_store::BoxFuture;
use http::{HeaderMap, header};

use book::Found;
use jwt::Judged;
use secret::presented;

/// Finds out who asks.
pub(crate) struct Access {
    tokens: Arc<Tokens>,
    /// The judge of tokens that somebody else issues.
    jwt: Option<Arc<Jwt>>,
    /// Whether somebody who says nothing about themselves is nobody, instead of everybody.
    required: bool,
}

impl Access {
    pub(crate) fn new(tokens: Arc<Tokens>, jwt: Option<Arc<Jwt>>, required: bool) -> Self {
        Self { tokens, jwt, required }
    }

    /// What is to be recorded of who asks.
    pub(crate) fn audit(&self) -> &Arc<Audit> {
        self.tokens.audit()
    }

    /// Who sent a request with these headers (over HTTP) or this metadata (over gRPC), on a connection
    /// on which this certificate was shown. A token is more than a certificate, which may be only how
    /// one gets here. Whatever is wrong is answered in the same way: a stranger learns nothing from it.
    pub(crate) fn who(&self, headers: &HeaderMap, shown: Option<&Arc<Shown>>) -> Who {
        let mut said = headers.get_all(header::AUTHORIZATION).iter();
        match (said.next(), said.next()) {
            (None, _) => self.who_shows(shown),
            (Some(said), None) => match said.to_str().ok().and_then(bearer) {
                Some(token) => self.whose(token),
                None => Who::Stranger,
            },
            _ => Who::Stranger,
        }
    }

    /// Who shows a certificate, or nothing at all.
    fn who_shows(&self, shown: Option<&Arc<Shown>>) -> Who {
        let of = |shown: &Arc<Shown>| self.tokens.of_certificate(shown, tokens::now());
        match (shown.map_or(Found::Nobody, of), shown) {
            (Found::Good(principal, _), Some(shown)) => {
                let tokens = Arc::clone(&self.tokens);
                let standing = Standing::Certificate(tokens, Arc::clone(shown));
                Who::Known(principal, Some(standing))
            }
            (Found::Nobody, _) if !self.required => Who::Known(Principal::everybody(), None),
            _ => Who::Stranger,
        }
    }

    /// Whose token this is.
    fn whose(&self, token: &str) -> Who {
        if let Some((id, hash)) = presented(token) {
            return match self.tokens.of_secret(id, &hash, tokens::now()) {
                Found::Good(principal, _) => {
                    let standing = Standing::Secret(Arc::clone(&self.tokens), id, hash);
                    Who::Known(principal, Some(standing))
                }
                Found::Worthless | Found::Nobody => Who::Stranger,
            };
        }
        let Some(jwt) = self.jwt.as_ref().filter(|_| jwt::looks_like_one(token)) else {
            return Who::Stranger;
        };
        match jwt.judge(token) {
            Judged::Known(principal, end) => Who::Known(principal, Some(Standing::Until(end))),
            Judged::Stranger => Who::Stranger,
            Judged::KeyUnknown => match jwt.newer_keys() {
                Some(keys) => Who::AskAgain(Box::pin(keys)),
                None => Who::Stranger,
            },
        }
    }
}

/// Who asks, as far as it is known.
pub(crate) enum Who {
    /// Until they no longer are, if that can be.
    Known(Principal, Option<Standing>),
    Stranger,
    /// That is known when this has ended.
    AskAgain(BoxFuture<'static, ()>),
}

/// What follows `Bearer `.
fn bearer(said: &str) -> Option<&str> {
    let (scheme, token) = said.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
