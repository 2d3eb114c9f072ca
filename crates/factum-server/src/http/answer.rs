//! A "yes": a JSON document with its status.

use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use serde::Serialize;

use super::problem::{Kind, Problem};

/// 200 with this document.
pub(crate) fn ok(document: &impl Serialize) -> Result<Response, Problem> {
    let text = serde_json::to_vec(document).map_err(|error| {
        Problem::new(Kind::Bug, format!("the answer can't be written as JSON: {error}"))
    })?;
    let mut response = Response::new(Body::from(text));
    let media = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    Ok(response)
}
