//! The HTTP face. It only translates: an address, headers and a body become a request of the API,
//! and its answer becomes JSON or a problem document. No decision is made here.

mod answer;
mod append;
mod body;
mod command;
mod docs;
mod events;
mod fault;
mod fold;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod groups;
mod guard;
mod health;
mod known;
mod ledgers;
mod lines;
mod metrics;
mod openapi;
mod operate;
mod parameters;
mod positions;
mod problem;
mod problems;
mod route;
mod routes;
mod stream;
mod streams;
mod tokens;
mod view;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
};
use tokio::sync::watch;

use crate::{Config, access::Principal, api::Api};
use body::Bodies;
use problem::Problem;

/// What every route works with.
pub(crate) struct Shared {
    api: Arc<Api>,
    bodies: Bodies,
    heartbeat: Duration,
    stopping: watch::Receiver<bool>,
}

/// The router of a server that listens at `config.listen`.
pub(crate) fn router(api: Arc<Api>, config: &Config, stopping: watch::Receiver<bool>) -> Router {
    routes::router(Arc::new(Shared {
        bodies: Bodies::new(Arc::clone(api.room()), config),
        api,
        heartbeat: config.heartbeat,
        stopping,
    }))
}

pub(crate) use guard::stopped;

/// Whoever sent the request: a route that takes one can't be reached by a stranger.
impl FromRequestParts<Arc<Shared>> for Principal {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Shared>) -> Result<Self, Problem> {
        Ok(Principal::of(&parts.extensions)?)
    }
}

/// The `Idempotency-Key`, as it is or in quotes (RFC 8941).
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    const NAME: &str = "Idempotency-Key";
    let mut values = headers.get_all(NAME).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Problem::invalid(NAME, "is there twice; send it once"));
    }
    let Ok(text) = value.to_str() else {
        return Err(Problem::invalid(NAME, "must be plain text"));
    };
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if bare.is_empty() {
        return Err(Problem::invalid(NAME, "is empty; leave it out instead"));
    }
    Ok(Some(bare.to_owned()))
}
