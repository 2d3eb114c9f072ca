//! `/v1/ledgers/{ledger}/folds`: the folds of a ledger's application, and the state of one at a key.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use factum::{FoldAnswer, FoldModel};
use factum_store::Position;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Shared, answer::ok, known::Known, parameters::Parameters, problem::Problem, view::moment,
};
use crate::{
    access::Principal,
    api::AskFold,
    json::{self, Payload},
    schema,
};

/// The parameters of a state.
pub(crate) const PARAMETERS: &[Known] = &[
    Known::position("after", "a position, such as a receipt's `last`: the state must have seen it"),
    Known::moment("as_of", "a position or an RFC 3339 time: the state as it was then"),
];

/// The folds that can be asked for by name.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Folds")]
pub(crate) struct FoldsJson {
    folds: Vec<FoldJson>,
}

/// A fold: what it is keyed by, and what it heeds.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Fold")]
struct FoldJson {
    name: &'static str,
    version: u32,
    /// The kinds of its ids. The key of two is both with a comma between them (one in the first is
    /// written `\,`); without any it is `all`, for the whole ledger.
    by: Vec<&'static str>,
    /// The types of the events that its state is made of.
    heeds: Vec<&'static str>,
}

impl FoldJson {
    fn of(model: FoldModel) -> Self {
        let FoldModel { name, version, by, heeds } = model;
        Self { name, version, by, heeds }
    }
}

/// A fold's state at a key.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "FoldState")]
pub(crate) struct StateJson<'a> {
    fold: &'a str,
    key: &'a str,
    /// Where no event concerns the key, the state before any event.
    state: Payload<'a>,
    /// Every event up to here is in the state, none after it.
    #[schemars(with = "schema::Place")]
    position: Position,
    /// When that was recorded; `null` before the first event.
    #[schemars(with = "Option<schema::Time>")]
    recorded_at: Option<String>,
    /// The last event of the snapshot that the state was made from; `null` without one.
    #[schemars(with = "Option<schema::Place>")]
    snapshot: Option<Position>,
    /// How many events were applied after that.
    #[schemars(with = "schema::Count")]
    events_replayed: u64,
}

impl<'a> StateJson<'a> {
    fn of(fold: &'a str, key: &'a str, answer: &'a FoldAnswer) -> Self {
        let (position, at) = (answer.seen.position, answer.seen.recorded_at);
        Self {
            fold,
            key,
            state: Payload::of(&answer.state),
            position,
            recorded_at: (position > Position::START).then(|| json::time(at)),
            snapshot: answer.snapshot,
            events_replayed: answer.replayed,
        }
    }
}

/// GET: the folds.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
) -> Result<Response, Problem> {
    let folds = shared.api.folds(&principal, &ledger)?;
    ok(&FoldsJson { folds: folds.into_iter().map(FoldJson::of).collect() })
}

/// GET: the state of one.
pub(crate) async fn state(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, fold, key)): Path<(String, String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let ask = AskFold {
        ledger,
        fold: fold.clone(),
        key: key.clone(),
        after: parameters.one("after")?.map(Position),
        as_of: parameters.text("as_of")?.map(moment).transpose()?,
    };
    let answer = shared.api.ask_fold(&principal, ask).await?;
    ok(&StateJson::of(&fold, &key, &answer))
}
