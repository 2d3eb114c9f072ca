//! Consumers that stay: they are given events as they come and as they have room, over a stream.

use std::{sync::Arc, time::Duration};

use factum_consumers::{DeliveryId, Fate, Group, Nack};
use factum_store::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

use super::{Draw, GroupId};
use crate::{
    access::{Principal, Verb},
    api::{Api, ApiError},
    consumers::{Drawn, Groups},
};

/// A consumer that stays, and its place among those who wait.
pub(crate) struct Staying {
    groups: Arc<Groups>,
    id: GroupId,
    consumer: String,
    _place: OwnedSemaphorePermit,
}

/// What a consumer says of deliveries.
pub(crate) enum Answer {
    /// They were handled.
    Ack(Vec<DeliveryId>),
    /// They were not.
    Nack { deliveries: Vec<DeliveryId>, then: Nack, reason: String },
    /// They take longer.
    Extend(Vec<DeliveryId>),
}

/// What became of a delivery that was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Became {
    Acked,
    /// It is delivered again from this moment on.
    Retried(Timestamp),
    Parked,
    /// It has to be answered until this moment.
    Extended(Timestamp),
    /// It could not be answered any more.
    Lost,
}

impl Api {
    /// A consumer that stays with a group.
    pub(crate) async fn stay(
        &self,
        principal: &Principal,
        id: GroupId,
        consumer: String,
    ) -> Result<Staying, ApiError> {
        self.app(principal, Verb::Read, &id.ledger)?;
        Draw::check_consumer(&consumer)?;
        let groups = Arc::clone(self.all_groups()?);
        // Whether there is such a group is said before anything is streamed.
        groups.step(&id.ledger, &id.group, |_, _| ()).await?;
        let place = self.bulkheads.consumers.enter().await?;
        Ok(Staying { groups, id, consumer, _place: place })
    }
}

impl Staying {
    /// The next events, at most so many; none after a while without any.
    pub(crate) async fn next(&self, max: usize, wait: Duration) -> Result<Drawn, ApiError> {
        let max = max.min(Draw::EVENTS_MAX);
        let GroupId { ledger, group } = &self.id;
        self.groups.draw(ledger, group, self.consumer.clone(), max, wait).await
    }

    /// Takes answers, in their order and all at once: what became of each delivery, durably.
    pub(crate) async fn answer(
        &self,
        answers: Vec<Answer>,
    ) -> Result<Vec<(DeliveryId, Became)>, ApiError> {
        let GroupId { ledger, group } = &self.id;
        let step = move |group: &mut Group, now| {
            answers.into_iter().flat_map(|answer| settle(group, answer, now)).collect()
        };
        self.groups.step(ledger, group, step).await
    }
}

fn settle(group: &mut Group, answer: Answer, now: Timestamp) -> Vec<(DeliveryId, Became)> {
    let each = |deliveries: Vec<DeliveryId>, mut one: Box<dyn FnMut(DeliveryId) -> Became + '_>| {
        deliveries.into_iter().map(|id| (id, one(id))).collect()
    };
    match answer {
        Answer::Ack(deliveries) => {
            each(deliveries, Box::new(|id| group.ack(id).map_or(Became::Lost, |_| Became::Acked)))
        }
        Answer::Nack { deliveries, then, reason } => each(
            deliveries,
            Box::new(|id| match group.nack(id, then, &reason, now) {
                Ok(Fate::RetriedAt(at)) => Became::Retried(at),
                Ok(Fate::Parked) => Became::Parked,
                Err(_) => Became::Lost,
            }),
        ),
        Answer::Extend(deliveries) => each(
            deliveries,
            Box::new(|id| group.extend(id, now).map_or(Became::Lost, Became::Extended)),
        ),
    }
}
