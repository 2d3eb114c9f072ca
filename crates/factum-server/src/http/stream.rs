//! Events as server-sent events. `id` is a position, so that a client that comes back with
//! `Last-Event-ID` goes on after what it saw, without a gap and without a repetition (G6).
//!
//! The stream is drawn by the connection as it has room: nothing is kept for a slow reader.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::Response,
};
use factum_store::{Position, ReadError, Signal};
use futures_lite::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::{sync::watch, time::timeout};

use super::{Shared, problem::Problem};
use crate::{
    api::{ApiError, Subscription},
    connection::stop,
    json,
};

/// Tells a client how long to wait before it comes back, in milliseconds.
const RETRY: &str = "retry: 1000\n\n";
const HEARTBEAT: &str = ": alive\n\n";

/// The answer that streams these signals.
pub(crate) fn answer(signals: Subscription, shared: &Arc<Shared>) -> Response {
    let frames = frames(signals, shared.heartbeat, shared.stopping.clone());
    let hello = stream::once(Bytes::from_static(RETRY.as_bytes()));
    let body = Body::from_stream(hello.chain(frames).map(Ok::<_, std::convert::Infallible>));
    let mut response = Response::new(body);
    let media = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}

struct Open<S> {
    signals: S,
    heartbeat: Duration,
    stopping: watch::Receiver<bool>,
}

/// One frame for each signal, and one now and then in a silence. Ends when the server stops, when
/// the ledger does, or after a problem.
fn frames<S>(
    signals: S,
    heartbeat: Duration,
    stopping: watch::Receiver<bool>,
) -> impl Stream<Item = Bytes> + Send + 'static
where
    S: Stream<Item = Result<Signal, ReadError>> + Send + Unpin + 'static,
{
    let open = Some(Open { signals, heartbeat, stopping });
    stream::unfold(open, |open| async move {
        let mut open = open?;
        let next = tokio::select! {
            biased;
            () = stop(&mut open.stopping) => return None,
            next = timeout(open.heartbeat, open.signals.next()) => next,
        };
        match next {
            Err(_) => Some((Bytes::from_static(HEARTBEAT.as_bytes()), Some(open))),
            Ok(None) => None,
            Ok(Some(Ok(signal))) => Some((frame(&signal), Some(open))),
            Ok(Some(Err(error))) => {
                let problem = Problem::from(ApiError::from(error));
                problem.log();
                Some((text("problem", None, &problem.document()), None))
            }
        }
    })
}

#[derive(Serialize)]
struct ProgressJson {
    position: Position,
}

fn frame(signal: &Signal) -> Bytes {
    match signal {
        Signal::Event(event) => text("event", Some(event.position), &json::event(event)),
        Signal::CaughtUp(head) => text("caught-up", Some(head.position), &json::head(*head)),
        Signal::Progress(position) => {
            text("progress", Some(*position), &ProgressJson { position: *position })
        }
    }
}

/// A frame. The JSON of an event is one line, whatever its payload looks like.
fn text(event: &str, id: Option<Position>, data: &impl Serialize) -> Bytes {
    let data = serde_json::to_string(data).expect("numbers, texts and JSON can be written as JSON");
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    Bytes::from(format!("event: {event}\n{id}data: {data}\n\n"))
}
