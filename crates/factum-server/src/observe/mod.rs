//! What happens around every request, whichever face it is for: it has an id and may be part of a
//! trace, it is counted, and what failed is logged with that id. What clients send is in no label,
//! span or log line but what is known: the route, the method, the status, and ids of a bounded form.

mod context;
mod export;
mod framework;
mod logs;
mod otlp;
mod request;
mod trace;

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use opentelemetry::context::FutureExt as _;
use tracing::Instrument as _;

pub(crate) use context::TraceContext;
pub(crate) use export::ExportCounts;
pub(crate) use framework::observed;
pub use logs::Logs;
pub(crate) use trace::{Span, Tracer};

use crate::metrics::{Began, Metrics};
use request::RequestSpan;

/// The header that carries a request's id, in and out.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Bytes of an id that a client may choose.
const ID_BYTES_MAX: usize = 64;

/// Which face it is, and where its requests are counted.
#[derive(Clone)]
struct Observed {
    face: &'static str,
    metrics: Arc<Metrics>,
    tracer: Option<Arc<Tracer>>,
}

/// The same router, observed.
pub(crate) fn around(
    router: Router,
    face: &'static str,
    metrics: Arc<Metrics>,
    tracer: Option<Arc<Tracer>>,
) -> Router {
    router.layer(from_fn_with_state(Observed { face, metrics, tracer }, observe))
}

async fn observe(State(observed): State<Observed>, mut request: Request, next: Next) -> Response {
    let began = Began::now();
    let Observed { face, metrics, tracer } = observed;
    let (id, method) = (id(request.headers()), known(request.method()));
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let path = request.uri().path().to_owned();
    let route = matched.as_ref().map_or("none", MatchedPath::as_str);
    let caller = TraceContext::of(request.headers());
    let traced = tracer.and_then(|tracer| {
        RequestSpan::begin(&tracer, face, [method, route, &path], caller.as_ref())
    });
    let context = traced.as_ref().map(|span| span.context().clone()).or(caller);
    let trace = context.as_ref().map(|context| tracing::field::display(context.trace_id()));
    let id_text = id.to_str().unwrap_or_default();
    let span = tracing::info_span!("request", id = id_text, method, route, trace);
    // What is logged meanwhile names the trace.
    let current = context.as_ref().map(TraceContext::current);
    if let Some(context) = context {
        request.extensions_mut().insert(Arc::new(context));
    }
    let answering = next.run(request).instrument(span);
    let mut response = match current.clone() {
        Some(current) => answering.with_context(current).await,
        None => answering.await,
    };
    let status = status(face, &response);
    if let Some(traced) = traced {
        traced.end(id_text, &status);
    }
    // Only a method that there is has a path of its own: clients make no labels.
    let route = match face {
        "grpc" if status != "12" && matched.is_some() => path.as_str(),
        _ => route,
    };
    if response.status().is_server_error() {
        let id = id.to_str().unwrap_or_default();
        let _of_the_trace = current.map(opentelemetry::Context::attach);
        tracing::warn!(id, method, route, status = status.as_str(), "a request failed");
    }
    metrics.request([face, route, method, &status], began);
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// An answer that was made before any face saw the request: it is counted and has an id like others,
/// and says no more.
pub(crate) fn at_gate<B>(
    face: &'static str,
    request: &http::Request<B>,
    mut response: Response,
    metrics: &Metrics,
) -> Response {
    let (began, method) = (Began::now(), known(request.method()));
    let (id, status) = (id(request.headers()), status(face, &response));
    tracing::debug!(id = id.to_str().unwrap_or_default(), method, status, "stopped at the gate");
    metrics.request([face, "gate", method, &status], began);
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// The status of the answer; over gRPC its own, which is only known here when nothing else was
/// sent.
fn status(face: &str, response: &Response) -> String {
    let own = response.headers().get("grpc-status").filter(|_| face == "grpc");
    let known = own.and_then(|status| status.to_str().ok()).filter(|status| status.len() <= 2);
    match (face, known) {
        (_, Some(status)) => status.to_owned(),
        ("grpc", None) if response.status() == StatusCode::OK => "0".to_owned(),
        _ => response.status().as_str().to_owned(),
    }
}

/// The methods that HTTP has; a client can make up others.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The client's own id, if it is one, or a new one.
fn id(headers: &HeaderMap) -> HeaderValue {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let given = headers.get(REQUEST_ID).filter(|id| (1..=ID_BYTES_MAX).contains(&id.len()));
    given.filter(|id| id.as_bytes().iter().all(plain)).cloned().unwrap_or_else(new_id)
}

/// Very likely different from all others, here and elsewhere. It is no number that counts: from two
/// ids nobody learns how much was asked between them.
fn new_id() -> HeaderValue {
    static HASH: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let id = HASH.hash_one(NEXT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(format!("{id:016x}")).unwrap_or(HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(given: &str) -> HeaderValue {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, given.parse().expect("a value"));
        id(&headers)
    }

    #[test]
    fn an_id_of_a_client_is_kept_if_it_is_harmless() {
        assert_eq!(with("req-42.a_B"), "req-42.a_B");
        for wrong in ["", "a b", "a\"b", "{}", &"x".repeat(ID_BYTES_MAX + 1)] {
            assert_ne!(with(wrong), wrong);
        }
        let (one, other) = (id(&HeaderMap::new()), id(&HeaderMap::new()));
        assert_eq!(one.len(), 16);
        assert_ne!(one, other);
    }

    #[test]
    fn a_method_that_was_made_up_has_no_name() {
        assert_eq!(known(&Method::GET), "GET");
        assert_eq!(known(&"BREW".parse().expect("a method")), "other");
    }
}
