//! `/v1/ledgers`: the ledgers, and one of them.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Shared, answer::ok, known::Known, parameters::Parameters, problem::Problem, view::ViewJson,
};
use crate::{access::Principal, api::LedgerStatus, json::HeadJson, schema};

/// The ledgers that may be read.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Ledgers")]
pub(crate) struct LedgersJson {
    ledgers: Vec<LedgerJson>,
}

/// A ledger, as it stands.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Ledger")]
pub(crate) struct LedgerJson {
    name: String,
    /// The application that runs on it; `null` when it only keeps events.
    application: Option<&'static str>,
    head: HeadJson,
    views: Vec<ViewJson>,
}

impl LedgerJson {
    fn of(ledger: LedgerStatus) -> Self {
        let LedgerStatus { name, application, head, views } = ledger;
        let views = views.into_iter().map(ViewJson::of).collect();
        Self { name, application, head: HeadJson::of(head), views }
    }
}

/// A ledger to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewLedger")]
pub(crate) struct NewLedgerBody {
    #[schemars(with = "schema::LedgerName")]
    name: String,
}

/// A ledger that is no more.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "LedgerDeleted")]
pub(crate) struct DeletedJson {
    deleted: String,
}

/// The parameters of a deletion.
pub(crate) const DELETE_PARAMETERS: &[Known] =
    &[Known::text("confirm", "the ledger's name again: all its events are lost").required()];

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
) -> Result<Response, Problem> {
    let ledgers = shared.api.ledgers(&principal).await?;
    ok(&LedgersJson { ledgers: ledgers.into_iter().map(LedgerJson::of).collect() })
}

pub(crate) async fn describe(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
) -> Result<Response, Problem> {
    ok(&LedgerJson::of(shared.api.describe(&principal, &ledger).await?))
}

/// POST: makes one.
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    request: Request,
) -> Result<Response, Problem> {
    let NewLedgerBody { name } = shared.bodies.json(request).await?.read()?;
    let ledger = shared.api.create_ledger(&principal, &name).await?;
    let mut response = ok(&LedgerJson::of(ledger))?;
    *response.status_mut() = StatusCode::CREATED;
    // A ledger's name is plain: it needs no encoding.
    if let Ok(location) = HeaderValue::try_from(format!("/v1/ledgers/{name}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// DELETE: ends one, with all its events.
pub(crate) async fn delete(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    shared.api.delete_ledger(&principal, &ledger, parameters.text("confirm")?).await?;
    ok(&DeletedJson { deleted: ledger })
}
