//! One event, by its id or its position.

use factum_store::{EventId, Position, Query, Read, RecordedEvent};

use super::{Api, ApiError};
use crate::access::{Principal, Verb};

/// Which event.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    Id(EventId),
    At(Position),
}

impl Api {
    pub(crate) async fn event(
        &self,
        principal: &Principal,
        ledger: &str,
        which: Which,
    ) -> Result<Option<RecordedEvent>, ApiError> {
        let ledger = self.ledger(principal, Verb::Read, ledger)?;
        let found = self.bulkheads.queries.run(async move {
            match which {
                Which::Id(id) => ledger.event(id).await,
                Which::At(position) => {
                    let one = Read::new(Query::everything()).after(position.prev());
                    let page = ledger.read(one.up_to(position).limit(1)).await?;
                    Ok(page.events.into_iter().find(|event| event.position == position))
                }
            }
        });
        Ok(found.await??)
    }
}
