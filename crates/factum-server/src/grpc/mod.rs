//! The gRPC face, `factum.v1`. It only translates: a message becomes a request of the API, and its
//! answer becomes a message or a status. No decision is made here.

mod append;
mod append_stream;
mod caught;
mod commands;
mod consume;
mod failure;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod health;
mod ledgers;
mod read;
mod subscribe;
mod views;

use std::{pin::Pin, sync::Arc, time::Duration};

use axum::{Router, body::Body, middleware};
use factum_proto::{
    Failure, Reason,
    v1::{
        commands_server::CommandsServer, consumers_server::ConsumersServer,
        ledgers_server::LedgersServer, views_server::ViewsServer,
    },
};
use futures_lite::Stream;
use tokio::sync::{Semaphore, watch};
use tonic::{Request, Status, service::Routes};
use tonic_health::pb::health_server::HealthServer;

use crate::{
    Config,
    access::{Principal, Stop},
    api::{Api, ApiError},
};

/// Bytes of a question about health.
const HEALTH_BYTES_MAX: usize = 1 << 10;

/// The answer of a call that streams.
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// What every service works with.
#[derive(Clone)]
struct Face {
    api: Arc<Api>,
    heartbeat: Duration,
    stopping: watch::Receiver<bool>,
    /// Places of strangers who watch the server's health.
    watches: Arc<Semaphore>,
}

/// Strangers who watch the server's health at a time.
const WATCHES_MAX: usize = 64;

/// The services, by their paths.
pub(crate) fn router(api: Arc<Api>, config: &Config, stopping: watch::Receiver<bool>) -> Router {
    let watches = Arc::new(Semaphore::new(WATCHES_MAX));
    let face = Face { api, heartbeat: config.heartbeat, stopping, watches };
    let bytes_max = config.message_bytes_max;
    let routes = Routes::new(LedgersServer::new(face.clone()).max_decoding_message_size(bytes_max))
        .add_service(CommandsServer::new(face.clone()).max_decoding_message_size(bytes_max))
        .add_service(ConsumersServer::new(face.clone()).max_decoding_message_size(bytes_max))
        .add_service(ViewsServer::new(face.clone()).max_decoding_message_size(bytes_max))
        // Strangers may ask it, and it takes no more than a name.
        .add_service(HealthServer::new(face).max_decoding_message_size(HEALTH_BYTES_MAX));
    with_reflection(routes).into_axum_router().layer(middleware::from_fn(caught::caught))
}

/// Reflection, in the version of today and the one that most tools still ask for.
fn with_reflection(routes: Routes) -> Routes {
    let interface = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(factum_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    match (interface().build_v1(), interface().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => routes.add_service(v1).add_service(v1alpha),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "the interface can't be shown by reflection");
            routes
        }
    }
}

impl Face {
    /// Who sent a request, and what it says.
    fn open<T>(&self, request: Request<T>) -> Result<(Principal, T), Status> {
        let (_, extensions, message) = request.into_parts();
        let principal = Principal::of(&extensions).map_err(failure::status)?;
        Ok((principal, message))
    }
}

/// Whether requests to this path are streams of messages.
pub(crate) fn takes_many(path: &str) -> bool {
    let ours = ["/factum.v1.Ledgers/AppendStream", "/factum.v1.Consumers/Consume"];
    ours.contains(&path) || path.ends_with("/ServerReflectionInfo")
}

pub(crate) use failure::status;

/// What is answered to a request that is not passed on.
pub(crate) fn stopped(stop: Stop) -> http::Response<Body> {
    let status = match stop {
        Stop::Host(said) | Stop::Origin(said) => Failure::new(Reason::Forbidden, said).into(),
        Stop::TooMany => failure::status(ApiError::Busy { what: "requests of yours" }),
        Stop::Stranger => failure::status(ApiError::Unauthenticated),
    };
    status.into_http()
}
