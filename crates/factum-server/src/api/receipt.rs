//! What became of an idempotency key, for who does not know whether a request arrived.

use factum_store::{
    AppendError, EventId, IdempotencyKey, Position, Query, Read, RequestHash, Timestamp,
};

use super::{Api, ApiError};
use crate::access::{Principal, Verb};

/// Where a key was used first.
pub(crate) struct KeyUse {
    pub(crate) first: Position,
    pub(crate) recorded_at: Timestamp,
    pub(crate) id: EventId,
}

impl Api {
    /// Where a principal's key was used for an operation, a command's name or `append`, if it was.
    pub(crate) async fn key_use(
        &self,
        principal: &Principal,
        ledger: &str,
        operation: &str,
        key: &str,
    ) -> Result<Option<KeyUse>, ApiError> {
        let ledger = self.ledger(principal, Verb::Read, ledger)?;
        let asked = IdempotencyKey {
            principal: principal.name().clone(),
            operation: operation.into(),
            key: key.into(),
            // Of no request: a key that is known answers that it was used for another one, and where.
            request: RequestHash([0; 32]),
        };
        let found = self.bulkheads.queries.run(async move {
            let first = match ledger.receipt(asked).await {
                Ok(receipt) => receipt.map(|receipt| receipt.first),
                Err(AppendError::KeyReused { position, .. }) => Some(position),
                Err(error) => return Err(ApiError::from(error)),
            };
            let Some(first) = first else { return Ok(None) };
            let one = Read::new(Query::everything()).after(first.prev()).up_to(first).limit(1);
            let event = ledger.read(one).await?.events.into_iter().next();
            Ok(event.map(|event| KeyUse { first, recorded_at: event.recorded_at, id: event.id }))
        });
        found.await?
    }
}
