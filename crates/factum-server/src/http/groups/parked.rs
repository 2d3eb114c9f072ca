//! Parked events: which, and what is to become of them.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use factum_consumers::Pick;
use factum_store::Position;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Asked,
    answers::{ParkedPageJson, RequeuedJson, SkippedJson},
    id,
};
use crate::{
    access::Principal,
    http::{Shared, answer::ok, known::Known, parameters::Parameters, problem::Problem},
    schema,
};

/// Parked events in a page, when nobody says how many and at most.
const PARKED: (usize, usize) = (100, 1_000);

/// The parameters of the list of parked events.
pub(crate) const PARAMETERS: &[Known] = &[
    Known::position("after", "only events after this position: an earlier page's `next`"),
    Known::limit(PARKED.1, PARKED.0, "at most this many"),
];

/// One of them says which parked events.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PickParked")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub(crate) struct PickBody {
    /// The event at this position.
    #[schemars(with = "schema::Place")]
    #[serde(default)]
    position: Option<Position>,
    /// The events with this key: a stream's name, or a whole tag such as `order:W1`.
    #[serde(default)]
    #[schemars(with = "String")]
    key: Option<String>,
    /// All of them.
    #[serde(default)]
    #[schemars(with = "bool", extend("const" = true, "default" = true))]
    all: bool,
}

/// GET `…/parked`.
pub(crate) async fn parked(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, group)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let after = Position(parameters.one("after")?.unwrap_or_default());
    let limit = parameters.limit(PARKED.0, PARKED.1)?;
    let page = shared.api.parked(&principal, &id(ledger, &group)?, after, limit).await?;
    ok(&ParkedPageJson::of(&page))
}

/// POST `…/requeue`.
pub(super) async fn requeue(
    Asked { shared, principal, id, body }: Asked<PickBody>,
) -> Result<Response, Problem> {
    let requeued = shared.api.requeue(&principal, &id, body.into_pick()?).await?;
    ok(&RequeuedJson { requeued })
}

/// POST `…/skip`.
pub(super) async fn skip(
    Asked { shared, principal, id, body }: Asked<PickBody>,
) -> Result<Response, Problem> {
    let skipped = shared.api.skip(&principal, &id, body.into_pick()?).await?;
    ok(&SkippedJson { skipped })
}

impl PickBody {
    fn into_pick(self) -> Result<Pick, Problem> {
        match self {
            Self { position: Some(position), key: None, all: false } => Ok(Pick::At(position)),
            Self { position: None, key: Some(key), all: false } => Ok(Pick::Key(key)),
            Self { position: None, key: None, all: true } => Ok(Pick::All),
            _ => Err(Problem::invalid("body", "must name one of position, key, or all: true")),
        }
    }
}
