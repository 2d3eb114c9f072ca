//! `/v1/ledgers/{ledger}/commands`: the catalogue, and running one.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use factum::{DeciderModel, Refused};
use factum_store::Position;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Shared,
    answer::ok,
    idempotency_key,
    problem::{Kind, Problem},
};
use crate::{access::Principal, api::RunCommand, json::ReceiptJson, schema};

/// The commands of a ledger's application.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Commands")]
pub(crate) struct CommandsJson {
    #[schemars(with = "Vec<CommandSchema>")]
    commands: Vec<DeciderModel>,
}

/// A command: its fields, what it reads, what may come of it.
#[derive(JsonSchema)]
#[schemars(rename = "Command")]
#[expect(dead_code, reason = "the domain writes it; this describes what matters to a client")]
struct CommandSchema {
    command: NamedFields,
    /// What is read for it, and so guarded.
    reads: Vec<schema::Object>,
    /// The events that may come of it.
    emits: Vec<schema::Object>,
    /// How it may be refused.
    refusals: Vec<schema::Object>,
}

/// A command's name, and its fields in order.
#[derive(JsonSchema)]
#[schemars(rename = "CommandFields")]
#[expect(dead_code, reason = "the domain writes it; this describes what matters to a client")]
struct NamedFields {
    name: String,
    fields: Vec<schema::Object>,
}

/// A command that was accepted.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "CommandAccepted")]
pub(crate) struct AcceptedJson<'a> {
    outcome: Accepted,
    /// `null` when there was nothing to record.
    receipt: Option<ReceiptJson<'a>>,
    /// Up to where the ledger was looked at; a read `after` it has seen what came of it.
    #[schemars(with = "schema::Place")]
    position: Position,
    /// How many events came of it.
    events: u64,
    /// Whether this is the answer to an earlier request with the same key.
    replayed: bool,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Accepted {
    Accepted,
}

pub(crate) async fn catalogue(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
) -> Result<Response, Problem> {
    ok(&CommandsJson { commands: shared.api.commands(&principal, &ledger)? })
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
    let receipt = outcome.receipt.as_ref().map(ReceiptJson::of);
    match outcome.refusal {
        Some(refused) => Err(refusal(refused, json!(receipt), outcome.replayed)),
        None => ok(&AcceptedJson {
            outcome: Accepted::Accepted,
            receipt,
            position: outcome.position,
            events: outcome.events,
            replayed: outcome.replayed,
        }),
    }
}

fn refusal(refused: Refused, receipt: Value, replayed: bool) -> Problem {
    Problem::new(Kind::Refused, refused.message)
        .with("reason", refused.code)
        .with("data", refused.data)
        .with("receipt", receipt)
        .with("replayed", replayed)
}
