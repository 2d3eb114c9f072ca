//! `Ledgers.Append`: one batch.

use factum_proto::{Failure, Keyed, ledger, v1};
use factum_store::{AppendError, Invalid, Receipt};
use tonic::{Request, Response, Status};

use super::{
    Face,
    failure::{failure, status},
};
use crate::{
    access::YOUR_RIGHTS,
    api::{RemoteAppend, RemoteKey},
};

impl Face {
    pub(super) async fn append_one(
        &self,
        request: Request<v1::AppendRequest>,
    ) -> Result<Response<v1::AppendResponse>, Status> {
        let (principal, asked) = self.open(request)?;
        let v1::AppendRequest { ledger: named, events, conditions, key } = asked;
        let append = remote(events, conditions, key).map_err(Failure::from)?;
        let _room = self.api.room().unfolded(append.parts_bytes()).map_err(status)?;
        let answers = self.api.append_all(&principal, &ledger(named), vec![append]).await;
        let answer = answers.map_err(status)?.pop();
        let receipt = outcome(answer)?;
        Ok(Response::new(v1::AppendResponse { receipt: Some(receipt) }))
    }

    pub(super) async fn receipt_of(
        &self,
        request: Request<v1::FindReceiptRequest>,
    ) -> Result<Response<v1::FindReceiptResponse>, Status> {
        let (principal, v1::FindReceiptRequest { ledger: named, key }) = self.open(request)?;
        let missing = || Invalid::new("key", "is missing; a receipt is found by its key");
        let key = key.ok_or_else(missing).and_then(Keyed::try_from).map_err(Failure::from)?;
        let found = self.api.find_receipt(&principal, &ledger(named), remote_key(key)).await;
        let receipt = found.map_err(status)?.map_err(Failure::from)?;
        Ok(Response::new(v1::FindReceiptResponse { receipt: receipt.map(Into::into) }))
    }
}

/// What an append asks for.
pub(super) fn remote(
    events: Vec<v1::NewEvent>,
    conditions: Vec<v1::Condition>,
    key: Option<v1::Key>,
) -> Result<RemoteAppend, Invalid> {
    let (append, key) = factum_proto::append(events, conditions, key)?;
    let (events, conditions) = (append.events, append.conditions);
    Ok(RemoteAppend { events, conditions, key: key.map(remote_key) })
}

fn remote_key(key: Keyed) -> RemoteKey {
    let Keyed { principal, operation, key, request } = key;
    RemoteKey { principal, operation, key, request }
}

/// What the ledger said of an append. It says something of each.
pub(super) fn outcome(
    answer: Option<Result<Receipt, AppendError>>,
) -> Result<v1::Receipt, Failure> {
    match answer {
        Some(Ok(receipt)) => Ok(receipt.into()),
        Some(Err(AppendError::Invalid(invalid))) if invalid.field == YOUR_RIGHTS => {
            Err(failure(invalid.into()))
        }
        Some(Err(error)) => Err(error.into()),
        None => {
            let why = "the ledger gave no answer".to_owned();
            Err(AppendError::OutcomeUnknown(why).into())
        }
    }
}
