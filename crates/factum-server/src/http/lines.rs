//! Newline-delimited JSON: one document a line, written as the client takes them. Nothing is kept
//! for a slow reader but the page that it is reading (G12).

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, header},
    response::Response,
};
use factum_store::{Direction, Position};
use futures_lite::{Stream, stream};
use serde::Serialize;

use super::{Shared, problem::Problem};
use crate::{
    access::Principal,
    api::{EventsPage, Next, ReadEvents},
    json::EventJson,
};

/// Events read at a time.
const STEP: usize = 128;

/// All events that are wanted and recorded now. A problem on the way is the last line.
pub(crate) async fn answer(
    shared: &Arc<Shared>,
    principal: &Principal,
    wanted: ReadEvents,
) -> Result<Response, Problem> {
    let head = shared.api.describe(principal, &wanted.ledger).await?.head.position;
    // What is recorded from now on is not waited for: the lines have an end.
    let first = ReadEvents { up_to: wanted.up_to.min(head), limit: STEP, ..wanted };
    let place = shared.api.long_answer().await?;
    let reading =
        Reading { shared: Arc::clone(shared), principal: principal.clone(), next: Some(first) };
    let pages = stream::unfold((reading, place), |(mut reading, place)| async move {
        Some((reading.page().await?, (reading, place)))
    });
    Ok(response(pages))
}

/// An answer of lines.
pub(crate) fn response(lines: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    use futures_lite::StreamExt as _;
    let body = Body::from_stream(lines.map(Ok::<_, std::convert::Infallible>));
    let mut response = Response::new(body);
    let media = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, media);
    response
}

/// A document as one line.
pub(crate) fn line(document: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(document).expect("numbers, texts and JSON can be written");
    line.push(b'\n');
    line
}

struct Reading {
    shared: Arc<Shared>,
    principal: Principal,
    /// What to read next; nothing after the end.
    next: Option<ReadEvents>,
}

impl Reading {
    /// The lines of the next page that has any.
    async fn page(&mut self) -> Option<Bytes> {
        loop {
            let wanted = self.next.take()?;
            let rest =
                ReadEvents { query: wanted.query.clone(), ledger: wanted.ledger.clone(), ..wanted };
            let (lines, next) = match self.shared.api.events(&self.principal, wanted, lines).await {
                Ok(page) => page,
                Err(error) => {
                    let problem = Problem::from(error);
                    problem.log();
                    return Some(line(&problem.document()).into());
                }
            };
            self.next = next.map(|next| match next {
                Next::After(after) => ReadEvents { after, ..rest },
                Next::UpTo(up_to) => ReadEvents { up_to, ..rest },
            });
            self.next.take_if(|next| is_over(next));
            if !lines.is_empty() {
                return Some(lines);
            }
        }
    }
}

/// A page as lines, and what is read next.
fn lines(page: EventsPage) -> (Bytes, Option<Next>) {
    let lines = page.events.iter().flat_map(|event| line(&EventJson::of(event)));
    (lines.collect::<Vec<_>>().into(), page.next)
}

/// Whether nothing can be left between the bounds.
fn is_over(next: &ReadEvents) -> bool {
    match next.direction {
        Direction::Forward => next.after >= next.up_to,
        Direction::Backward => next.up_to == Position::START,
    }
}
