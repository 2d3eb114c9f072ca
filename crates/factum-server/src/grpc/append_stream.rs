//! `Ledgers.AppendStream`: appends one after the other, without waiting for answers.
//!
//! ```text
//!   requests ──► waiting (bounded) ──► one group at a time, durable with one sync ──► answers
//! ```
//! While a group is made durable the next one gathers, so the group is as large as the disk is slow.
//! Requests are only taken while there is room, and there is room only while answers are taken: a
//! client that does not read makes nothing grow (G12).

use std::mem;

use factum_proto::{Failure, ledger, v1};
use factum_store::{AppendError, BoxFuture, Invalid, Receipt};
use futures_lite::{future::poll_once, stream};
use tonic::{Request, Response, Status, Streaming};

use super::{
    Answers, Face,
    append::{outcome, remote},
    failure::{failure, stopping},
};
use crate::{
    access::Principal,
    api::{ApiError, RemoteAppend, Room, Share},
    connection::stop,
    messages::Held,
};

/// Appends that wait at most, beside those that are being done.
const WAITING_MAX: usize = 1_024;
/// Bytes of payload that wait at most, unless one append alone has more.
const WAITING_BYTES_MAX: usize = 8 << 20;

/// The ledger's answers, or the server's.
type Done = Result<Vec<Result<Receipt, AppendError>>, ApiError>;

/// One stream of appends.
struct Appends {
    face: Face,
    principal: Principal,
    /// Known from the first request on.
    ledger: Option<String>,
    /// `None` when there are no more.
    requests: Option<Streaming<v1::AppendStreamRequest>>,
    /// The room of what was received last.
    held: Held,
    waiting: Group,
    doing: Option<(Vec<Asked>, BoxFuture<'static, Done>)>,
    /// What ends the stream, after the last answer.
    end: Option<Status>,
}

/// What waits.
#[derive(Default)]
struct Group {
    asked: Vec<Asked>,
    appends: Vec<RemoteAppend>,
    bytes: usize,
    /// Where all that is.
    room: Option<Share>,
}

/// One request: its number, and why it can't even be asked of the ledger.
struct Asked {
    id: u64,
    refused: Option<Failure>,
}

impl Face {
    pub(super) fn append_many(
        &self,
        request: Request<Streaming<v1::AppendStreamRequest>>,
    ) -> Result<Response<Answers<v1::AppendStreamResponse>>, Status> {
        let held = request.extensions().get::<Held>().cloned().unwrap_or_default();
        let (principal, requests) = self.open(request)?;
        let appends = Appends {
            face: self.clone(),
            principal,
            ledger: None,
            requests: Some(requests),
            held,
            waiting: Group::default(),
            doing: None,
            end: None,
        };
        let answers = stream::unfold(appends, |mut appends| async move {
            let next = appends.next().await?;
            Some((next, appends))
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

impl Appends {
    /// The next answers; `None` after the last.
    async fn next(&mut self) -> Option<Result<v1::AppendStreamResponse, Status>> {
        loop {
            if self.doing.is_none() {
                self.take_what_is_there().await;
                self.begin();
            }
            let has_room = self.waiting.has_room();
            match (&mut self.doing, &mut self.requests) {
                (Some((_, doing)), Some(requests)) if has_room => {
                    tokio::select! {
                        biased;
                        done = doing => return Some(Ok(self.answer(done))),
                        request = requests.message() => self.take(request),
                    }
                }
                (Some((_, doing)), _) => {
                    let done = doing.await;
                    return Some(Ok(self.answer(done)));
                }
                (None, Some(requests)) => {
                    tokio::select! {
                        biased;
                        () = stop(&mut self.face.stopping) => self.finish(Some(stopping().into())),
                        request = requests.message() => self.take(request),
                    }
                }
                (None, None) => return self.end.take().map(Err),
            }
        }
    }

    /// Takes the requests that have arrived, as long as there is room.
    async fn take_what_is_there(&mut self) {
        while self.waiting.has_room()
            && let Some(requests) = &mut self.requests
            && let Some(request) = poll_once(requests.message()).await
        {
            self.take(request);
        }
    }

    fn take(&mut self, request: Result<Option<v1::AppendStreamRequest>, Status>) {
        match request {
            Ok(Some(request)) => {
                let named = request.ledger.clone();
                let mine = self.ledger.get_or_insert_with(|| ledger(named.clone()));
                let strays = !named.is_empty() && named != *mine;
                self.waiting.hold(self.held.take());
                self.waiting.take(request, strays, self.face.api.room());
            }
            Ok(None) => self.finish(None),
            Err(status) => self.finish(Some(status)),
        }
    }

    fn finish(&mut self, end: Option<Status>) {
        (self.requests, self.end) = (None, end);
    }

    /// Begins to do what waits.
    fn begin(&mut self) {
        let Group { asked, appends, room, .. } = mem::take(&mut self.waiting);
        if asked.is_empty() {
            return;
        }
        let (api, principal) = (self.face.api.clone(), self.principal.clone());
        let ledger = self.ledger.clone().unwrap_or_default();
        let doing = async move {
            let done = api.append_all(&principal, &ledger, appends).await;
            drop(room);
            done
        };
        self.doing = Some((asked, Box::pin(doing)));
    }

    /// The answers of the group that is done.
    fn answer(&mut self, done: Done) -> v1::AppendStreamResponse {
        let asked = self.doing.take().map(|(asked, _)| asked).unwrap_or_default();
        let (mut answers, refused) = match done {
            Ok(answers) => (answers.into_iter(), None),
            Err(error) => (Vec::new().into_iter(), Some(failure(error))),
        };
        let answers = asked.into_iter().map(|Asked { id, refused: alone }| {
            let outcome = match (alone, &refused) {
                (Some(alone), _) => Err(alone),
                (None, Some(refused)) => Err(refused.clone()),
                (None, None) => outcome(answers.next()),
            };
            let outcome = match outcome {
                Ok(receipt) => v1::append_answer::Outcome::Receipt(receipt),
                Err(failure) => v1::append_answer::Outcome::Failure(failure.into()),
            };
            v1::AppendAnswer { id, outcome: Some(outcome) }
        });
        v1::AppendStreamResponse { answers: answers.collect() }
    }
}

impl Group {
    fn has_room(&self) -> bool {
        self.asked.len() < WAITING_MAX && self.bytes < WAITING_BYTES_MAX
    }

    fn hold(&mut self, more: Option<Share>) {
        self.room = match (self.room.take(), more) {
            (Some(room), more) => Some(room.and(more)),
            (None, more) => more,
        };
    }

    fn take(&mut self, request: v1::AppendStreamRequest, strays: bool, room: &Room) {
        let v1::AppendStreamRequest { id, events, conditions, key, .. } = request;
        let append = match strays {
            true => Err(Invalid::new("ledger", "is not that of the stream's first append")),
            false => remote(events, conditions, key),
        };
        let append = append.map_err(Failure::from).and_then(|append| {
            let unfolded = room.unfolded(append.parts_bytes()).map_err(failure)?;
            Ok((append, unfolded))
        });
        let refused = match append {
            Ok((append, unfolded)) => {
                let bytes =
                    append.events.iter().map(|event| event.data.len() + event.metadata.len());
                self.bytes += bytes.sum::<usize>();
                self.appends.push(append);
                self.hold(unfolded);
                None
            }
            Err(refused) => Some(refused),
        };
        self.asked.push(Asked { id, refused });
    }
}
