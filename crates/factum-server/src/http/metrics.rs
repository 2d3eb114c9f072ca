//! `/metrics`: what Prometheus reads.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::State,
    http::{HeaderValue, header},
    response::Response,
};

use super::{Shared, problem::Problem};
use crate::{access::Principal, metrics::Metrics};

pub(crate) async fn metrics(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
) -> Result<Response, Problem> {
    let mut response = Response::new(Body::from(shared.api.metrics(&principal).await?));
    let media = HeaderValue::from_static(Metrics::MEDIA);
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    Ok(response)
}
