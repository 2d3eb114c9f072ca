//! What consumers ask: events, and what became of them. For those who may read all of the ledger: a
//! group hands out whatever its query matches.

use std::time::Duration;

use factum_consumers::{DeliveryId, Fate, Group, Nack};
use factum_store::{Invalid, Timestamp};

use super::GroupId;
use crate::{
    access::{Principal, Verb},
    api::{Api, ApiError},
    consumers::Drawn,
};

/// Somebody asks for events.
pub(crate) struct Draw {
    pub(crate) consumer: String,
    pub(crate) max: usize,
    pub(crate) wait: Duration,
}

impl Draw {
    /// Events at a time.
    pub(crate) const EVENTS_MAX: usize = 256;
    /// How long one may wait.
    pub(crate) const WAIT_MAX: Duration = Duration::from_secs(30);
    const NAME_BYTES_MAX: usize = 256;

    pub(super) fn check_consumer(name: &str) -> Result<(), Invalid> {
        let fits = !name.is_empty() && name.len() <= Self::NAME_BYTES_MAX;
        match fits && !name.contains(char::is_control) {
            true => Ok(()),
            false => {
                let problem = "must be 1 to 256 bytes without control characters";
                Err(Invalid::new("consumer", problem))
            }
        }
    }

    fn check(&self) -> Result<(), Invalid> {
        Self::check_consumer(&self.consumer)?;
        if !(1..=Self::EVENTS_MAX).contains(&self.max) {
            let problem = format!("is {}; it must be from 1 to {}", self.max, Self::EVENTS_MAX);
            return Err(Invalid::new("max", problem));
        }
        if self.wait > Self::WAIT_MAX {
            let most = Self::WAIT_MAX.as_millis();
            return Err(Invalid::new("wait_ms", format!("is more than {most}")));
        }
        Ok(())
    }
}

impl Api {
    /// The next events for a consumer; when there are none, it waits.
    pub(crate) async fn draw(
        &self,
        principal: &Principal,
        id: &GroupId,
        draw: Draw,
    ) -> Result<Drawn, ApiError> {
        self.app(principal, Verb::Read, &id.ledger)?;
        draw.check()?;
        let Draw { consumer, max, wait } = draw;
        let _place = self.bulkheads.consumers.enter().await?;
        self.all_groups()?.draw(&id.ledger, &id.group, consumer, max, wait).await
    }

    /// These were handled. Those that can't be answered any more are returned.
    pub(crate) async fn ack(
        &self,
        principal: &Principal,
        id: &GroupId,
        deliveries: Vec<DeliveryId>,
    ) -> Result<Vec<DeliveryId>, ApiError> {
        self.consume(principal, id, move |group, _| {
            deliveries.into_iter().filter(|id| group.ack(*id).is_err()).collect()
        })
        .await
    }

    /// These were not handled; what became of each, if it could be answered.
    pub(crate) async fn nack(
        &self,
        principal: &Principal,
        id: &GroupId,
        deliveries: Vec<DeliveryId>,
        then: Nack,
        reason: String,
    ) -> Result<Vec<(DeliveryId, Option<Fate>)>, ApiError> {
        self.consume(principal, id, move |group, now| {
            let fate = |id| (id, group.nack(id, then, &reason, now).ok());
            deliveries.into_iter().map(fate).collect()
        })
        .await
    }

    /// These take longer; until when each has to be answered now, if it still can.
    pub(crate) async fn extend(
        &self,
        principal: &Principal,
        id: &GroupId,
        deliveries: Vec<DeliveryId>,
    ) -> Result<Vec<(DeliveryId, Option<Timestamp>)>, ApiError> {
        self.consume(principal, id, move |group, now| {
            deliveries.into_iter().map(|id| (id, group.extend(id, now).ok())).collect()
        })
        .await
    }

    /// Makes a step for who may read the ledger.
    pub(super) async fn consume<T: Send + 'static>(
        &self,
        principal: &Principal,
        id: &GroupId,
        step: impl FnOnce(&mut Group, Timestamp) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.app(principal, Verb::Read, &id.ledger)?;
        self.all_groups()?.step(&id.ledger, &id.group, step).await
    }
}
