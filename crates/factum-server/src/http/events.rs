//! `/v1/ledgers/{ledger}/events`: pages of events, or a stream of them, and appends.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use factum_store::{Direction, Position, Query, QueryItem};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Shared,
    answer::ok,
    append::AppendBody,
    idempotency_key,
    known::Known,
    parameters::Parameters,
    problem::{Kind, Problem},
    stream,
};
use crate::{
    access::Principal,
    api::{AppendEvents, Next, ReadEvents, SubscribeEvents},
    json::{EventJson, HeadJson, ReceiptJson},
};

/// The parameters of a read.
pub(crate) const PARAMETERS: &[Known] = &[
    Known::names("type", "only events of this type; repeat it for any of several"),
    Known::names("tag", "only events with this tag; repeat it for all of several"),
    Known::name("stream", "only events of this stream"),
    Known::name("category", "only events of streams of this category"),
    Known::switch("system", "true: Factum's own events too"),
    Known::position("after", "only events after this position"),
    Known::position("up_to", "only events up to this position"),
    Known::word("direction", &["forward", "backward"], "oldest first (the default), or newest"),
    Known::limit(ReadEvents::LIMIT_MAX, ReadEvents::LIMIT, "at most this many"),
];
/// Where a browser that reconnects goes on.
pub(crate) const LAST_EVENT_ID: Known =
    Known::position("Last-Event-ID", "of a stream: go on after this position, whatever `after` is");

const ONLY_PAGES: &str = "is for pages; a stream (Accept: text/event-stream) goes on without end";

/// GET: a page, or a stream if the client accepts server-sent events.
pub(crate) async fn read(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = query(&parameters)?;
    let after = Position(parameters.one("after")?.unwrap_or_default());
    if accepts_stream(&headers) {
        parameters.without(&["up_to", "direction", "limit"], ONLY_PAGES)?;
        let after = last_event_id(&headers)?.unwrap_or(after);
        let signals =
            shared.api.subscribe(&principal, SubscribeEvents { ledger, query, after }).await?;
        return Ok(stream::answer(signals, &shared));
    }
    let page = ReadEvents {
        ledger,
        query,
        after,
        up_to: parameters.one("up_to")?.map_or(Position::END, Position),
        direction: direction(&parameters)?,
        limit: parameters.limit(ReadEvents::LIMIT, ReadEvents::LIMIT_MAX)?,
    };
    let page = shared.api.events(&principal, page).await?;
    ok(&PageJson {
        events: page.events.iter().map(EventJson::of).collect(),
        next: page.next,
        head: HeadJson::of(page.head),
    })
}

/// POST: an append.
pub(crate) async fn append(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let key = idempotency_key(request.headers())?;
    let body = shared.bodies.json(request).await?;
    let (events, conditions) = body.read::<AppendBody>()?.into_parts()?;
    let receipt =
        shared.api.append(&principal, AppendEvents { ledger, events, conditions, key }).await?;
    ok(&Appended { receipt: ReceiptJson::of(&receipt), replayed: receipt.replayed })
}

/// Some events, and where to go on.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Events")]
pub(crate) struct PageJson<'a> {
    events: Vec<EventJson<'a>>,
    /// The parameter to replace in the next request; `null`: there are no more.
    next: Option<Next>,
    head: HeadJson,
}

/// Events that were recorded.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Appended<'a> {
    receipt: ReceiptJson<'a>,
    /// Whether this is the answer to an earlier request with the same key.
    replayed: bool,
}

/// One item: any of the types, all of the tags, and the stream or category.
pub(super) fn query(parameters: &Parameters) -> Result<Query, Problem> {
    Ok(Query::from(QueryItem {
        types: parameters.all("type")?,
        tags: parameters.all("tag")?,
        stream: parameters.one("stream")?,
        category: parameters.one("category")?,
        system: parameters.switch("system")?,
    }))
}

fn direction(parameters: &Parameters) -> Result<Direction, Problem> {
    match parameters.text("direction")? {
        None | Some("forward") => Ok(Direction::Forward),
        Some("backward") => Ok(Direction::Backward),
        Some(_) => Err(Problem::invalid("direction", "must be forward or backward")),
    }
}

fn accepts_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|media| {
        let essence = media.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("text/event-stream")
    })
}

/// Where a browser that reconnects goes on: what it saw last counts, not what it asked for first.
fn last_event_id(headers: &HeaderMap) -> Result<Option<Position>, Problem> {
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let position = value.to_str().ok().and_then(|text| text.parse().ok());
    position.map(Position).map(Some).ok_or_else(|| said_wrongly(value))
}

fn said_wrongly(value: &HeaderValue) -> Problem {
    let detail = format!("the header Last-Event-ID is {value:?}; it must be a position");
    Problem::new(Kind::Invalid, detail).with("field", "Last-Event-ID")
}
