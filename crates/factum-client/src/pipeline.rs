//! [`Pipeline`]: appends over one stream, each with an answer of its own, none waiting for the last.
//!
//! ```text
//!   append ──► on the way, at most 2,048 ──► server: durable together ──► answers, in order
//! ```

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use factum_proto::{Failure, Reason, v1};
use factum_store::{Append, AppendError, Condition, Receipt};
use futures_core::Stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tonic::{Status, Streaming};

use crate::{Client, call::failure, ledger::receipt};

/// Appends that are on the way at most; the next one waits. The server takes as many.
const ON_THE_WAY_MAX: usize = 2_048;

type Answer = Result<Receipt, AppendError>;

/// A stream of appends. They are done in the order in which they were handed in; one that fails is
/// no matter to the others. Once the stream has broken every append fails: what was on the way is
/// [`AppendError::OutcomeUnknown`], and another pipeline has to be opened.
pub struct Pipeline {
    way: Arc<Way>,
    room: Arc<Semaphore>,
}

/// What is on the way.
struct Way(Mutex<OnTheWay>);

struct OnTheWay {
    /// `None` when there is no way any more.
    requests: Option<mpsc::UnboundedSender<v1::AppendStreamRequest>>,
    /// Named in the first request only.
    ledger: String,
    sent: u64,
    /// Not answered yet, in the order in which they were sent.
    waiting: VecDeque<Waiting>,
    /// Why there is no way.
    broken: Option<Failure>,
}

/// One that waits for its answer.
struct Waiting {
    id: u64,
    conditions: Vec<Condition>,
    answer: oneshot::Sender<Answer>,
    _place: OwnedSemaphorePermit,
}

impl Pipeline {
    pub(crate) fn open(client: &Client, ledger: String) -> Self {
        let (requests, taken) = mpsc::unbounded_channel();
        let way = Arc::new(Way(Mutex::new(OnTheWay {
            requests: Some(requests),
            ledger,
            sent: 0,
            waiting: VecDeque::new(),
            broken: None,
        })));
        let (answered, mut ledgers) = (Arc::clone(&way), client.ledgers());
        client.inner.runtime.spawn(async move {
            let status = match ledgers.append_stream(Requests(taken)).await {
                Ok(answers) => settle(answers.into_inner(), &answered).await,
                Err(status) => status,
            };
            answered.break_off(failure(&status));
        });
        Self { way, room: Arc::new(Semaphore::new(ON_THE_WAY_MAX)) }
    }

    /// Hands an append in as soon as there is room, and returns what waits for its answer. Whether
    /// that is awaited or not, the append is on its way.
    pub async fn append(&self, append: Append) -> impl Future<Output = Answer> + Send + use<> {
        let (answer, answered) = oneshot::channel();
        // The semaphore is never closed.
        if let Ok(place) = Arc::clone(&self.room).acquire_owned().await {
            self.way.lock().hand_in(append, answer, place);
        }
        async move {
            let ended = || Failure::new(Reason::OutcomeUnknown, "the client has ended");
            answered.await.unwrap_or_else(|_| Err(ended().append_error(&[])))
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // The server answers what is on the way, and then ends the stream.
        self.way.lock().requests = None;
    }
}

/// Hands each answer to who waits for it, and says how the stream ended.
async fn settle(mut answers: Streaming<v1::AppendStreamResponse>, way: &Way) -> Status {
    loop {
        match answers.message().await {
            Ok(Some(message)) => {
                if !message.answers.into_iter().all(|answer| way.lock().settle(answer)) {
                    return Status::internal("the server answered what was not asked");
                }
            }
            Ok(None) => return Status::unavailable("the server has ended the stream"),
            Err(status) => return status,
        }
    }
}

impl Way {
    fn lock(&self) -> MutexGuard<'_, OnTheWay> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing more is answered.
    fn break_off(&self, why: Failure) {
        let mut way = self.lock();
        way.requests = None;
        for waiting in std::mem::take(&mut way.waiting) {
            let unknown = match why.reason {
                // What the server refused as a whole was not done.
                Reason::Unauthenticated | Reason::Forbidden | Reason::UnknownLedger => why.clone(),
                _ => Failure::new(Reason::OutcomeUnknown, why.message.clone()),
            };
            let _ = waiting.answer.send(Err(unknown.append_error(&waiting.conditions)));
        }
        way.broken = Some(why);
    }
}

impl OnTheWay {
    fn hand_in(
        &mut self,
        append: Append,
        answer: oneshot::Sender<Answer>,
        place: OwnedSemaphorePermit,
    ) {
        let Some(requests) = &self.requests else {
            let why = self.broken.as_ref().map_or("the pipeline is closed", |why| &why.message);
            let failure = Failure::new(Reason::Unavailable, format!("{why}; open another one"));
            let _ = answer.send(Err(failure.append_error(&[])));
            return;
        };
        let (id, Append { events, conditions, key }) = (self.sent, append);
        let request = v1::AppendStreamRequest {
            ledger: std::mem::take(&mut self.ledger),
            id,
            events: events.into_iter().map(Into::into).collect(),
            conditions: conditions.iter().cloned().map(Into::into).collect(),
            key: key.map(Into::into),
        };
        self.sent += 1;
        self.waiting.push_back(Waiting { id, conditions, answer, _place: place });
        // When nobody takes it, it is given up with all that waits.
        let _ = requests.send(request);
    }

    /// Whether the answer is that of the first one that waits.
    fn settle(&mut self, answer: v1::AppendAnswer) -> bool {
        use v1::append_answer::Outcome;
        let Some(waiting) = self.waiting.pop_front_if(|first| first.id == answer.id) else {
            return false;
        };
        let outcome = match answer.outcome {
            Some(Outcome::Receipt(said)) => receipt(Some(said)),
            Some(Outcome::Failure(said)) => {
                Err(Failure::from(said).append_error(&waiting.conditions))
            }
            None => receipt(None),
        };
        let _ = waiting.answer.send(outcome);
        true
    }
}

/// The requests of a pipeline, as they are handed in.
struct Requests(mpsc::UnboundedReceiver<v1::AppendStreamRequest>);

impl Stream for Requests {
    type Item = v1::AppendStreamRequest;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}
