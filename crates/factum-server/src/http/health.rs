//! `/health`: 200 while requests can be served, though a view may stand still; a problem otherwise.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Shared, answer::ok, problem::Problem};

/// How the server is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Health")]
pub(crate) struct HealthJson {
    /// `degraded` while a view stands still.
    status: Wellness,
    version: &'static str,
    ledgers: usize,
    views: usize,
    views_failing: usize,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Wellness {
    Ok,
    Degraded,
}

pub(crate) async fn health(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    let health = shared.api.health().await?;
    ok(&HealthJson {
        status: if health.views_failing == 0 { Wellness::Ok } else { Wellness::Degraded },
        version: env!("CARGO_PKG_VERSION"),
        ledgers: health.ledgers,
        views: health.views,
        views_failing: health.views_failing,
    })
}
