//! `/v1/ledgers/{ledger}/views`: the views, the rows of one, and what it has under a key.

use std::sync::Arc;

use axum::{
    extract::{Path, State},
    response::Response,
};
use factum::{Answer, AsOf, Freshness, ViewStatus};
use factum_store::{Position, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Shared, answer::ok, known::Known, parameters::Parameters, problem::Problem};
use crate::{
    access::Principal,
    api::AskView,
    json::{self, Payload},
    schema,
};

const AFTER: Known =
    Known::position("after", "a position, such as a receipt's `last`: the rows must have seen it");
const AS_OF: Known =
    Known::moment("as_of", "a position or an RFC 3339 time: the rows as they were then");
const LIMIT: Known = Known::limit(AskView::LIMIT_MAX, AskView::LIMIT, "at most this many");
const CURSOR: Known = Known::text("cursor", "go on where an earlier page ended: its `next`");

/// The parameters of a list.
pub(crate) const LIST_PARAMETERS: &[Known] = &[AFTER, AS_OF, LIMIT, CURSOR];
/// The parameters of a key. Several rows may have the same key.
pub(crate) const KEY_PARAMETERS: &[Known] = LIST_PARAMETERS;

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
) -> Result<Response, Problem> {
    let views = shared.api.views(&principal, &ledger).await?;
    ok(&ViewsJson { views: views.into_iter().map(ViewJson::of).collect() })
}

pub(crate) async fn rows(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, view)): Path<(String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    ask(&shared, &principal, ledger, view, None, &parameters).await
}

pub(crate) async fn row(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, view, key)): Path<(String, String, String)>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    ask(&shared, &principal, ledger, view, Some(key), &parameters).await
}

async fn ask(
    shared: &Shared,
    principal: &Principal,
    ledger: String,
    view: String,
    key: Option<String>,
    parameters: &Parameters,
) -> Result<Response, Problem> {
    let question = AskView {
        ledger,
        view: view.clone(),
        key,
        after: parameters.one("after")?.map(Position),
        as_of: parameters.text("as_of")?.map(moment).transpose()?,
        cursor: parameters.one("cursor")?,
        limit: parameters.limit(AskView::LIMIT, AskView::LIMIT_MAX)?,
        deadline: None,
    };
    let document = move |answer: Answer| ok(&AnswerJson::of(&view, &answer));
    shared.api.ask(principal, question, document).await?
}

/// A position (`1234`) or a time (`2026-01-31T12:00:00Z`).
pub(crate) fn moment(text: &str) -> Result<AsOf, Problem> {
    if let Ok(position) = text.parse() {
        return Ok(AsOf::Position(Position(position)));
    }
    time("as_of", text).map(AsOf::Time)
}

/// A time (`2026-01-31T12:00:00Z`). Before 1970 nothing was recorded: earlier times are as good as
/// that one.
pub(crate) fn time(name: &str, text: &str) -> Result<Timestamp, Problem> {
    let time = text.parse::<jiff::Timestamp>().map_err(|_| {
        let problem = "is neither a position (1234) nor an RFC 3339 time (2026-01-31T12:00:00Z; \
                       a + in it is written %2B)";
        Problem::invalid(name, problem)
    })?;
    Ok(Timestamp::from_micros(u64::try_from(time.as_microsecond()).unwrap_or_default()))
}

/// Rows, with how fresh they are.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Rows")]
pub(crate) struct AnswerJson<'a> {
    view: &'a str,
    /// Each row's key, in the same order: a document need not name it.
    keys: Vec<&'a str>,
    rows: Vec<Payload<'a>>,
    /// The `cursor` of the next page; `null`: there are no more.
    next: Option<&'a str>,
    #[serde(flatten)]
    freshness: FreshnessJson,
    /// For a moment of the past: the events that were replayed to reach it.
    #[serde(skip_serializing_if = "Option::is_none")]
    events_replayed: Option<u64>,
}

impl<'a> AnswerJson<'a> {
    fn of(view: &'a str, answer: &'a Answer) -> Self {
        Self {
            view,
            keys: answer.rows.iter().map(|row| row.key.as_str()).collect(),
            rows: answer.rows.iter().map(|row| Payload::of(&row.document)).collect(),
            next: answer.next.as_deref(),
            freshness: FreshnessJson::of(&answer.freshness),
            events_replayed: (answer.replayed > 0).then_some(answer.replayed),
        }
    }
}

/// How fresh an answer is. A view that has seen nothing has no time.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Freshness")]
pub(crate) struct FreshnessJson {
    #[schemars(with = "schema::Place")]
    position: Position,
    #[schemars(with = "Option<schema::Time>")]
    recorded_at: Option<String>,
    lag_events: u64,
    lag_ms: u64,
    stale: bool,
}

impl FreshnessJson {
    pub(crate) fn of(freshness: &Freshness) -> Self {
        let Freshness { position, recorded_at, lag_events, lag_ms, stale } = *freshness;
        let recorded_at = (position > Position::START).then(|| json::time(recorded_at));
        Self { position, recorded_at, lag_events, lag_ms, stale }
    }
}

/// The views of a ledger.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Views")]
pub(crate) struct ViewsJson {
    views: Vec<ViewJson>,
}

/// Where a view stands. One that has seen nothing has no time.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "View")]
pub(crate) struct ViewJson {
    name: String,
    #[schemars(with = "schema::Place")]
    position: Position,
    #[schemars(with = "Option<schema::Time>")]
    recorded_at: Option<String>,
    lag_events: u64,
    /// Why it stands still, if it does.
    error: Option<String>,
}

impl ViewJson {
    pub(crate) fn of(view: ViewStatus) -> Self {
        let ViewStatus { name, checkpoint, lag_events, error, .. } = view;
        let begun = checkpoint.position > Position::START;
        let recorded_at = begun.then(|| json::time(checkpoint.recorded_at));
        Self { name, position: checkpoint.position, recorded_at, lag_events, error }
    }
}
