//! `/v1/ledgers/{ledger}/projectors`: where the projector of each view stands, and steering it.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use factum::{FailingEvent, ViewStatus};
use factum_store::Position;
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    access::Principal,
    http::{Shared, answer::ok, problem::Problem, streams::Nothing},
    json, schema,
};

/// The projectors of a ledger.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Projectors")]
pub(super) struct ProjectorsJson {
    projectors: Vec<ProjectorJson>,
}

/// A projector: what keeps a view.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Projector")]
pub(super) struct ProjectorJson {
    view: String,
    state: StateName,
    /// What it has applied; nothing after it is in the view.
    #[schemars(with = "schema::Place")]
    position: Position,
    /// When that was recorded; `null` before the first event.
    #[schemars(with = "Option<schema::Time>")]
    recorded_at: Option<String>,
    #[schemars(with = "schema::Count")]
    lag_events: u64,
    /// Why it stands still.
    error: Option<String>,
    /// The event that it stands still before, where it is known to be one.
    event: Option<EventJson>,
    /// How often it was tried in vain since it stands still.
    #[schemars(with = "schema::Count")]
    failures: u64,
}

#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "ProjectorState")]
enum StateName {
    Following,
    StandsStill,
}

/// An event that can't be applied.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FailingEvent")]
struct EventJson {
    #[schemars(with = "schema::Place")]
    position: Position,
    #[serde(rename = "type")]
    event_type: String,
}

impl ProjectorJson {
    fn of(status: ViewStatus) -> Self {
        let ViewStatus { name, checkpoint, lag_events, error, failing, failures } = status;
        let begun = checkpoint.position > Position::START;
        let state = if error.is_some() { StateName::StandsStill } else { StateName::Following };
        let event = |FailingEvent { position, event_type }| EventJson { position, event_type };
        Self {
            view: name,
            state,
            position: checkpoint.position,
            recorded_at: begun.then(|| json::time(checkpoint.recorded_at)),
            lag_events,
            error,
            event: failing.map(event),
            failures,
        }
    }
}

/// GET: all of them.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
) -> Result<Response, Problem> {
    let views = shared.api.views(&principal, &ledger).await?;
    ok(&ProjectorsJson { projectors: views.into_iter().map(ProjectorJson::of).collect() })
}

/// GET: one of them.
pub(super) async fn show(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, view)): Path<(String, String)>,
) -> Result<Response, Problem> {
    ok(&ProjectorJson::of(shared.api.projector(&principal, &ledger, &view).await?))
}

/// POST `…/retry`.
pub(super) async fn retry(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, view)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let Nothing {} = shared.bodies.json(request).await?.read()?;
    ok(&ProjectorJson::of(shared.api.retry_projector(&principal, &ledger, &view).await?))
}

/// POST `…/rebuild`.
pub(super) async fn rebuild(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, view)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let Nothing {} = shared.bodies.json(request).await?.read()?;
    ok(&ProjectorJson::of(shared.api.rebuild_projector(&principal, &ledger, &view).await?))
}
