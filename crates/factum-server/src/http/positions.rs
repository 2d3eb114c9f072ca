//! `/v1/ledgers/{ledger}/positions`: which position a time is; `…/receipts/{key}`: what became of an
//! idempotency key.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use factum_store::{EventId, Position};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Shared,
    answer::ok,
    known::Known,
    parameters::Parameters,
    problem::{Kind, Problem},
    view::time,
};
use crate::{access::Principal, api::KeyUse, json, schema};

/// The parameters of a look-up by time.
pub(crate) const PARAMETERS: &[Known] =
    &[Known::time("at", "an RFC 3339 time; a + in it is written %2B").required()];
/// The parameters of a look-up of a key.
pub(crate) const RECEIPT_PARAMETERS: &[Known] = &[Known::name(
    "operation",
    "what the key was sent with: a command's name, or append (default)",
)];

/// The last position that was recorded at or before a time; 0 when there is none.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PositionAt")]
pub(crate) struct PositionJson {
    #[schemars(with = "schema::Place")]
    position: Position,
}

/// Where a key was used first. For the whole receipt send the same request again: it happens once.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "KeyUse")]
pub(crate) struct KeyUseJson {
    operation: String,
    key: String,
    /// The first position that was recorded under it.
    #[schemars(with = "schema::Place")]
    first: Position,
    #[schemars(with = "schema::Time")]
    recorded_at: String,
    /// The id of the event there.
    #[schemars(with = "schema::Id")]
    id: EventId,
}

pub(crate) async fn at(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let Some(text) = parameters.text("at")? else {
        return Err(Problem::new(Kind::Invalid, "at is missing; give a time").with("field", "at"));
    };
    let position = shared.api.position_at(&principal, &ledger, time("at", text)?).await?;
    ok(&PositionJson { position })
}

pub(crate) async fn receipt(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, key)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let operation = parameters.one("operation")?.unwrap_or_else(|| "append".to_owned());
    let used = shared.api.key_use(&principal, &ledger, &operation, &key).await?;
    let KeyUse { first, recorded_at, id } = used.ok_or_else(|| {
        Problem::new(Kind::UnknownReceipt, format!("nothing was recorded under {key:?}"))
    })?;
    ok(&KeyUseJson { operation, key, first, recorded_at: json::time(recorded_at), id })
}
