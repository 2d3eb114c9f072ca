//! The service `grpc.health.v1.Health`: whether each service can do its work. It names no ledger, so
//! it can be asked by whoever only needs to know whether to worry.

use std::sync::Arc;

use futures_lite::stream;
use tokio::{sync::OwnedSemaphorePermit, time::timeout};
use tonic::{Request, Response, Status, server::NamedService};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse, health_check_response::ServingStatus,
    health_server::Health,
};

use factum_proto::v1::{
    commands_server::CommandsServer, ledgers_server::LedgersServer, views_server::ViewsServer,
};

use super::{Answers, Face, failure};
use crate::{access::Principal, api::ApiError, connection::stop, umadb};

/// The services that can be asked about; the empty name is the server as a whole.
const SERVICES: [&str; 5] = [
    "",
    <LedgersServer<Face> as NamedService>::NAME,
    <CommandsServer<Face> as NamedService>::NAME,
    <ViewsServer<Face> as NamedService>::NAME,
    umadb::SERVICE,
];

#[tonic::async_trait]
impl Health for Face {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let service = request.into_inner().service;
        if !SERVICES.contains(&service.as_str()) {
            return Err(Status::not_found("there is no such service; reflection lists them"));
        }
        Ok(Response::new(self.serving().await))
    }

    type WatchStream = Answers<HealthCheckResponse>;

    /// Says how it is now, and again whenever that changes; ends with the server. A service that is
    /// not there is said to be unknown, as the protocol wants it.
    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let place = match Principal::of(request.extensions()) {
            Ok(_) => None,
            Err(_) => Some(self.place()?),
        };
        let known = SERVICES.contains(&request.into_inner().service.as_str());
        let watched = (self.clone(), place, known, None);
        let answers = stream::unfold(watched, |(mut face, place, known, told)| async move {
            loop {
                // Before it is looked how it is: so the last word is that of the end.
                let last = *face.stopping.borrow();
                let now = match known {
                    true => face.serving().await,
                    false => answer(ServingStatus::ServiceUnknown),
                };
                if told.as_ref() != Some(&now) {
                    return Some((Ok(now), (face, place, known, Some(now))));
                }
                if last {
                    return None;
                }
                // Looked at again after a while, or when the server stops.
                let _ = timeout(face.heartbeat, stop(&mut face.stopping)).await;
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

impl Face {
    /// A place for a stranger who watches: a stream that costs something for as long as it is open.
    fn place(&self) -> Result<OwnedSemaphorePermit, Status> {
        let place = Arc::clone(&self.watches).try_acquire_owned();
        place.map_err(|_| failure::status(ApiError::Busy { what: "strangers who watch" }))
    }

    async fn serving(&self) -> HealthCheckResponse {
        let stopping = *self.stopping.borrow();
        let fine = self.api.ready(stopping).await.is_ready();
        answer(if fine { ServingStatus::Serving } else { ServingStatus::NotServing })
    }
}

fn answer(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into() }
}
