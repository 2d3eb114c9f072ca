//! `/health`: 200 while requests can be served, though a view may stand still; a problem otherwise.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use serde_json::json;

use super::{Shared, answer::ok, problem::Problem};

pub(crate) async fn health(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    let health = shared.api.health().await?;
    let status = if health.views_failing == 0 { "ok" } else { "degraded" };
    ok(&json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "ledgers": health.ledgers,
        "views": health.views,
        "views_failing": health.views_failing,
    }))
}
