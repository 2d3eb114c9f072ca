//! `Ledgers.Subscribe`: the signals of a subscription as messages. They are drawn as the connection
//! has room: nothing is kept for a slow reader.

use std::collections::VecDeque;

use factum_proto::{Failure, ledger, v1};
use factum_store::{ReadError, Signal};
use futures_lite::stream;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::{
    Answers, Face,
    failure::{failure, status, stopping},
    read::{MESSAGE_BYTES, size},
};
use crate::{
    api::{ApiError, SubscribeEvents, Subscription},
    connection::stop,
};

/// One subscriber.
struct Following {
    signals: Subscription,
    stopping: watch::Receiver<bool>,
    /// What was found and not yet taken.
    ready: VecDeque<Result<v1::SubscribeResponse, Status>>,
    ended: bool,
}

impl Face {
    pub(super) async fn follow(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Result<Response<Answers<v1::SubscribeResponse>>, Status> {
        let (principal, mut asked) = self.open(request)?;
        let ledger = ledger(std::mem::take(&mut asked.ledger));
        let (query, after) = asked.into_parts().map_err(Failure::from)?;
        let follow = SubscribeEvents { ledger, query, after };
        let signals = self.api.subscribe(&principal, follow).await.map_err(status)?;
        let stopping = self.stopping.clone();
        let following = Following { signals, stopping, ready: VecDeque::new(), ended: false };
        let answers = stream::unfold(following, |mut following| async move {
            let next = following.next().await?;
            Some((next, following))
        });
        Ok(Response::new(Box::pin(answers)))
    }
}

impl Following {
    async fn next(&mut self) -> Option<Result<v1::SubscribeResponse, Status>> {
        while self.ready.is_empty() {
            if self.ended {
                return None;
            }
            let found = tokio::select! {
                biased;
                () = stop(&mut self.stopping) => {
                    self.ended = true;
                    return Some(Err(stopping().into()));
                }
                found = self.signals.next() => found,
            };
            match found {
                Some(found) => self.ready = messages(found),
                // A ledger's signals have no end; one that has was lost.
                None => self.ready.push_back(Err(failure(ApiError::Stopping).into())),
            }
            self.ended = self.ready.iter().any(Result::is_err);
        }
        self.ready.pop_front()
    }
}

/// Events up to the next word of where the subscription stands are one message.
fn messages(
    signals: Vec<Result<Signal, ReadError>>,
) -> VecDeque<Result<v1::SubscribeResponse, Status>> {
    use v1::subscribe_response::Then;
    let (mut messages, mut message, mut bytes) =
        (VecDeque::new(), v1::SubscribeResponse::default(), 0);
    for signal in signals {
        let then = match signal {
            Ok(Signal::Event(event)) => {
                bytes += size(&event);
                message.events.push((*event).into());
                None
            }
            Ok(Signal::CaughtUp(head)) => Some(Then::CaughtUp(head.into())),
            Ok(Signal::Progress(position)) => Some(Then::Progress(position.0)),
            Err(error) => {
                messages.push_back(Ok(std::mem::take(&mut message)));
                messages.push_back(Err(failure(error.into()).into()));
                return messages;
            }
        };
        if then.is_some() || bytes >= MESSAGE_BYTES {
            message.then = then;
            messages.push_back(Ok(std::mem::take(&mut message)));
            bytes = 0;
        }
    }
    if !message.events.is_empty() {
        messages.push_back(Ok(message));
    }
    messages
}
