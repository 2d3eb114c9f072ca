//! The service `Ledgers`: what is short is here, what is not has a file of its own.

use factum_proto::{
    Failure, ledger,
    v1::{self, ledgers_server::Ledgers},
};
use factum_store::{StreamName, Timestamp};
use tonic::{Request, Response, Status, Streaming};

use super::{Answers, Face, failure::status};

#[tonic::async_trait]
impl Ledgers for Face {
    async fn list_ledgers(
        &self,
        request: Request<v1::ListLedgersRequest>,
    ) -> Result<Response<v1::ListLedgersResponse>, Status> {
        let (principal, v1::ListLedgersRequest {}) = self.open(request)?;
        let ledgers = self.api.ledgers(&principal).await.map_err(status)?;
        let ledgers = ledgers.into_iter().map(|ledger| v1::Ledger {
            name: ledger.name,
            application: ledger.application.map(str::to_owned),
            head: Some(ledger.head.into()),
        });
        Ok(Response::new(v1::ListLedgersResponse { ledgers: ledgers.collect() }))
    }

    async fn head(
        &self,
        request: Request<v1::HeadRequest>,
    ) -> Result<Response<v1::HeadResponse>, Status> {
        let (principal, v1::HeadRequest { ledger: named }) = self.open(request)?;
        let head = self.api.head(&principal, &ledger(named)).await.map_err(status)?;
        Ok(Response::new(v1::HeadResponse { head: Some(head.into()) }))
    }

    async fn append(
        &self,
        request: Request<v1::AppendRequest>,
    ) -> Result<Response<v1::AppendResponse>, Status> {
        self.append_one(request).await
    }

    type AppendStreamStream = Answers<v1::AppendStreamResponse>;

    async fn append_stream(
        &self,
        request: Request<Streaming<v1::AppendStreamRequest>>,
    ) -> Result<Response<Self::AppendStreamStream>, Status> {
        self.append_many(request)
    }

    type ReadStream = Answers<v1::ReadResponse>;

    async fn read(
        &self,
        request: Request<v1::ReadRequest>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        self.read_events(request).await
    }

    type SubscribeStream = Answers<v1::SubscribeResponse>;

    async fn subscribe(
        &self,
        request: Request<v1::SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        self.follow(request).await
    }

    async fn describe_stream(
        &self,
        request: Request<v1::DescribeStreamRequest>,
    ) -> Result<Response<v1::DescribeStreamResponse>, Status> {
        let (principal, asked) = self.open(request)?;
        let stream = StreamName::new(asked.stream).map_err(Failure::from)?;
        let info = self.api.stream(&principal, &ledger(asked.ledger), stream).await;
        Ok(Response::new(info.map_err(status)?.into()))
    }

    async fn find_event(
        &self,
        request: Request<v1::FindEventRequest>,
    ) -> Result<Response<v1::FindEventResponse>, Status> {
        let (principal, asked) = self.open(request)?;
        let id = asked.id.parse().map_err(Failure::from)?;
        let event = self.api.find_event(&principal, &ledger(asked.ledger), id).await;
        let event = event.map_err(status)?.map(Into::into);
        Ok(Response::new(v1::FindEventResponse { event }))
    }

    async fn find_receipt(
        &self,
        request: Request<v1::FindReceiptRequest>,
    ) -> Result<Response<v1::FindReceiptResponse>, Status> {
        self.receipt_of(request).await
    }

    async fn position_at(
        &self,
        request: Request<v1::PositionAtRequest>,
    ) -> Result<Response<v1::PositionAtResponse>, Status> {
        let (principal, asked) = self.open(request)?;
        let time = Timestamp::from_micros(asked.micros);
        let position = self.api.position_at(&principal, &ledger(asked.ledger), time).await;
        let position = position.map_err(status)?.0;
        Ok(Response::new(v1::PositionAtResponse { position }))
    }
}
