//! Events as server-sent events. `id` is a position, so that a client that comes back with
//! `Last-Event-ID` goes on after what it saw, without a gap and without a repetition (G6).
//!
//! The stream is drawn by the connection as it has room: nothing is kept for a slow reader. A stream
//! that the server ends says why, and after which position to go on.

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
    let (heartbeat, stopping) = (shared.heartbeat, shared.stopping.clone());
    let frames = frames(Open { signals, heartbeat, stopping });
    let hello = stream::once(Bytes::from_static(RETRY.as_bytes()));
    let body = Body::from_stream(hello.chain(frames).map(Ok::<_, std::convert::Infallible>));
    let mut response = Response::new(body);
    let media = HeaderValue::from_static("text/event-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}

struct Open {
    signals: Subscription,
    heartbeat: Duration,
    stopping: watch::Receiver<bool>,
}

/// The frames of the signals, and one now and then in a silence. Ends when the server stops, when
/// the ledger does, or after a problem.
fn frames(open: Open) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold(Some(open), |open| async move {
        let mut open = open?;
        let next = tokio::select! {
            biased;
            () = stop(&mut open.stopping) => {
                let last = problem(ApiError::Stopping, open.signals.told());
                return Some((Bytes::from(last), None));
            }
            next = timeout(open.heartbeat, open.signals.next()) => next,
        };
        match next {
            Err(_) => Some((Bytes::from_static(HEARTBEAT.as_bytes()), Some(open))),
            Ok(None) => None,
            Ok(Some(signals)) => {
                let last = signals.iter().any(Result::is_err);
                let told = open.signals.told();
                let frames: String =
                    signals.into_iter().map(|signal| frame(signal, told)).collect();
                Some((Bytes::from(frames), (!last).then_some(open)))
            }
        }
    })
}

fn frame(signal: Result<Signal, ReadError>, told: Position) -> String {
    match signal {
        Ok(Signal::Event(event)) => text("event", Some(event.position), &json::event(&event)),
        Ok(Signal::CaughtUp(head)) => text("caught-up", Some(head.position), &json::head(head)),
        Ok(Signal::Progress(position)) => {
            text("progress", Some(position), &ProgressJson { position })
        }
        Err(error) => problem(error.into(), told),
    }
}

/// The last frame of a stream that the server ends: everything up to `told` stands before it.
fn problem(error: ApiError, told: Position) -> String {
    let problem = Problem::from(error).with("position", told.0);
    problem.log();
    let id = (told > Position::START).then_some(told);
    text("problem", id, &problem.document())
}

#[derive(Serialize)]
struct ProgressJson {
    position: Position,
}

/// A frame. The JSON of an event is one line, whatever its payload looks like.
fn text(event: &str, id: Option<Position>, data: &impl Serialize) -> String {
    let data = serde_json::to_string(data).expect("numbers, texts and JSON can be written as JSON");
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    format!("event: {event}\n{id}data: {data}\n\n")
}
