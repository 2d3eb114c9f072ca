//! `Consumers.Consume`: deliveries down, answers up, on one stream.
//!
//! ```text
//!   requests ──► waiting (bounded) ──► one step for all that wait, durable ──► what became of them
//!   the group's events ──► as many as are not answered yet, at most ──► deliveries
//! ```
//! Requests are only taken while there is room, and events are only drawn while a reader takes them:
//! a client that reads nothing, or answers nothing, makes nothing grow (G12).

use std::{collections::HashMap, mem, sync::Arc, time::Duration};

use factum_consumers::{DeliveryId, Nack};
use factum_proto::{
    Failure, ledger,
    v1::{self, consumers_server::Consumers},
};
use factum_store::{BoxFuture, Invalid, Timestamp};
use futures_lite::{future::poll_once, stream};
use tokio::time::sleep;
use tonic::{Request, Response, Status, Streaming};

use super::{
    Answers, Face,
    failure::{status, stopping},
};
use crate::{
    access::{Principal, now},
    api::{Answer, ApiError, Became, GroupId, Staying},
    connection::stop,
    consumers::{Drawn, State},
};

/// Messages that wait at most, beside those that are being answered.
const WAITING_MAX: usize = 64;
/// Deliveries that one message may answer.
const DELIVERIES_MAX: usize = 1_024;
/// Deliveries without an answer, at most and when nobody says how many.
const IN_FLIGHT: (usize, usize) = (1_024, 64);
/// The longest that one may ask to wait, in milliseconds.
const AFTER_MS_MAX: u64 = 86_400_000;
/// Bytes of a reason that are taken in; of these the group keeps the first.
const REASON_BYTES_MAX: usize = 2_048;
/// How long to wait for events before the group's state is looked at again.
const LOOK: Duration = Duration::from_secs(5);

#[tonic::async_trait]
impl Consumers for Face {
    type ConsumeStream = Answers<v1::ConsumeResponse>;

    async fn consume(
        &self,
        request: Request<Streaming<v1::ConsumeRequest>>,
    ) -> Result<Response<Self::ConsumeStream>, Status> {
        let (principal, requests) = self.open(request)?;
        let opening = Opening { face: self.clone(), principal, requests };
        let answers = stream::unfold(Consuming::Opening(Box::new(opening)), |state| async move {
            match state.next().await {
                (Some(answer), state) => Some((answer, state)),
                (None, _) => None,
            }
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

/// A stream of deliveries, from its first message to its last.
enum Consuming {
    Opening(Box<Opening>),
    Open(Box<Open>),
    Ended,
}

/// Before its first message.
struct Opening {
    face: Face,
    principal: Principal,
    requests: Streaming<v1::ConsumeRequest>,
}

type Answered = Result<Vec<(DeliveryId, Became)>, ApiError>;

/// A consumer that is there.
struct Open {
    face: Face,
    staying: Arc<Staying>,
    /// `None` when there are no more.
    requests: Option<Streaming<v1::ConsumeRequest>>,
    waiting: Vec<Answer>,
    answering: Option<BoxFuture<'static, Answered>>,
    drawing: Option<BoxFuture<'static, Result<Drawn, ApiError>>>,
    /// What was delivered and not answered, and until when it has to be.
    in_flight: HashMap<DeliveryId, Timestamp>,
    in_flight_max: usize,
    /// Which state of the group was said last.
    told: Option<State>,
    /// What ends the stream, after the last answer.
    end: Option<Status>,
}

type Said = Result<v1::ConsumeResponse, Status>;

impl Consuming {
    async fn next(self) -> (Option<Said>, Self) {
        let mut open = match self {
            Self::Ended => return (None, Self::Ended),
            Self::Open(open) => open,
            Self::Opening(opening) => match opening.open().await {
                Ok(Some(open)) => Box::new(open),
                Ok(None) => return (None, Self::Ended),
                Err(status) => return (Some(Err(status)), Self::Ended),
            },
        };
        match open.next().await {
            Some(Ok(response)) => (Some(Ok(response)), Self::Open(open)),
            Some(Err(status)) => (Some(Err(status)), Self::Ended),
            None => (None, Self::Ended),
        }
    }
}

impl Opening {
    /// `None` when the client ended it without a word.
    async fn open(mut self) -> Result<Option<Open>, Status> {
        let first = tokio::select! {
            biased;
            () = stop(&mut self.face.stopping) => return Err(stopping().into()),
            first = self.requests.message() => first?,
        };
        let Some(first) = first else { return Ok(None) };
        let Some(v1::consume_request::Request::Open(asked)) = first.request else {
            let problem = "is not there; the first message opens the stream";
            return Err(Failure::from(Invalid::new("open", problem)).into());
        };
        let (id, consumer, in_flight_max) = opened(asked).map_err(Failure::from)?;
        let staying = self.face.api.stay(&self.principal, id, consumer).await.map_err(status)?;
        Ok(Some(Open {
            face: self.face,
            staying: Arc::new(staying),
            requests: Some(self.requests),
            waiting: Vec::new(),
            answering: None,
            drawing: None,
            in_flight: HashMap::new(),
            in_flight_max,
            told: None,
            end: None,
        }))
    }
}

fn opened(asked: v1::OpenConsumer) -> Result<(GroupId, String, usize), Invalid> {
    let v1::OpenConsumer { ledger: named, group, consumer, in_flight_max } = asked;
    let (most, default) = IN_FLIGHT;
    let in_flight_max = match in_flight_max as usize {
        0 => default,
        max if max <= most => max,
        max => {
            let problem = format!("is {max}; it must be at most {most}");
            return Err(Invalid::new("open.in_flight_max", problem));
        }
    };
    Ok((GroupId { ledger: ledger(named), group: group.parse()? }, consumer, in_flight_max))
}

impl Open {
    /// The next message; `None` after the last.
    async fn next(&mut self) -> Option<Said> {
        loop {
            self.begin().await;
            if self.requests.is_none() && self.answering.is_none() {
                return self.end.take().map(Err);
            }
            let has_room = self.waiting.len() < WAITING_MAX;
            let overdue = self.in_flight_max <= self.in_flight.len();
            tokio::select! {
                biased;
                answered = wait(&mut self.answering) => {
                    self.answering = None;
                    return Some(answered.map(|all| self.answered(all)).map_err(status));
                }
                drawn = wait(&mut self.drawing) => {
                    self.drawing = None;
                    match drawn {
                        Err(error) => return Some(Err(status(error))),
                        Ok(drawn) => match self.delivered(drawn) {
                            Some(response) => return Some(Ok(response)),
                            None => continue,
                        },
                    }
                }
                () = stop(&mut self.face.stopping), if self.requests.is_some() => {
                    self.finish(Some(stopping().into()));
                }
                request = message(&mut self.requests), if has_room => self.take(request),
                () = sleep(Duration::from_secs(1)), if overdue => {}
            }
        }
    }

    /// Begins to answer what waits, and to draw when there is room.
    async fn begin(&mut self) {
        if self.answering.is_none() {
            self.take_what_is_there().await;
            if !self.waiting.is_empty() {
                let (staying, waiting) = (Arc::clone(&self.staying), mem::take(&mut self.waiting));
                self.answering = Some(Box::pin(async move { staying.answer(waiting).await }));
            }
        }
        if self.requests.is_none() {
            self.drawing = None;
            return;
        }
        // What was not answered in time is the group's again.
        let now = now();
        self.in_flight.retain(|_, deadline| *deadline > now);
        let room = self.in_flight_max.saturating_sub(self.in_flight.len());
        if self.drawing.is_none() && room > 0 {
            let staying = Arc::clone(&self.staying);
            self.drawing = Some(Box::pin(async move { staying.next(room, LOOK).await }));
        }
    }

    /// Takes the requests that have arrived, as long as there is room.
    async fn take_what_is_there(&mut self) {
        while self.waiting.len() < WAITING_MAX
            && let Some(requests) = &mut self.requests
            && let Some(request) = poll_once(requests.message()).await
        {
            self.take(request);
        }
    }

    fn take(&mut self, request: Result<Option<v1::ConsumeRequest>, Status>) {
        match request {
            Ok(Some(request)) => match answer(request) {
                Ok(answer) => self.waiting.push(answer),
                Err(invalid) => self.finish(Some(Failure::from(invalid).into())),
            },
            Ok(None) => self.finish(None),
            Err(status) => self.finish(Some(status)),
        }
    }

    fn finish(&mut self, end: Option<Status>) {
        (self.requests, self.end) = (None, end);
    }

    fn answered(&mut self, all: Vec<(DeliveryId, Became)>) -> v1::ConsumeResponse {
        for (delivery, became) in &all {
            match became {
                Became::Extended(deadline) => {
                    self.in_flight.entry(*delivery).and_modify(|until| *until = *deadline);
                }
                _ => drop(self.in_flight.remove(delivery)),
            }
        }
        let answered = all.into_iter().map(|(delivery, became)| v1::DeliveryAnswered {
            delivery: delivery.to_string(),
            became: Some(said(became)),
        });
        v1::ConsumeResponse { answered: answered.collect(), ..Default::default() }
    }

    /// What there is to say of a draw, if anything.
    fn delivered(&mut self, drawn: Drawn) -> Option<v1::ConsumeResponse> {
        let state = (self.told.replace(drawn.state) != Some(drawn.state)).then(|| {
            i32::from(match drawn.state {
                State::Active => v1::ConsumerGroupState::Active,
                State::Paused => v1::ConsumerGroupState::Paused,
                State::Stopped(_) => v1::ConsumerGroupState::Stopped,
            })
        });
        if drawn.given.is_empty() && state.is_none() {
            return None;
        }
        let deliveries = drawn.given.into_iter().map(|given| {
            let delivery = given.delivery;
            self.in_flight.insert(delivery.id, delivery.deadline);
            v1::Delivery {
                delivery: delivery.id.to_string(),
                attempt: delivery.attempt,
                deadline_micros: delivery.deadline.micros,
                event: Some(given.event.into()),
            }
        });
        Some(v1::ConsumeResponse { deliveries: deliveries.collect(), state, ..Default::default() })
    }
}

/// What the consumer still had has failed: it can't be answered on this stream any more.
impl Drop for Open {
    fn drop(&mut self) {
        let deliveries: Vec<_> = self.in_flight.keys().copied().collect();
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if deliveries.is_empty() {
            return;
        }
        let (staying, waiting) = (Arc::clone(&self.staying), mem::take(&mut self.waiting));
        let answering = self.answering.take();
        runtime.spawn(async move {
            // What was said before counts first.
            if let Some(answering) = answering {
                let _ = answering.await;
            }
            let reason = "the consumer's stream ended".to_owned();
            let rest = Answer::Nack { deliveries, then: Nack::Retry, reason };
            // Where it fails the group delivers all that was in flight anew.
            let _ = staying.answer(waiting.into_iter().chain([rest]).collect()).await;
        });
    }
}

/// What is being done; for ever, when that is nothing.
async fn wait<T>(doing: &mut Option<BoxFuture<'static, T>>) -> T {
    match doing {
        Some(doing) => doing.await,
        None => std::future::pending().await,
    }
}

async fn message(
    requests: &mut Option<Streaming<v1::ConsumeRequest>>,
) -> Result<Option<v1::ConsumeRequest>, Status> {
    match requests {
        Some(requests) => requests.message().await,
        None => std::future::pending().await,
    }
}

fn answer(request: v1::ConsumeRequest) -> Result<Answer, Invalid> {
    use v1::{consume_request::Request as Asked, nack_deliveries::Then};
    match request.request {
        None => Err(Invalid::new("request", "is empty; it must be one of ack, nack, extend")),
        Some(Asked::Open(_)) => Err(Invalid::new("open", "is there twice; the stream is open")),
        Some(Asked::Ack(v1::AckDeliveries { deliveries })) => Ok(Answer::Ack(ids(deliveries)?)),
        Some(Asked::Extend(v1::ExtendDeliveries { deliveries })) => {
            Ok(Answer::Extend(ids(deliveries)?))
        }
        Some(Asked::Nack(v1::NackDeliveries { deliveries, mut reason, then })) => {
            let then = match then {
                None | Some(Then::Park(false)) => Nack::Retry,
                Some(Then::Park(true)) => Nack::Park,
                Some(Then::AfterMs(after)) if after <= AFTER_MS_MAX => Nack::RetryAfter(after),
                Some(Then::AfterMs(after)) => {
                    let problem = format!("is {after}; it must be at most {AFTER_MS_MAX}");
                    return Err(Invalid::new("nack.after_ms", problem));
                }
            };
            reason.truncate(reason.floor_char_boundary(REASON_BYTES_MAX));
            reason.shrink_to_fit();
            Ok(Answer::Nack { deliveries: ids(deliveries)?, then, reason })
        }
    }
}

fn ids(deliveries: Vec<String>) -> Result<Vec<DeliveryId>, Invalid> {
    if deliveries.len() > DELIVERIES_MAX {
        let problem = format!("has {}; it may have {DELIVERIES_MAX}", deliveries.len());
        return Err(Invalid::new("deliveries", problem));
    }
    deliveries.iter().map(|text| text.parse()).collect()
}

fn said(became: Became) -> v1::delivery_answered::Became {
    use v1::delivery_answered::Became as Said;
    match became {
        Became::Acked => Said::Acked(true),
        Became::Parked => Said::Parked(true),
        Became::Lost => Said::Lost(true),
        Became::Retried(at) => Said::RetriedAtMicros(at.micros),
        Became::Extended(at) => Said::DeadlineMicros(at.micros),
    }
}
