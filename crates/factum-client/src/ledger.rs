//! [`RemoteLedger`]: the port `Ledger` over the network.

use std::future::Future;

use factum_proto::{Failure, Reason, v1};
use factum_store::{
    Append, AppendError, BoxFuture, BoxStream, Direction, EventId, Head, IdempotencyKey, Invalid,
    Ledger, Page, Position, Read, ReadError, Receipt, RecordedEvent, Signal, StreamInfo,
    StreamName, Subscribe, Timestamp,
};
use tonic::{Response, Status};

use crate::{
    Client, Pipeline,
    call::{Tries, failure},
    signals::RemoteSignals,
};

/// Events of a page at most.
const PAGE_EVENTS_MAX: usize = 4_096;
/// A page ends with the batch that takes it beyond this many bytes of payload.
const PAGE_BYTES: usize = 8 << 20;

/// A ledger of a server.
#[derive(Clone)]
pub struct RemoteLedger {
    client: Client,
    name: String,
}

impl RemoteLedger {
    pub(crate) fn new(client: Client, name: String) -> Self {
        Self { client, name }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Many appends over one stream, without waiting for each other's answers.
    #[must_use]
    pub fn pipeline(&self) -> Pipeline {
        Pipeline::open(&self.client, self.name.clone())
    }

    /// Asks, again if need be, on the client's runtime.
    async fn ask<T, F>(
        &self,
        repeatable: bool,
        mut call: impl FnMut() -> F + Send + 'static,
    ) -> Result<T, Failure>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Status>> + Send + 'static,
    {
        let mut tries = Tries::new(self.client.inner.retry_for);
        let asked = self.client.inner.runtime.run(async move {
            loop {
                let failure = match call().await {
                    Ok(answer) => return Ok(answer),
                    Err(status) => failure(&status),
                };
                if !tries.again(&failure, repeatable).await {
                    return Err(failure);
                }
            }
        });
        asked.await.unwrap_or_else(|_| {
            Err(Failure::new(Reason::OutcomeUnknown, "the client's runtime has ended"))
        })
    }

    /// Asks for what changes nothing.
    async fn look<T, F>(&self, call: impl FnMut() -> F + Send + 'static) -> Result<T, ReadError>
    where
        T: Send + 'static,
        F: Future<Output = Result<Response<T>, Status>> + Send + 'static,
    {
        let mut call = call;
        let asked = self.ask(true, move || {
            let answer = call();
            async move { answer.await.map(Response::into_inner) }
        });
        asked.await.map_err(Failure::read_error)
    }

    async fn append_now(&self, append: Append) -> Result<Receipt, AppendError> {
        let Append { events, conditions, key } = append;
        let (repeatable, wanted) = (key.is_some(), conditions.clone());
        let request = v1::AppendRequest {
            ledger: self.name.clone(),
            events: events.into_iter().map(Into::into).collect(),
            conditions: conditions.into_iter().map(Into::into).collect(),
            key: key.map(Into::into),
        };
        let ledgers = self.client.ledgers();
        let asked = self.ask(repeatable, move || {
            let (mut ledgers, request) = (ledgers.clone(), request.clone());
            async move { ledgers.append(request).await.map(Response::into_inner) }
        });
        let answer = asked.await.map_err(|failure| failure.append_error(&wanted))?;
        receipt(answer.receipt)
    }

    async fn read_now(&self, read: Read) -> Result<Page, ReadError> {
        let mut request = v1::ReadRequest::of(&self.name, &read);
        request.limit = Some(read.limit.min(PAGE_EVENTS_MAX) as u64);
        let ledgers = self.client.ledgers();
        let asked = self.ask(true, move || {
            let (mut ledgers, request) = (ledgers.clone(), request.clone());
            async move {
                let mut batches = ledgers.read(request).await?.into_inner();
                let mut page = v1::ReadResponse::default();
                let mut bytes = 0;
                while let Some(batch) = batches.message().await? {
                    bytes +=
                        batch.events.iter().map(|e| e.data.len() + e.metadata.len()).sum::<usize>();
                    page.events.extend(batch.events);
                    (page.next, page.head) = (batch.next, batch.head);
                    if bytes >= PAGE_BYTES {
                        break;
                    }
                }
                Ok(page)
            }
        });
        page(read, asked.await.map_err(Failure::read_error)?)
    }
}

fn page(read: Read, said: v1::ReadResponse) -> Result<Page, ReadError> {
    let events = said.events.into_iter().map(RecordedEvent::try_from).collect::<Result<_, _>>();
    let next = said.next.map(|bound| match read.direction {
        Direction::Forward => read.after(Position(bound)),
        Direction::Backward => read.up_to(Position(bound)),
    });
    let head = said.head.map(Head::from).unwrap_or_default();
    Ok(Page { events: events.map_err(unreadable)?, next, head })
}

/// An answer that no server of this version gives.
pub(crate) fn unreadable(invalid: Invalid) -> ReadError {
    ReadError::Unavailable(format!("the server's answer makes no sense: {invalid}"))
}

/// The receipt of an answer. When it can't be read, the append may have happened all the same.
pub(crate) fn receipt(receipt: Option<v1::Receipt>) -> Result<Receipt, AppendError> {
    let missing = || Invalid::new("receipt", "is missing");
    let receipt = receipt.ok_or_else(missing).and_then(Receipt::try_from);
    receipt.map_err(|invalid| {
        AppendError::OutcomeUnknown(format!("the server's answer makes no sense: {invalid}"))
    })
}

impl Ledger for RemoteLedger {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Receipt, AppendError>> {
        Box::pin(self.append_now(append))
    }

    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        Box::pin(self.read_now(read))
    }

    fn subscribe(&self, subscribe: Subscribe) -> BoxStream<Result<Signal, ReadError>> {
        Box::pin(RemoteSignals::open(&self.client, &self.name, subscribe))
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, ReadError>> {
        let (ledgers, ledger) = (self.client.ledgers(), self.name.clone());
        Box::pin(async move {
            let said = self.look(move || {
                let (mut ledgers, ledger) = (ledgers.clone(), ledger.clone());
                async move { ledgers.head(v1::HeadRequest { ledger }).await }
            });
            Ok(said.await?.head.map(Head::from).unwrap_or_default())
        })
    }

    fn stream(&self, stream: StreamName) -> BoxFuture<'_, Result<StreamInfo, ReadError>> {
        let ledgers = self.client.ledgers();
        let request =
            v1::DescribeStreamRequest { ledger: self.name.clone(), stream: stream.into() };
        Box::pin(async move {
            let said = self.look(move || {
                let (mut ledgers, request) = (ledgers.clone(), request.clone());
                async move { ledgers.describe_stream(request).await }
            });
            said.await?.try_into().map_err(unreadable)
        })
    }

    fn event(&self, id: EventId) -> BoxFuture<'_, Result<Option<RecordedEvent>, ReadError>> {
        let ledgers = self.client.ledgers();
        let request = v1::FindEventRequest { ledger: self.name.clone(), id: id.to_string() };
        Box::pin(async move {
            let said = self.look(move || {
                let (mut ledgers, request) = (ledgers.clone(), request.clone());
                async move { ledgers.find_event(request).await }
            });
            said.await?.event.map(RecordedEvent::try_from).transpose().map_err(unreadable)
        })
    }

    fn receipt(&self, key: IdempotencyKey) -> BoxFuture<'_, Result<Option<Receipt>, AppendError>> {
        let ledgers = self.client.ledgers();
        let request = v1::FindReceiptRequest { ledger: self.name.clone(), key: Some(key.into()) };
        Box::pin(async move {
            let asked = self.ask(true, move || {
                let (mut ledgers, request) = (ledgers.clone(), request.clone());
                async move { ledgers.find_receipt(request).await.map(Response::into_inner) }
            });
            let found = asked.await.map_err(|failure| failure.append_error(&[]))?;
            found.receipt.map(|found| receipt(Some(found))).transpose()
        })
    }

    fn position_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        let ledgers = self.client.ledgers();
        let request = v1::PositionAtRequest { ledger: self.name.clone(), micros: time.micros };
        Box::pin(async move {
            let said = self.look(move || {
                let (mut ledgers, request) = (ledgers.clone(), request.clone());
                async move { ledgers.position_at(request).await }
            });
            Ok(Position(said.await?.position))
        })
    }
}
