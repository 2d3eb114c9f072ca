//! The gRPC face, `factum.v1`. It only translates.

use std::sync::Arc;

use axum::{Router, body::Body};
use factum_proto::v1::{
    HeadRequest, HeadResponse,
    ledgers_server::{Ledgers, LedgersServer},
};
use tonic::{Request, Response, Status};

use crate::{
    access::{Principal, Stop},
    api::{Api, ApiError},
};

struct Service {
    api: Arc<Api>,
}

/// The services, by their paths.
pub(crate) fn router(api: Arc<Api>) -> Router {
    let service = Service { api };
    tonic::service::Routes::new(LedgersServer::new(service)).into_axum_router()
}

#[tonic::async_trait]
impl Ledgers for Service {
    async fn head(&self, request: Request<HeadRequest>) -> Result<Response<HeadResponse>, Status> {
        let principal = Principal::of(request.extensions()).map_err(status)?;
        let ledger = request.into_inner().ledger;
        let found = self.api.describe(&principal, &ledger).await;
        let found = found.map_err(status)?;
        Ok(Response::new(HeadResponse {
            position: found.head.position.0,
            recorded_at_micros: found.head.recorded_at.micros.cast_signed(),
        }))
    }
}

/// What is answered to a request that is not passed on.
pub(crate) fn stopped(stop: Stop) -> http::Response<Body> {
    let status = match stop {
        Stop::Host(said) | Stop::Origin(said) => Status::permission_denied(said),
        Stop::Stranger => status(ApiError::Unauthenticated),
    };
    status.into_http()
}

fn status(error: ApiError) -> Status {
    match error {
        ApiError::Unauthenticated => Status::unauthenticated("a good token is needed"),
        ApiError::Forbidden { problem } => Status::permission_denied(problem),
        _ => Status::not_found("there is no such ledger"),
    }
}
