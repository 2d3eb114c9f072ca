//! The protocol of UmaDB, so that its published clients work as they are: the gRPC service
//! `umadb.v1.DCB`. It only translates. The folder, its part of `build.rs` and one line in
//! `server.rs` can be removed without anybody noticing but those clients.

mod answer;
mod bounds;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod notes;
mod request;
mod status;
mod streams;
mod wire;

use std::sync::Arc;

use axum::{Router, body::Body};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::{
    access::{Principal, Stop},
    api::Api,
};
use streams::Answers;
use v1::{
    AppendResponse, HeadRequest, HeadResponse, TrackingRequest, TrackingResponse,
    dcb_server::{Dcb as Service, DcbServer},
};
pub(crate) use wire::Encoded;

/// The wire types, as they are made from the interface.
#[allow(missing_docs, unreachable_pub, dead_code, clippy::all, clippy::pedantic)]
mod v1 {
    tonic::include_proto!("umadb.v1");
}

/// What the service is called, when it is asked whether it is well.
pub(crate) const SERVICE: &str = "umadb.v1.DCB";
/// The metadata entry that names a ledger.
const LEDGER: &str = "factum-ledger";
/// The ledger of who names none.
const DEFAULT_LEDGER: &str = "default";

/// The service.
pub(crate) struct Dcb {
    api: Arc<Api>,
    stopping: watch::Receiver<bool>,
}

/// The same router with the service beside what it has.
pub(crate) fn beside(router: Router, service: Dcb) -> Router {
    router.route_service("/umadb.v1.DCB/{method}", DcbServer::new(service))
}

/// Whether a path is of this protocol.
pub(crate) fn is_for(path: &str) -> bool {
    path.starts_with("/umadb.v1.DCB/")
}

pub(crate) use status::of as status;

/// What is answered to a request that is not passed on.
pub(crate) fn stopped(stop: Stop) -> http::Response<Body> {
    let status = match stop {
        Stop::Host(said) | Stop::Origin(said) => Status::permission_denied(said),
        Stop::TooMany => status::of(crate::api::ApiError::Busy { what: "requests of yours" }),
        Stop::Stranger => status::unauthenticated(),
    };
    status.into_http()
}

impl Dcb {
    pub(crate) fn new(api: Arc<Api>, stopping: watch::Receiver<bool>) -> Self {
        Self { api, stopping }
    }

    /// Who asks, and which ledger.
    fn asked<T>(request: &Request<T>) -> Result<(Principal, String), Status> {
        let principal = Principal::of(request.extensions());
        let principal = principal.map_err(|_| status::unauthenticated())?;
        let ledger = match request.metadata().get(LEDGER).map(|name| name.to_str()) {
            None => DEFAULT_LEDGER,
            Some(Ok(name)) => name,
            Some(Err(_)) => return Err(status::ledger_name()),
        };
        Ok((principal, ledger.to_owned()))
    }
}

#[tonic::async_trait]
impl Service for Dcb {
    type ReadStream = Answers;
    type SubscribeStream = Answers;

    async fn read(&self, request: Request<Encoded>) -> Result<Response<Answers>, Status> {
        let (principal, ledger) = Self::asked(&request)?;
        let request = request::read(ledger, request.into_inner().0)?;
        let (limited, batch) = (request.limit.is_some(), request.batch);
        let scan = self.api.scan(&principal, request).map_err(status::of)?;
        let stopping = self.stopping.clone();
        let answers = streams::read(Arc::clone(&self.api), scan, limited, batch, stopping).await?;
        Ok(Response::new(answers))
    }

    async fn subscribe(&self, request: Request<Encoded>) -> Result<Response<Answers>, Status> {
        let (principal, ledger) = Self::asked(&request)?;
        let request = request::subscribe(ledger, request.into_inner().0)?;
        let (after, batch) = (request.events.after, request.batch);
        let events = self.api.subscribe(&principal, request.events).await.map_err(status::of)?;
        Ok(Response::new(streams::subscribe(events, after, batch, self.stopping.clone())))
    }

    async fn append(&self, request: Request<Encoded>) -> Result<Response<AppendResponse>, Status> {
        let (principal, ledger) = Self::asked(&request)?;
        let request = request::append(ledger, request.into_inner().0)?;
        let _room = self.api.room().unfolded(request.parts_bytes()).map_err(status::of)?;
        let position = self.api.append_in_boundary(&principal, request).await;
        let position = position.map_err(status::of_append)?.0;
        Ok(Response::new(AppendResponse { position }))
    }

    async fn head(&self, request: Request<HeadRequest>) -> Result<Response<HeadResponse>, Status> {
        let (principal, ledger) = Self::asked(&request)?;
        let last = self.api.last_event(&principal, &ledger).await.map_err(status::of)?;
        Ok(Response::new(HeadResponse { position: last.map(|position| position.0) }))
    }

    async fn get_tracking_info(
        &self,
        request: Request<TrackingRequest>,
    ) -> Result<Response<TrackingResponse>, Status> {
        let (principal, ledger) = Self::asked(&request)?;
        let source = request.into_inner().source;
        let position = self.api.tracked(&principal, &ledger, source).await.map_err(status::of)?;
        Ok(Response::new(TrackingResponse { position }))
    }
}
