//! `/v1/ledgers`: the ledgers, and one of them.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Shared, answer::ok, problem::Problem, view::ViewJson};
use crate::{access::Principal, api::LedgerStatus, json::HeadJson};

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
