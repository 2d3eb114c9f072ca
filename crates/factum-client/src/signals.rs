//! [`RemoteSignals`]: a subscription that survives its connection. It goes on after the last thing it
//! was told, so no event is left out and none comes twice (G6).
//!
//! Few messages are held: a subscriber that is slow holds back the connection, and that the server.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use factum_proto::{Failure, Reason, v1};
use factum_store::{Head, Position, ReadError, RecordedEvent, Signal, Subscribe};
use futures_core::Stream;
use tokio::sync::mpsc;
use tonic::Status;

use crate::{
    Client,
    call::{Pause, failure},
    ledger::unreadable,
};

/// Messages that wait to be yielded.
const MESSAGES: usize = 2;

type Message = Result<v1::SubscribeResponse, ReadError>;

/// The signals of a subscription.
pub(crate) struct RemoteSignals {
    messages: mpsc::Receiver<Message>,
    ready: VecDeque<Result<Signal, ReadError>>,
    ended: bool,
}

impl RemoteSignals {
    pub(crate) fn open(client: &Client, ledger: &str, subscribe: Subscribe) -> Self {
        let (tell, messages) = mpsc::channel(MESSAGES);
        let request = v1::SubscribeRequest {
            ledger: ledger.to_owned(),
            query: Some(subscribe.query.into()),
            after: subscribe.after.0,
        };
        let ledgers = client.ledgers();
        client.inner.runtime.spawn(async move {
            let listening = tell.clone();
            tokio::select! {
                () = listening.closed() => {}
                () = follow(ledgers, request, tell) => {}
            }
        });
        Self { messages, ready: VecDeque::new(), ended: false }
    }
}

type Ledgers = v1::ledgers_client::LedgersClient<crate::Connection>;

/// Passes on what the server says, connecting again as often as it takes.
async fn follow(
    mut ledgers: Ledgers,
    mut request: v1::SubscribeRequest,
    tell: mpsc::Sender<Message>,
) {
    let mut pause = Pause::default();
    loop {
        let status = match pass_on(&mut ledgers, &mut request, &tell, &mut pause).await {
            Ok(()) => return,
            Err(status) => status,
        };
        let failure = failure(&status);
        if is_final(&failure) {
            let _ = tell.send(Err(failure.read_error())).await;
            return;
        }
        let (after, problem) = (request.after, failure.message);
        tracing::debug!(after, problem, "a subscription was lost; it is begun again");
        pause.wait().await;
    }
}

/// Until the subscriber is gone, or the call has ended.
async fn pass_on(
    ledgers: &mut Ledgers,
    request: &mut v1::SubscribeRequest,
    tell: &mpsc::Sender<Message>,
    pause: &mut Pause,
) -> Result<(), Status> {
    let mut messages = ledgers.subscribe(request.clone()).await?.into_inner();
    while let Some(message) = messages.message().await? {
        *pause = Pause::default();
        request.after = request.after.max(reached(&message));
        if tell.send(Ok(message)).await.is_err() {
            return Ok(());
        }
    }
    Err(Status::unavailable("the subscription has ended"))
}

/// Up to where everything was said.
fn reached(message: &v1::SubscribeResponse) -> u64 {
    use v1::subscribe_response::Then;
    let last = message.events.last().map_or(0, |event| event.position);
    last.max(match &message.then {
        Some(Then::CaughtUp(head)) => head.position,
        Some(Then::Progress(position)) => *position,
        None => 0,
    })
}

/// Whether to ask again would be to be told the same.
fn is_final(failure: &Failure) -> bool {
    !matches!(failure.reason, Reason::Busy | Reason::Unavailable | Reason::OutcomeUnknown)
}

fn signals(message: v1::SubscribeResponse) -> VecDeque<Result<Signal, ReadError>> {
    use v1::subscribe_response::Then;
    let events = message.events.into_iter().map(|event| {
        let event = RecordedEvent::try_from(event).map_err(unreadable)?;
        Ok(Signal::Event(Box::new(event)))
    });
    let mut signals: VecDeque<_> = events.collect();
    signals.extend(message.then.map(|then| {
        Ok(match then {
            Then::CaughtUp(head) => Signal::CaughtUp(Head::from(head)),
            Then::Progress(position) => Signal::Progress(Position(position)),
        })
    }));
    signals
}

impl Stream for RemoteSignals {
    type Item = Result<Signal, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(signal) = self.ready.pop_front() {
                self.ended |= signal.is_err();
                return Poll::Ready(Some(signal));
            }
            if self.ended {
                return Poll::Ready(None);
            }
            match self.messages.poll_recv(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => self.ended = true,
                Poll::Ready(Some(Ok(message))) => self.ready = signals(message),
                Poll::Ready(Some(Err(error))) => self.ready.push_back(Err(error)),
            }
        }
    }
}
