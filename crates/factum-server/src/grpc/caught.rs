//! What every call is within: a panic ends as an answer, not as a connection that breaks.

use std::panic::AssertUnwindSafe;

use axum::{extract::Request, middleware::Next, response::Response};
use factum_proto::{Failure, Reason};
use futures_lite::FutureExt;
use tonic::Status;

/// The outermost layer.
pub(super) async fn caught(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    match AssertUnwindSafe(next.run(request)).catch_unwind().await {
        Ok(response) => response,
        Err(panic) => panicked(&path, &*panic),
    }
}

fn panicked(path: &str, panic: &(dyn std::any::Any + Send)) -> Response {
    let said = panic.downcast_ref::<&str>().copied();
    let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(path, "a call panicked: {}", said.unwrap_or("without a message"));
    let said = "the call ended by a mistake of the server's own";
    Status::from(Failure::new(Reason::Bug, said)).into_http()
}
