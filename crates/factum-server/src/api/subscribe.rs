//! Subscribe: every matching event once, in order, and what is recorded from then on (G6).

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use factum_store::{BoxStream, Position, Query, ReadError, Signal, Subscribe};
use futures_lite::Stream;
use tokio::sync::OwnedSemaphorePermit;

use super::{Api, ApiError};

/// What to follow.
pub(crate) struct SubscribeEvents {
    pub(crate) ledger: String,
    pub(crate) query: Query,
    pub(crate) after: Position,
}

/// The signals of one subscriber. Nothing is read ahead of it, so a slow one costs no memory; its
/// place is free again when it is dropped.
pub(crate) struct Subscription {
    signals: BoxStream<Result<Signal, ReadError>>,
    _place: OwnedSemaphorePermit,
}

impl Api {
    pub(crate) async fn subscribe(
        &self,
        request: SubscribeEvents,
    ) -> Result<Subscription, ApiError> {
        let ledger = self.ledger(&request.ledger)?;
        let SubscribeEvents { query, after, .. } = request;
        let place = self.bulkheads.subscriptions.enter().await?;
        Ok(Subscription { signals: ledger.subscribe(Subscribe { query, after }), _place: place })
    }
}

impl Stream for Subscription {
    type Item = Result<Signal, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.signals.as_mut().poll_next(cx)
    }
}
