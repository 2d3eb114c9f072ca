//! Deliveries as server-sent events, for a consumer that stays; it answers with POST. They are drawn
//! as the connection has room, and never more than the group lets one consumer have.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use futures_lite::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::sync::watch;

use super::{
    answers::{DeliveryJson, state},
    id,
};
use crate::{
    access::Principal,
    api::{ApiError, Draw, Staying},
    connection::stop,
    consumers::{self, Drawn},
    http::{
        Shared,
        events::Form,
        known::Known,
        parameters::Parameters,
        problem::{Kind, Problem},
    },
};

/// Deliveries at a time, when nobody says how many.
const MAX: usize = 16;

/// The parameters of the stream.
pub(super) const PARAMETERS: &[Known] = &[
    Known::name("consumer", "who asks, for people who look at the group and for bounds"),
    Known::limit(Draw::EVENTS_MAX, MAX, "at most this many at a time"),
];

/// GET `…/deliveries`.
pub(super) async fn follow(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, group)): Path<(String, String)>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let consumer = parameters.text("consumer")?.unwrap_or("anonymous").to_owned();
    let max = parameters.limit(MAX, Draw::EVENTS_MAX)?;
    let staying = shared.api.stay(&principal, id(ledger, &group)?, consumer).await?;
    // Events are taken from the group by asking: nobody is to do so by accident.
    if Form::of(&headers) != Form::Stream {
        let detail = "these come as a stream; send the header Accept: text/event-stream";
        return Err(Problem::new(Kind::NotAcceptable, detail));
    }
    let (heartbeat, stopping) = (shared.heartbeat, shared.stopping.clone());
    let open = Open { staying, max, heartbeat, stopping, told: None };
    let hello = stream::once(Bytes::from_static(b"retry: 1000\n\n"));
    let body = hello.chain(frames(open)).map(Ok::<_, std::convert::Infallible>);
    let mut response = Response::new(Body::from_stream(body));
    let media = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    Ok(response)
}

struct Open {
    staying: Staying,
    max: usize,
    heartbeat: Duration,
    stopping: watch::Receiver<bool>,
    /// Which state of the group was said last.
    told: Option<consumers::State>,
}

/// The frames: deliveries, a state that is another one, a comment in a silence, and a problem at the
/// end. What is not answered when the connection ends is delivered again after its deadline.
fn frames(open: Open) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold(Some(open), |open| async move {
        let mut open = open?;
        let drawn = tokio::select! {
            biased;
            () = stop(&mut open.stopping) => Err(ApiError::Stopping),
            drawn = open.staying.next(open.max, open.heartbeat) => drawn,
        };
        match drawn {
            Err(error) => Some((last(error), None)),
            Ok(drawn) => Some((open.frame(&drawn), Some(open))),
        }
    })
}

impl Open {
    fn frame(&mut self, drawn: &Drawn) -> Bytes {
        let mut frames = String::new();
        if self.told.replace(drawn.state) != Some(drawn.state) {
            let (word, problem) = state(drawn.state);
            frames.push_str(&text("state", &StateJson { state: word, problem }));
        }
        for given in &drawn.given {
            frames.push_str(&text("delivery", &DeliveryJson::of(given)));
        }
        match frames.is_empty() {
            true => Bytes::from_static(b": alive\n\n"),
            false => frames.into(),
        }
    }
}

fn last(error: ApiError) -> Bytes {
    let problem = Problem::from(error);
    problem.log();
    text("problem", &problem.document()).into()
}

#[derive(Serialize)]
struct StateJson {
    state: &'static str,
    problem: Option<&'static str>,
}

/// A frame. JSON is one line.
fn text(event: &str, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).expect("numbers, texts and JSON can be written as JSON");
    format!("event: {event}\ndata: {data}\n\n")
}
