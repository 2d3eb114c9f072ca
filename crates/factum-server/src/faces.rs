//! [`Faces`]: every protocol behind one port. A request's media type says which face it is for, so
//! a face can be added or taken away without the others noticing. All of them are behind one gate.

use std::{
    convert::Infallible,
    future::Future,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, routing::future::RouteFuture};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming;
use tower::Service;

use crate::{
    access::{Admitted, Gate, Origin, Peer, Principal, Standing, Stop},
    api::Room,
    grpc, http as http_face,
    idle::Streams,
    lasting::{Last, Lasting},
    messages::{Held, Messages, Receiving},
    metrics::Metrics,
    observe::{Tracer, around, at_gate},
    rates::{Rates, sender},
    umadb,
};

/// What is behind the port.
#[derive(Clone)]
pub(crate) struct Faces {
    pub(crate) gate: Arc<Gate>,
    pub(crate) http: Router,
    pub(crate) grpc: Router,
    pub(crate) limits: Arc<Limits>,
}

/// What each request is held to, whichever face it is for: how many an address may make, and where
/// those that are too many are counted; and how messages are received.
pub(crate) struct Limits {
    pub(crate) rates: Rates<IpAddr>,
    pub(crate) metrics: Arc<Metrics>,
    /// Where gRPC's messages find room, how large each may be, and how long it may take.
    pub(crate) room: Arc<Room>,
    pub(crate) message_bytes_max: usize,
    pub(crate) message_timeout: Duration,
}

/// The same, for one connection.
#[derive(Clone)]
pub(crate) struct Facing {
    faces: Faces,
    peer: Peer,
    streams: Streams,
}

/// An answer that is being made.
#[expect(clippy::large_enum_variant, reason = "nearly all are of the large kind")]
pub(crate) enum Answer {
    /// By a face; until then a request has its room.
    Face(
        RouteFuture<Infallible>,
        #[expect(dead_code, reason = "it is only to be kept")] Option<Held>,
    ),
    /// Without one, or with something to add to it.
    Other(Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>),
}

impl Faces {
    /// The same, with every request counted.
    pub(crate) fn observed(self, metrics: &Arc<Metrics>, tracer: Option<&Arc<Tracer>>) -> Self {
        let around = |router, face| around(router, face, Arc::clone(metrics), tracer.cloned());
        Self { http: around(self.http, "http"), grpc: around(self.grpc, "grpc"), ..self }
    }

    pub(crate) fn facing(self, peer: Peer, streams: Streams) -> Facing {
        Facing { faces: self, peer, streams }
    }

    /// Has a face answer, for as long as whoever asks is who they are.
    fn face(&mut self, request: Request<Incoming>, standing: Option<Standing>) -> Answer {
        let Some(standing) = standing else { return self.pass(request, None) };
        let last = match (is_grpc(request.headers()), umadb::is_for(request.uri().path())) {
            (true, true) => Last::Trailers(umadb::stopped),
            (true, false) => Last::Trailers(grpc::stopped),
            (false, _) => Last::Cut,
        };
        let answer = self.pass(request, Some(standing.clone()));
        Answer::Other(Box::pin(async move {
            let Ok(answer) = answer.await;
            Ok(answer.map(|body| Lasting::over(body, standing, last)))
        }))
    }

    fn pass(&mut self, mut request: Request<Incoming>, standing: Option<Standing>) -> Answer {
        if !is_grpc(request.headers()) {
            return Answer::Face(self.http.call(request.map(Body::new)), None);
        }
        let (how, held) = (self.limits.receiving(&request), Held::default());
        if how.many {
            request.extensions_mut().insert(held.clone());
        }
        let many = how.many;
        let request = request.map(|body| Body::new(Messages::new(body, how, held.clone())));
        let request = match standing.filter(|_| many) {
            Some(standing) => request.map(|body| Lasting::over(body, standing, Last::Cut)),
            None => request,
        };
        Answer::Face(self.grpc.call(request), Some(held))
    }

    fn answer(&mut self, mut request: Request<Incoming>, peer: &Peer) -> Answer {
        if !self.limits.rates.allow(|| sender(peer.address.ip())) {
            self.limits.metrics.limited.inc();
            return self.stop(&request, Stop::TooMany);
        }
        let from = match self.gate.check(&request) {
            Ok(from) => from,
            Err(stop) => return self.stop(&request, stop),
        };
        let origin = match from {
            Origin::Own => None,
            Origin::Listed => request.headers().get(header::ORIGIN).cloned(),
        };
        if let Some(origin) = &origin
            && is_preflight(&request)
        {
            let answer = may_ask(origin);
            return Answer::now(at_gate("http", &request, answer, &self.limits.metrics));
        }
        let answer = match self.gate.admit(&mut request, peer) {
            Admitted::Yes(standing) => self.face(request, standing),
            Admitted::No(stop) => self.stop(&request, stop),
            Admitted::Later(known) => self.later(known, request, peer),
        };
        match origin {
            None => answer,
            Some(origin) => answer.shown_to(origin),
        }
    }
}

impl Faces {
    /// Answers when it can be known who asks.
    fn later(
        &self,
        known: impl Future<Output = ()> + Send + 'static,
        mut request: Request<Incoming>,
        peer: &Peer,
    ) -> Answer {
        let (mut faces, peer) = (self.clone(), peer.clone());
        Answer::Other(Box::pin(async move {
            known.await;
            match faces.gate.admit_at_last(&mut request, &peer) {
                Ok(standing) => faces.face(request, standing).await,
                Err(stop) => faces.stop(&request, stop).await,
            }
        }))
    }

    /// Answers a request that is not passed on, as its face would.
    fn stop<B>(&self, request: &Request<B>, stop: Stop) -> Answer {
        let (face, answer) = match is_grpc(request.headers()) {
            true if umadb::is_for(request.uri().path()) => ("grpc", umadb::stopped(stop)),
            true => ("grpc", grpc::stopped(stop)),
            false => ("http", http_face::stopped(stop)),
        };
        Answer::now(at_gate(face, request, answer, &self.limits.metrics))
    }
}

impl Limits {
    /// How the messages of a gRPC request are received.
    fn receiving(&self, request: &Request<Incoming>) -> Receiving {
        let path = request.uri().path();
        // A stranger takes no room away: what little they may ask is in messages of a few bytes.
        let known = Principal::of(request.extensions()).is_ok();
        Receiving {
            room: known.then(|| Arc::clone(&self.room)),
            bytes_max: self.message_bytes_max,
            patience: self.message_timeout,
            many: grpc::takes_many(path),
            said: if umadb::is_for(path) { umadb::status } else { grpc::status },
        }
    }
}

impl Answer {
    fn now(response: Response<Body>) -> Self {
        Self::Other(Box::pin(std::future::ready(Ok(response))))
    }

    /// The same, for a page of another site to see.
    fn shown_to(self, origin: HeaderValue) -> Self {
        Self::Other(Box::pin(async move {
            let Ok(mut response) = self.await;
            show(response.headers_mut(), origin);
            Ok(response)
        }))
    }
}

impl Future for Answer {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Face(answer, _) => Pin::new(answer).poll(cx),
            Self::Other(answer) => answer.as_mut().poll(cx),
        }
    }
}

impl Service<Request<Incoming>> for Facing {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        // A router is always ready.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
        if request.version() < Version::HTTP_2 {
            self.streams.take_turns();
        }
        self.faces.answer(request, &self.peer)
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let media = headers.get(header::CONTENT_TYPE).map_or(&b""[..], |media| media.as_bytes());
    media.get(..16).is_some_and(|media| media.eq_ignore_ascii_case(b"application/grpc"))
}

/// Whether a browser asks if a page of another site may ask.
fn is_preflight<B>(request: &Request<B>) -> bool {
    let wants = request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    request.method() == Method::OPTIONS && wants
}

/// Tells the browser that it may.
fn may_ask(origin: &HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, PATCH, DELETE"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, content-type, idempotency-key, if-match, if-none-match, last-event-id, \
             traceparent, tracestate",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    show(headers, origin.clone());
    response
}

fn show(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let exposed = HeaderValue::from_static("etag, location, retry-after");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}
