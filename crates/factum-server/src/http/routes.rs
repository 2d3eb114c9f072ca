//! Every route in one table: the router, the index at `/`, the check of parameters and the tests
//! are made from it, so none can be forgotten in one of them.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    extract::{Request, State},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use serde::Serialize;
use serde_json::json;

use super::{
    Shared,
    answer::ok,
    command, events,
    guard::guard,
    health, ledgers,
    parameters::{Known, Parameters},
    problem::{Kind, Problem},
    problems, streams, view,
};

/// One method of one path.
#[derive(Serialize)]
pub(crate) struct Route {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    /// What it does.
    pub(crate) what: &'static str,
    #[serde(serialize_with = "as_object")]
    parameters: &'static [Known],
    #[serde(skip)]
    to: MethodRouter<Arc<Shared>>,
}

const NONE: &[Known] = &[];

/// The table.
#[rustfmt::skip]
pub(crate) fn routes() -> Vec<Route> {
    let get_ = |path, what, parameters, to| Route { method: "GET", path, what, parameters, to };
    let post_ = |path, what, to| Route { method: "POST", path, what, parameters: NONE, to };
    vec![
        get_("/", "this index", NONE, get(index)),
        get_("/health", "whether the server and its views are well", NONE, get(health::health)),
        get_("/problems", "every kind of problem that can be answered", NONE, get(problems::list)),
        get_("/problems/{problem}", "what a kind of problem means, and what to try", NONE,
            get(problems::explain)),
        get_("/v1/ledgers", "the ledgers", NONE, get(ledgers::list)),
        get_("/v1/ledgers/{ledger}", "a ledger: its head, and where its views stand", NONE,
            get(ledgers::describe)),
        get_("/v1/ledgers/{ledger}/events",
            "recorded events, in pages; as they are recorded with Accept: text/event-stream",
            events::PARAMETERS, get(events::read)),
        post_("/v1/ledgers/{ledger}/events",
            "append events, with conditions; safe to retry with an Idempotency-Key",
            post(events::append)),
        get_("/v1/ledgers/{ledger}/streams/{stream}",
            "a stream: its last revision, its state, what is kept of it", NONE,
            get(streams::show)),
        post_("/v1/ledgers/{ledger}/streams/{stream}/metadata",
            "say how much of a stream is kept", post(streams::set)),
        post_("/v1/ledgers/{ledger}/streams/{stream}/delete",
            "hide all of a stream; it can be written again", post(streams::delete)),
        post_("/v1/ledgers/{ledger}/streams/{stream}/tombstone",
            "end a stream for ever", post(streams::tombstone)),
        post_("/v1/ledgers/{ledger}/compactions",
            "drop what is hidden, while the ledger goes on", post(streams::compact)),
        get_("/v1/ledgers/{ledger}/commands",
            "the commands, with their fields and the refusals they can meet", NONE,
            get(command::catalogue)),
        post_("/v1/ledgers/{ledger}/commands/{command}",
            "run a command; safe to retry with an Idempotency-Key", post(command::run)),
        get_("/v1/ledgers/{ledger}/views", "the views, and where they stand", NONE,
            get(view::list)),
        get_("/v1/ledgers/{ledger}/views/{view}", "the rows of a view, in pages",
            view::LIST_PARAMETERS, get(view::rows)),
        get_("/v1/ledgers/{ledger}/views/{view}/{key}", "what a view has under a key",
            view::KEY_PARAMETERS, get(view::row)),
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
        .layer(from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

async fn known_only(known: &'static [Known], request: Request, next: Next) -> Response {
    match Parameters::parse(request.uri()).and_then(|parameters| parameters.check(known)) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

async fn index(State(_): State<Arc<Shared>>) -> Result<Response, Problem> {
    let version = env!("CARGO_PKG_VERSION");
    ok(&json!({ "server": "factum", "version": version, "routes": routes() }))
}

async fn unknown_route(request: Request) -> Problem {
    let path = request.uri().path();
    Problem::new(
        Kind::UnknownRoute,
        format!("there is nothing at {path:?}; GET / lists the routes"),
    )
}

/// The router adds the Allow header.
async fn method_not_allowed(request: Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    Problem::new(Kind::MethodNotAllowed, format!("{path:?} does not take the method {method}"))
}

fn as_object<S: serde::Serializer>(known: &[Known], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(known.iter().copied())
}
