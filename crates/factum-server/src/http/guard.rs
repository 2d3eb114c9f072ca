//! What every request passes before any route sees it: the check of its address's encoding; and what
//! every answer leaves with. A panic in a route ends as an answer, not as the end of the server.

use std::panic::AssertUnwindSafe;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_lite::FutureExt;

use super::{
    parameters::check_encoding,
    problem::{Kind, Problem},
};
use crate::{access::Stop, api::ApiError};

/// The outermost layer.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let address = request.uri().path().to_owned();
    let mut response = match check_encoding(request.uri()) {
        Err(problem) => problem.into_response(),
        Ok(()) => match AssertUnwindSafe(next.run(request)).catch_unwind().await {
            Ok(response) => response,
            Err(panic) => panicked(&address, &*panic),
        },
    };
    harden(response.headers_mut());
    response
}

/// What is answered to a request that is not passed on.
pub(crate) fn stopped(stop: Stop) -> Response {
    let mut response = match stop {
        Stop::Host(said) => Problem::new(Kind::HostNotAllowed, said),
        Stop::Origin(said) => Problem::new(Kind::OriginNotAllowed, said),
        Stop::TooMany => ApiError::Busy { what: "requests of yours" }.into(),
        Stop::Stranger => ApiError::Unauthenticated.into(),
    }
    .into_response();
    harden(response.headers_mut());
    response
}

fn panicked(address: &str, panic: &(dyn std::any::Any + Send)) -> Response {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(address, "a request panicked: {}", said.unwrap_or("without a message"));
    Problem::new(Kind::Bug, "the request ended by a mistake of the server's own").into_response()
}

/// A browser must neither guess what an answer is, nor run anything in it, nor keep it.
fn harden(headers: &mut HeaderMap) {
    for (name, value) in
        [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::CACHE_CONTROL, "no-store")]
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // A page for people says itself what it is made of.
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(nothing);
}
