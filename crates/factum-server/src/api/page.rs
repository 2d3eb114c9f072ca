//! One page of a read, as the ledger gives it: for faces that send page after page.

use factum_store::{Page, Read};

use super::{Api, ApiError};
use crate::access::{Principal, Verb};

impl Api {
    /// At most so many events in a page, whatever is asked for; a page has at most 16 MiB too,
    /// unless one event alone has more (G12).
    pub(crate) const PAGE_EVENTS_MAX: usize = 1_024;

    /// What is made of it is made where it was read.
    pub(crate) async fn page<T: Send + 'static>(
        &self,
        principal: &Principal,
        ledger: &str,
        read: Read,
        make: impl FnOnce(Page) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let ledger = self.ledger(principal, Verb::Read, ledger)?;
        let limit = read.limit.min(Self::PAGE_EVENTS_MAX);
        let reading = async move { ledger.read(read.limit(limit)).await.map(make) };
        Ok(self.bulkheads.queries.run(reading).await??)
    }
}
