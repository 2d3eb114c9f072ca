//! `Ledgers.Read`: page after page of the ledger, as messages of a size that clients take. The next
//! page is read when the last one was taken.

use std::collections::VecDeque;

use factum_proto::{Failure, ledger, v1};
use factum_store::{Direction, Page, Position, Read, RecordedEvent};
use futures_lite::stream;
use tonic::{Request, Response, Status};

use super::{Answers, Face, failure::status};
use crate::access::Principal;

/// A message ends with the event that takes it beyond this many bytes.
pub(super) const MESSAGE_BYTES: usize = 1 << 20;
/// What an event takes beside its payload, more or less.
const EVENT_BYTES: usize = 256;

/// One read.
struct Reading {
    face: Face,
    principal: Principal,
    ledger: String,
    /// What is left to be read; its limit is that of the whole answer.
    next: Option<Read>,
    /// What was read and not yet taken.
    ready: VecDeque<v1::ReadResponse>,
}

impl Face {
    pub(super) async fn read_events(
        &self,
        request: Request<v1::ReadRequest>,
    ) -> Result<Response<Answers<v1::ReadResponse>>, Status> {
        let (principal, mut asked) = self.open(request)?;
        let ledger = ledger(std::mem::take(&mut asked.ledger));
        let next = Some(factum_proto::read(asked).map_err(Failure::from)?);
        let face = self.clone();
        let mut reading = Reading { face, principal, ledger, next, ready: VecDeque::new() };
        // What is wrong with the request is said before any message.
        reading.page().await?;
        let answers = stream::unfold(reading, |mut reading| async move {
            let next = reading.next().await?;
            Some((next, reading))
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

impl Reading {
    async fn next(&mut self) -> Option<Result<v1::ReadResponse, Status>> {
        while self.ready.is_empty() {
            self.next.as_ref()?;
            if let Err(status) = self.page().await {
                self.next = None;
                return Some(Err(status));
            }
        }
        self.ready.pop_front().map(Ok)
    }

    /// Reads the next page, if there is one.
    async fn page(&mut self) -> Result<(), Status> {
        let Some(read) = self.next.take() else { return Ok(()) };
        let (limit, direction) = (read.limit, read.direction);
        let answers = move |Page { events, next, head }: Page| {
            let (found, bound) = (events.len(), next.as_ref().map(bound));
            (found, next, messages(events, direction, bound, head.into()))
        };
        let page = self.face.api.page(&self.principal, &self.ledger, read, answers).await;
        let (found, next, messages) = page.map_err(status)?;
        let left = limit - found;
        self.next = next.filter(|_| left > 0).map(|next| next.limit(left));
        // A page that found nothing is only worth a word when it is the last.
        if found > 0 || self.next.is_none() {
            self.ready = messages.into();
        }
        Ok(())
    }
}

/// Where a read goes on: a new `after`, or a new `up_to` when it goes backward.
fn bound(read: &Read) -> Position {
    match read.direction {
        Direction::Forward => read.after,
        Direction::Backward => read.up_to,
    }
}

/// At least one message; each but the last goes on after its own last event.
fn messages(
    events: Vec<RecordedEvent>,
    direction: Direction,
    next: Option<Position>,
    head: v1::Head,
) -> Vec<v1::ReadResponse> {
    let mut messages = Vec::new();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    for event in events {
        if bytes >= MESSAGE_BYTES {
            let full: Vec<v1::RecordedEvent> = std::mem::take(&mut batch);
            let last = full.last().map_or(Position::START, |event| Position(event.position));
            let next = match direction {
                Direction::Forward => last,
                Direction::Backward => last.prev(),
            };
            let (next, head) = (Some(next.0), Some(head));
            messages.push(v1::ReadResponse { events: full, next, head });
            bytes = 0;
        }
        bytes += size(&event);
        batch.push(event.into());
    }
    let next = next.map(|next| next.0);
    messages.push(v1::ReadResponse { events: batch, next, head: Some(head) });
    messages
}

/// Bytes that an event takes in a message, more or less.
pub(super) fn size(event: &RecordedEvent) -> usize {
    event.data.len() + event.metadata.len() + EVENT_BYTES
}
