//! [`Faces`]: every protocol behind one port. A request's media type says which face it is for, so
//! a face can be added or taken away without the others noticing.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use axum::{Router, body::Body, routing::future::RouteFuture};
use http::{HeaderMap, Request, header};
use hyper::body::Incoming;
use tower::Service;

/// What is behind the port.
#[derive(Clone)]
pub(crate) struct Faces {
    pub(crate) http: Router,
    pub(crate) grpc: Router,
}

impl Service<Request<Incoming>> for Faces {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = RouteFuture<Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        let request = request.map(Body::new);
        match is_grpc(request.headers()) {
            true => self.grpc.call(request),
            false => self.http.call(request),
        }
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |media| media.as_bytes());
    media.get(..16).is_some_and(|media| media.eq_ignore_ascii_case(b"application/grpc"))
}
