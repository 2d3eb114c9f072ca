//! `/v1/ledgers/{ledger}/events` and `…/queries`: events in pages, lines or a stream; and appends.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use factum_store::{Direction, EventId, Position, Query, QueryItem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Shared,
    answer::ok,
    append::AppendBody,
    idempotency_key,
    known::Known,
    lines,
    parameters::Parameters,
    problem::{Kind, Problem},
    stream,
};
use crate::{
    access::Principal,
    api::{AppendEvents, EventsPage, Next, ReadEvents, SubscribeEvents, Which},
    json::{EventJson, HeadJson, ReceiptJson},
    schema,
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

const ONLY_PAGES: &str = "is for pages; lines (Accept: application/x-ndjson) are all there are, and \
                          a stream (Accept: text/event-stream) goes on without end";

/// GET: a page, lines, or a stream, as the client accepts them.
pub(crate) async fn read(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let form = Form::of(&headers);
    match form {
        Form::Page => {}
        Form::Lines => parameters.without(&["limit"], ONLY_PAGES)?,
        Form::Stream => parameters.without(&["up_to", "direction", "limit"], ONLY_PAGES)?,
    }
    let wanted = ReadEvents {
        ledger,
        query: query(&parameters)?,
        after: Position(parameters.one("after")?.unwrap_or_default()),
        up_to: parameters.one("up_to")?.map_or(Position::END, Position),
        direction: direction(&parameters)?,
        limit: parameters.limit(ReadEvents::LIMIT, ReadEvents::LIMIT_MAX)?,
    };
    answer(&shared, &principal, wanted, form, &headers).await
}

/// POST: the same for a query of several items.
pub(crate) async fn search(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let (headers, form) = (request.headers().clone(), Form::of(request.headers()));
    let body: QueryBody = shared.bodies.json(request).await?.read()?;
    let wanted = body.into_read(ledger, form)?;
    answer(&shared, &principal, wanted, form, &headers).await
}

async fn answer(
    shared: &Arc<Shared>,
    principal: &Principal,
    wanted: ReadEvents,
    form: Form,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    match form {
        Form::Stream => {
            let ReadEvents { ledger, query, after, .. } = wanted;
            let after = last_event_id(headers)?.unwrap_or(after);
            let follow = SubscribeEvents { ledger, query, after };
            Ok(stream::answer(shared.api.subscribe(principal, follow).await?, shared))
        }
        Form::Lines => lines::answer(shared, principal, wanted).await,
        Form::Page => {
            let document = |page: EventsPage| {
                ok(&PageJson {
                    events: page.events.iter().map(EventJson::of).collect(),
                    next: page.next,
                    head: HeadJson::of(page.head),
                })
            };
            shared.api.events(principal, wanted, document).await?
        }
    }
}

/// GET: one event, by its id or its position.
pub(crate) async fn one(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, event)): Path<(String, String)>,
) -> Result<Response, Problem> {
    let which = match event.parse::<u64>() {
        Ok(position) => Which::At(Position(position)),
        Err(_) => Which::Id(event.parse::<EventId>().map_err(|_| {
            Problem::invalid("event", "is neither an event's id (a UUID) nor a position")
        })?),
    };
    match shared.api.event(&principal, &ledger, which).await? {
        Some(event) => ok(&EventJson::of(&event)),
        None => Err(Problem::new(Kind::UnknownEvent, format!("there is no event {event}"))),
    }
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

/// A query of several items, and which part of what it matches.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "EventQuery")]
pub(crate) struct QueryBody {
    /// An event is wanted when any of these matches it.
    #[schemars(with = "Vec<schema::Item>", length(max = 256))]
    items: Vec<QueryItem>,
    /// Only events after this position.
    #[serde(default)]
    #[schemars(with = "schema::Place")]
    after: Position,
    /// Only events up to this position.
    #[schemars(with = "Option<schema::Place>")]
    up_to: Option<Position>,
    #[serde(default)]
    direction: DirectionWord,
    /// Of a page: at most this many; 100 by default.
    #[schemars(range(min = 1, max = 1000))]
    limit: Option<usize>,
}

/// Oldest first, or newest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Direction")]
enum DirectionWord {
    #[default]
    Forward,
    Backward,
}

impl QueryBody {
    /// Items of a query at most.
    const ITEMS_MAX: usize = 256;

    fn into_read(self, ledger: String, form: Form) -> Result<ReadEvents, Problem> {
        let Self { items, after, up_to, direction, limit } = self;
        if items.len() > Self::ITEMS_MAX {
            return Err(Problem::invalid("items", format!("has more than {}", Self::ITEMS_MAX)));
        }
        let given = [
            ("limit", limit.is_some(), form != Form::Page),
            ("up_to", up_to.is_some(), form == Form::Stream),
            ("direction", direction != DirectionWord::Forward, form == Form::Stream),
        ];
        if let Some((name, ..)) = given.iter().find(|(_, given, wrong)| *given && *wrong) {
            return Err(Problem::invalid(*name, ONLY_PAGES));
        }
        let limit = limit.unwrap_or(ReadEvents::LIMIT);
        if !(1..=ReadEvents::LIMIT_MAX).contains(&limit) {
            let max = ReadEvents::LIMIT_MAX;
            let problem = format!("is {limit}; it must be from 1 to {max}");
            return Err(Problem::invalid("limit", problem));
        }
        let direction = match direction {
            DirectionWord::Forward => Direction::Forward,
            DirectionWord::Backward => Direction::Backward,
        };
        let (query, up_to) = (Query { items }, up_to.unwrap_or(Position::END));
        Ok(ReadEvents { ledger, query, after, up_to, direction, limit })
    }
}

/// In which form a client takes events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Page,
    /// All of them, one a line.
    Lines,
    /// Those to come, too.
    Stream,
}

impl Form {
    /// The first form that is accepted by name; a page otherwise.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
        let mut forms = accepted.flat_map(|value| value.split(',')).filter_map(|media| {
            let essence = media.split(';').next().unwrap_or_default().trim();
            match essence.to_ascii_lowercase().as_str() {
                "text/event-stream" => Some(Self::Stream),
                "application/x-ndjson" => Some(Self::Lines),
                "application/json" => Some(Self::Page),
                _ => None,
            }
        });
        forms.next().unwrap_or(Self::Page)
    }
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
