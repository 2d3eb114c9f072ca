//! `/v1/ledgers`: the ledgers, and one of them.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use serde_json::{Value, json};

use super::{Shared, answer::ok, problem::Problem, view::status_json};
use crate::{access::Principal, api::LedgerStatus, json};

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
) -> Result<Response, Problem> {
    let ledgers = shared.api.ledgers(&principal).await?;
    ok(&json!({ "ledgers": ledgers.iter().map(ledger_json).collect::<Vec<_>>() }))
}

pub(crate) async fn describe(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
) -> Result<Response, Problem> {
    ok(&ledger_json(&shared.api.describe(&principal, &ledger).await?))
}

fn ledger_json(ledger: &LedgerStatus) -> Value {
    json!({
        "name": ledger.name,
        "application": ledger.application,
        "head": json::head(ledger.head),
        "views": ledger.views.iter().map(status_json).collect::<Vec<_>>(),
    })
}
