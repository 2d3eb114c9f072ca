//! Find the receipt that was recorded under a key: whoever asks finds their own keys only (G5).

use factum_store::{AppendError, IdempotencyKey, Receipt};

use super::{Api, ApiError, RemoteKey};
use crate::access::{Principal, Verb};

impl Api {
    /// The outer error is the server's, the inner one the ledger's.
    pub(crate) async fn find_receipt(
        &self,
        principal: &Principal,
        ledger: &str,
        key: RemoteKey,
    ) -> Result<Result<Option<Receipt>, AppendError>, ApiError> {
        let ledger = self.ledger(principal, Verb::Read, ledger)?;
        let RemoteKey { principal: behalf, operation, key, request } = key;
        let Some(request) = request else {
            let problem = "is missing; a receipt is that of one request";
            return Err(factum_store::Invalid::new("key.request_hash", problem).into());
        };
        let principal = super::remote_append::scope(principal, &behalf);
        let key = IdempotencyKey { principal, operation, key, request };
        self.bulkheads.queries.run(async move { ledger.receipt(key).await }).await
    }
}
