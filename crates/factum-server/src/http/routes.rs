//! Every route in one table: the router, the index at `/`, the check of parameters and the tests
//! are made from it, so none can be forgotten in one of them.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    http::{Method, StatusCode},
    middleware::{Next, from_fn},
    response::{IntoResponse, Response},
    routing::MethodRouter,
};
use schemars::JsonSchema;
use serde::Serialize;
use tower_http::compression::CompressionLayer;

use super::{
    Shared,
    answer::ok,
    append::AppendBody,
    command::{self, AcceptedJson, CommandsJson},
    docs,
    events::{self, Appended, PageJson, QueryBody},
    fold::{self, FoldsJson, StateJson},
    groups,
    guard::guard,
    health::{self, HealthJson, ReadyJson},
    known::Known,
    ledgers::{self, DeletedJson, LedgerJson, LedgersJson, NewLedgerBody},
    metrics, openapi, operate,
    parameters::Parameters,
    positions::{self, KeyUseJson, PositionJson},
    problem::{Kind, Problem},
    problems::{self, Explanation},
    route::{Route, delete, get, post},
    streams::{self, ChangedJson, CompactBody, CompactedJson, Nothing, SetBody},
    tokens::{self, CreateBody, RotateBody, TokensJson},
    view::{self, AnswerJson, ViewsJson},
};
use crate::{
    json::{EventJson, StreamJson, TokenJson},
    metrics::Metrics,
    schema,
};

/// The table.
pub(crate) fn routes() -> Vec<Route> {
    let of_ledgers = [ledgers_and_events(), streams_of_a_ledger(), applications()];
    let steering = [groups::routes(), operate::routes(), who_may_what()];
    [service()].into_iter().chain(of_ledgers).chain(steering).flatten().collect()
}

/// The server itself.
fn service() -> Vec<Route> {
    vec![
        get("/", "index", "This index", index).answers::<IndexJson>(),
        get("/openapi.json", "openapi", "The interface as OpenAPI 3.1", openapi::serve)
            .answers::<schema::Object>(),
        get("/docs", "docs", "The interface, for people", docs::page)
            .answers_as::<String>(200, "text/html"),
        get("/docs/style.css", "docs_style", "How that page looks", docs::style)
            .answers_as::<String>(200, "text/css"),
        get("/health", "health", "Whether the server and its views are well", health::health)
            .answers::<HealthJson>(),
        get("/ready", "ready", "Whether requests are to be sent here", health::ready)
            .answers::<ReadyJson>()
            .may(&[Kind::NotReady]),
        get("/metrics", "metrics", "Figures for Prometheus", metrics::metrics)
            .answers_as::<String>(200, Metrics::MEDIA),
        get("/problems", "list_problems", "Every kind of problem", problems::list)
            .answers::<Vec<Explanation>>(),
        get(
            "/problems/{problem}",
            "explain_problem",
            "What a kind of problem means, and what to try",
            problems::explain,
        )
        .answers::<Explanation>()
        .may(&[Kind::UnknownRoute]),
    ]
}

fn ledgers_and_events() -> Vec<Route> {
    vec![
        get("/v1/ledgers", "list_ledgers", "The ledgers", ledgers::list).answers::<LedgersJson>(),
        post("/v1/ledgers", "create_ledger", "Make a ledger", ledgers::create)
            .takes::<NewLedgerBody>()
            .example(r#"{"name":"notes"}"#)
            .answers_as::<LedgerJson>(201, "application/json")
            .may(&[Kind::Exists, Kind::UnknownLedger]),
        get(
            "/v1/ledgers/{ledger}",
            "describe_ledger",
            "A ledger: its head, and where its views stand",
            ledgers::describe,
        )
        .answers::<LedgerJson>(),
        delete(
            "/v1/ledgers/{ledger}",
            "delete_ledger",
            "Delete a ledger with all its events; its name must be said twice",
            ledgers::delete,
        )
        .parameters(ledgers::DELETE_PARAMETERS)
        .answers::<DeletedJson>()
        .may(&[Kind::InUse]),
        get(
            "/v1/ledgers/{ledger}/events",
            "read_events",
            "Recorded events, in pages; all of them, one a line, with Accept: \
             application/x-ndjson; as they are recorded with Accept: text/event-stream",
            events::read,
        )
        .parameters(events::PARAMETERS)
        .header(events::LAST_EVENT_ID)
        .answers::<PageJson<'_>>()
        .answers_as::<EventJson<'_>>(200, "application/x-ndjson")
        .answers_as::<EventJson<'_>>(200, "text/event-stream"),
        get(
            "/v1/ledgers/{ledger}/events/{event}",
            "read_event",
            "An event, by its id or its position",
            events::one,
        )
        .answers::<EventJson<'_>>()
        .may(&[Kind::UnknownEvent]),
        post(
            "/v1/ledgers/{ledger}/queries",
            "query_events",
            "The events that any of several items matches, in the same forms",
            events::search,
        )
        .header(events::LAST_EVENT_ID)
        .takes::<QueryBody>()
        .example(r#"{"items":[{"types":["note.taken"],"tags":["note:1"]},{"stream":"notes"}]}"#)
        .answers::<PageJson<'_>>()
        .answers_as::<EventJson<'_>>(200, "application/x-ndjson")
        .answers_as::<EventJson<'_>>(200, "text/event-stream"),
        get(
            "/v1/ledgers/{ledger}/positions",
            "position_at",
            "The last position that was recorded at or before a time",
            positions::at,
        )
        .parameters(positions::PARAMETERS)
        .answers::<PositionJson>(),
        get(
            "/v1/ledgers/{ledger}/receipts/{key}",
            "look_up_key",
            "What became of a request with this Idempotency-Key",
            positions::receipt,
        )
        .parameters(positions::RECEIPT_PARAMETERS)
        .answers::<KeyUseJson>()
        .may(&[Kind::UnknownReceipt]),
        post(
            "/v1/ledgers/{ledger}/events",
            "append_events",
            "Append events, with conditions; safe to retry with an Idempotency-Key",
            events::append,
        )
        .takes::<AppendBody>()
        .example(r#"{"events":[{"type":"note.taken","tags":["note:1"],"data":{"text":"hello"}}]}"#)
        .keyed()
        .answers::<Appended<'_>>()
        .may(&[Kind::Conflict, Kind::StreamEnded]),
    ]
}

fn streams_of_a_ledger() -> Vec<Route> {
    vec![
        get(
            "/v1/ledgers/{ledger}/streams/{stream}",
            "describe_stream",
            "A stream: its last revision, its state, what is kept of it",
            streams::show,
        )
        .answers::<StreamJson<'_>>(),
        post(
            "/v1/ledgers/{ledger}/streams/{stream}/metadata",
            "set_stream_metadata",
            "Say how much of a stream is kept",
            streams::set,
        )
        .header(streams::IF_MATCH)
        .takes::<SetBody>()
        .example(r#"{"max_count":1000}"#)
        .answers::<ChangedJson<'_>>()
        .may(&[Kind::Changed, Kind::Conflict, Kind::StreamEnded]),
        post(
            "/v1/ledgers/{ledger}/streams/{stream}/delete",
            "delete_stream",
            "Hide all of a stream; it can be written again",
            streams::delete,
        )
        .header(streams::IF_MATCH)
        .takes::<Nothing>()
        .answers::<ChangedJson<'_>>()
        .may(&[Kind::Changed, Kind::Conflict, Kind::StreamEnded]),
        post(
            "/v1/ledgers/{ledger}/streams/{stream}/tombstone",
            "tombstone_stream",
            "End a stream for ever",
            streams::tombstone,
        )
        .header(streams::IF_MATCH)
        .takes::<Nothing>()
        .answers::<ChangedJson<'_>>()
        .may(&[Kind::Changed, Kind::Conflict, Kind::StreamEnded]),
        post(
            "/v1/ledgers/{ledger}/compactions",
            "compact",
            "Drop what is hidden, while the ledger goes on",
            streams::compact,
        )
        .takes::<CompactBody>()
        .answers::<CompactedJson>(),
    ]
}

fn applications() -> Vec<Route> {
    vec![
        get(
            "/v1/ledgers/{ledger}/commands",
            "list_commands",
            "The commands, with their fields and the refusals they can meet",
            command::catalogue,
        )
        .answers::<CommandsJson>(),
        post(
            "/v1/ledgers/{ledger}/commands/{command}",
            "run_command",
            "Run a command; safe to retry with an Idempotency-Key",
            command::run,
        )
        .takes::<schema::Object>()
        .keyed()
        .answers::<AcceptedJson<'_>>()
        .may(&[Kind::UnknownCommand, Kind::Refused, Kind::Contended, Kind::StreamEnded]),
        get(
            "/v1/ledgers/{ledger}/views",
            "list_views",
            "The views, and where they stand",
            view::list,
        )
        .answers::<ViewsJson>(),
        get(
            "/v1/ledgers/{ledger}/views/{view}",
            "read_view",
            "The rows of a view, in pages",
            view::rows,
        )
        .parameters(view::LIST_PARAMETERS)
        .answers::<AnswerJson<'_>>()
        .may(&[Kind::UnknownView, Kind::ViewBehind]),
        get(
            "/v1/ledgers/{ledger}/views/{view}/{key}",
            "read_view_key",
            "What a view has under a key",
            view::row,
        )
        .parameters(view::KEY_PARAMETERS)
        .answers::<AnswerJson<'_>>()
        .may(&[Kind::UnknownView, Kind::UnknownKey, Kind::ViewBehind]),
        get(
            "/v1/ledgers/{ledger}/folds",
            "list_folds",
            "The folds, with their keys and the events that they heed",
            fold::list,
        )
        .answers::<FoldsJson>(),
        get(
            "/v1/ledgers/{ledger}/folds/{fold}/{key}",
            "read_fold",
            "The state of a fold at a key, now or at a moment",
            fold::state,
        )
        .parameters(fold::PARAMETERS)
        .answers::<StateJson<'_>>()
        .may(&[Kind::UnknownFold]),
    ]
}

fn who_may_what() -> Vec<Route> {
    vec![
        get("/v1/tokens", "list_tokens", "The tokens, without their secrets", tokens::list)
            .answers::<TokensJson<'_>>(),
        post(
            "/v1/tokens",
            "create_token",
            "Make a token; its secret is shown this once",
            tokens::create,
        )
        .takes::<CreateBody>()
        .example(r#"{"name":"shop","rights":[{"verbs":["append","read"],"ledgers":["shop"]}]}"#)
        .answers::<TokenJson<'_>>(),
        get("/v1/tokens/{token}", "describe_token", "A token, without its secret", tokens::show)
            .answers::<TokenJson<'_>>()
            .may(&[Kind::UnknownToken]),
        post(
            "/v1/tokens/{token}/rotate",
            "rotate_token",
            "Give a token a new secret; it is shown this once",
            tokens::rotate,
        )
        .takes::<RotateBody>()
        .answers::<TokenJson<'_>>()
        .may(&[Kind::UnknownToken]),
        post(
            "/v1/tokens/{token}/revoke",
            "revoke_token",
            "Make a token worthless, at once and for ever",
            tokens::revoke,
        )
        .takes::<Nothing>()
        .answers::<TokenJson<'_>>()
        .may(&[Kind::UnknownToken]),
    ]
}

/// The router, with everything that a request passes on its way.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let mut paths = BTreeMap::<&str, MethodRouter<Arc<Shared>>>::new();
    for Route { path, parameters, to, .. } in routes() {
        let to = to.layer(from_fn(move |request, next| known_only(parameters, request, next)));
        let merged = paths.remove(path).unwrap_or_default().merge(to);
        paths.insert(path, merged);
    }
    paths
        .into_iter()
        .fold(Router::new(), |router, (path, to)| router.route(path, to))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(unknown_route)
        // Answers that are whole and large, and lines; not streams, whose frames must not wait.
        .layer(CompressionLayer::new())
        .layer(from_fn(guard))
        .with_state(shared)
}

async fn known_only(known: &'static [Known], request: Request, next: Next) -> Response {
    match Parameters::parse(request.uri()).and_then(|parameters| parameters.check(known)) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// What the server is, and its routes.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Index")]
struct IndexJson {
    server: &'static str,
    version: &'static str,
    routes: Vec<RouteJson>,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Route")]
struct RouteJson {
    method: &'static str,
    path: &'static str,
    what: &'static str,
    /// What each parameter means.
    parameters: BTreeMap<&'static str, &'static str>,
}

async fn index(State(_): State<Arc<Shared>>) -> Result<Response, Problem> {
    let routes = routes().into_iter().map(|route| RouteJson {
        method: route.method,
        path: route.path,
        what: route.what,
        parameters: route.parameters.iter().map(|known| (known.name, known.what)).collect(),
    });
    let version = env!("CARGO_PKG_VERSION");
    ok(&IndexJson { server: "factum", version, routes: routes.collect() })
}

async fn unknown_route(request: Request) -> Problem {
    let path = request.uri().path();
    Problem::new(
        Kind::UnknownRoute,
        format!("there is nothing at {path:?}; GET / lists the routes"),
    )
}

/// The router adds the Allow header.
async fn method_not_allowed(request: Request) -> Response {
    if request.method() == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    let (method, path) = (request.method(), request.uri().path());
    let detail = format!("{path:?} does not take the method {method}");
    Problem::new(Kind::MethodNotAllowed, detail).into_response()
}
