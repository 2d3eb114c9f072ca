//! `/v1/ledgers/{ledger}/commands`: the catalogue, and running one.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use factum::{Outcome, Refused};
use serde_json::{Value, json};

use super::{
    Shared,
    answer::ok,
    idempotency_key,
    problem::{Kind, Problem},
};
use crate::{access::Principal, api::RunCommand, json};

pub(crate) async fn catalogue(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
) -> Result<Response, Problem> {
    ok(&json!({ "commands": shared.api.commands(&principal, &ledger)? }))
}

pub(crate) async fn run(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, command)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let key = idempotency_key(request.headers())?;
    let body = shared.bodies.json(request).await?;
    let run = RunCommand { ledger, command, input: body.text, key };
    let outcome = shared.api.run(&principal, run).await?;
    let receipt = receipt_json(&outcome);
    match outcome.refusal {
        Some(refused) => Err(refusal(refused, receipt, outcome.replayed)),
        None => ok(&json!({
            "outcome": "accepted",
            "receipt": receipt,
            "position": outcome.position,
            "events": outcome.events,
            "replayed": outcome.replayed,
        })),
    }
}

/// `null` when there was nothing to record.
fn receipt_json(outcome: &Outcome) -> Value {
    outcome.receipt.as_ref().map_or(Value::Null, |receipt| json!(json::receipt(receipt)))
}

fn refusal(refused: Refused, receipt: Value, replayed: bool) -> Problem {
    Problem::new(Kind::Refused, refused.message)
        .with("reason", refused.code)
        .with("data", refused.data)
        .with("receipt", receipt)
        .with("replayed", replayed)
}
