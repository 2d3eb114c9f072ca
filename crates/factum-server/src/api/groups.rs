//! Consumer groups: making and steering them, and what their consumers ask: events, and what became
//! of them. A group hands out whatever its query matches: it is for those who may read all of the
//! ledger, and steered by those who may administer all of it.

use std::{sync::Arc, time::Duration};

use factum::Fault;
use factum_consumers::{
    Definition, DeliveryId, Durable, Fate, Group, Nack, NotOpen, Pace, Pick, Reference, Status,
};
use factum_store::{Head, Invalid, Position, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Api, ApiError, GroupError};
use crate::{
    access::{Principal, Verb},
    consumers::{Drawn, GroupName, Groups, NewGroup, State},
};

/// Which group.
#[derive(Clone)]
pub(crate) struct GroupId {
    pub(crate) ledger: String,
    pub(crate) group: GroupName,
}

/// A group that is to be made.
pub(crate) struct CreateGroup {
    pub(crate) id: GroupId,
    pub(crate) definition: Definition,
    pub(crate) pace: Pace,
    pub(crate) start: Start,
}

/// Where a group begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the first event after this one.
    After(Position),
    /// With what is recorded from now on.
    Now,
}

/// Somebody asks for events.
pub(crate) struct Draw {
    pub(crate) consumer: String,
    pub(crate) max: usize,
    pub(crate) wait: Duration,
}

/// What of a group's pace is meant; of what is not named, what it was or the default.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "SetGroup")]
pub(crate) struct ChangePace {
    /// How long a consumer has for an event before it is delivered again. 30 s.
    #[schemars(range(min = 10, max = 86_400_000))]
    ack_deadline_ms: Option<u64>,
    /// Deliveries after which an event is parked. 10.
    #[schemars(range(min = 1, max = 1_000_000))]
    attempts_max: Option<u32>,
    /// The wait before the second delivery; it doubles with each further one. 1 s.
    #[schemars(range(min = 0, max = 86_400_000))]
    backoff_initial_ms: Option<u64>,
    /// The longest wait between two deliveries, not below the first. 5 minutes.
    #[schemars(range(min = 0, max = 86_400_000))]
    backoff_max_ms: Option<u64>,
    /// Events in flight at a time. 256.
    #[schemars(range(min = 1, max = 1_024))]
    in_flight_max: Option<usize>,
    /// Events in flight at a time with one consumer. 64.
    #[schemars(range(min = 1, max = 1_024))]
    in_flight_per_consumer_max: Option<usize>,
    /// Parked events at which the group stops. 1,000.
    #[schemars(range(min = 1, max = 1_000))]
    parked_max: Option<usize>,
    /// Events waiting behind parked ones at which the group stops. 10,000.
    #[schemars(range(min = 1, max = 10_000))]
    held_max: Option<usize>,
}

/// A group, as it stands.
pub(crate) struct GroupStatus {
    pub(crate) name: GroupName,
    pub(crate) head: Head,
    /// Why nothing is known of it, if it is so.
    pub(crate) found: Result<GroupState, String>,
}

/// What a group is, and how far.
pub(crate) struct GroupState {
    pub(crate) definition: Definition,
    pub(crate) pace: Pace,
    pub(crate) status: Status,
    pub(crate) state: State,
    pub(crate) acked: u64,
    pub(crate) skipped: u64,
    pub(crate) gone: u64,
}

/// Some parked events, and where the next ones begin.
pub(crate) struct ParkedPage {
    pub(crate) parked: Vec<Reference>,
    pub(crate) next: Option<Position>,
}

impl Draw {
    /// Events at a time.
    pub(crate) const EVENTS_MAX: usize = 256;
    /// How long one may wait.
    pub(crate) const WAIT_MAX: Duration = Duration::from_secs(30);
    const NAME_BYTES_MAX: usize = 256;

    fn check(&self) -> Result<(), Invalid> {
        let name = &self.consumer;
        if name.is_empty() || name.len() > Self::NAME_BYTES_MAX || name.contains(char::is_control) {
            let problem = "must be 1 to 256 bytes without control characters";
            return Err(Invalid::new("consumer", problem));
        }
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

impl ChangePace {
    /// What becomes of a pace.
    pub(crate) fn of(self, pace: Pace) -> Pace {
        Pace {
            ack_deadline_ms: self.ack_deadline_ms.unwrap_or(pace.ack_deadline_ms),
            attempts_max: self.attempts_max.unwrap_or(pace.attempts_max),
            backoff_initial_ms: self.backoff_initial_ms.unwrap_or(pace.backoff_initial_ms),
            backoff_max_ms: self.backoff_max_ms.unwrap_or(pace.backoff_max_ms),
            in_flight_max: self.in_flight_max.unwrap_or(pace.in_flight_max),
            in_flight_per_consumer_max: self
                .in_flight_per_consumer_max
                .unwrap_or(pace.in_flight_per_consumer_max),
            parked_max: self.parked_max.unwrap_or(pace.parked_max),
            held_max: self.held_max.unwrap_or(pace.held_max),
        }
    }
}

impl GroupState {
    fn of(group: &Group) -> Self {
        let Durable { definition, pace, acked, skipped, gone, .. } = group.durable();
        Self {
            definition: definition.clone(),
            pace: *pace,
            status: group.status(),
            state: State::of(group),
            acked: *acked,
            skipped: *skipped,
            gone: *gone,
        }
    }
}

/// Steering: for those who may administer the ledger.
impl Api {
    pub(crate) async fn create_group(
        &self,
        principal: &Principal,
        request: CreateGroup,
    ) -> Result<GroupStatus, ApiError> {
        let CreateGroup { id, definition, pace, start } = request;
        let ledger = Arc::clone(self.app(principal, Verb::Admin, &id.ledger)?.ledger());
        definition.check()?;
        pace.check()?;
        let start = self.starting_at(&id.ledger, start).await?;
        let new = NewGroup { name: id.group.clone(), definition, pace, start };
        self.all_groups()?.create(&id.ledger, ledger, new).await?;
        self.group_status(&id).await
    }

    pub(crate) async fn delete_group(
        &self,
        principal: &Principal,
        id: &GroupId,
    ) -> Result<(), ApiError> {
        self.app(principal, Verb::Admin, &id.ledger)?;
        self.all_groups()?.delete(&id.ledger, &id.group).await
    }

    pub(crate) async fn set_pace(
        &self,
        principal: &Principal,
        id: &GroupId,
        change: ChangePace,
    ) -> Result<GroupStatus, ApiError> {
        self.steer(principal, id, move |group, _| {
            let pace = change.of(group.durable().pace);
            pace.check().map(|()| group.set_pace(pace))
        })
        .await??;
        self.group_status(id).await
    }

    /// Lets a group deliver, or not.
    pub(crate) async fn pause_group(
        &self,
        principal: &Principal,
        id: &GroupId,
        paused: bool,
    ) -> Result<GroupStatus, ApiError> {
        self.steer(principal, id, move |group, _| match paused {
            true => group.pause(),
            false => group.resume(),
        })
        .await?;
        self.group_status(id).await
    }

    pub(crate) async fn reset_group(
        &self,
        principal: &Principal,
        id: &GroupId,
        to: Start,
    ) -> Result<GroupStatus, ApiError> {
        self.app(principal, Verb::Admin, &id.ledger)?;
        let to = self.starting_at(&id.ledger, to).await?;
        self.steer(principal, id, move |group, now| group.reset(to, now)).await?;
        self.group_status(id).await
    }

    /// How many events were delivered anew.
    pub(crate) async fn requeue(
        &self,
        principal: &Principal,
        id: &GroupId,
        pick: Pick,
    ) -> Result<usize, ApiError> {
        let requeued = self.steer(principal, id, move |group, _| group.requeue(&pick)).await?;
        requeued.map_err(|problem| not_parked(id, problem))
    }

    /// How many events were given up.
    pub(crate) async fn skip(
        &self,
        principal: &Principal,
        id: &GroupId,
        pick: Pick,
    ) -> Result<usize, ApiError> {
        let skipped = self.steer(principal, id, move |group, _| group.skip(&pick)).await?;
        skipped.map_err(|problem| not_parked(id, problem))
    }

    async fn steer<T: Send + 'static>(
        &self,
        principal: &Principal,
        id: &GroupId,
        step: impl FnOnce(&mut Group, Timestamp) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.app(principal, Verb::Admin, &id.ledger)?;
        self.all_groups()?.step(&id.ledger, &id.group, step).await
    }

    async fn starting_at(&self, ledger: &str, start: Start) -> Result<Position, ApiError> {
        let head = self.head_of(ledger).await?;
        match start {
            Start::Now => Ok(head.position),
            Start::After(position) if position <= head.position => Ok(position),
            Start::After(position) => {
                let problem = format!("is {position}, beyond the head at {}", head.position);
                Err(Invalid::new("position", problem).into())
            }
        }
    }
}

/// Consuming and looking: for those who may read the ledger.
impl Api {
    pub(crate) async fn groups(
        &self,
        principal: &Principal,
        ledger: &str,
    ) -> Result<Vec<GroupStatus>, ApiError> {
        self.app(principal, Verb::Read, ledger)?;
        let mut all = Vec::new();
        for group in self.all_groups()?.names(ledger).await {
            match self.group_status(&GroupId { ledger: ledger.to_owned(), group }).await {
                // It was deleted meanwhile.
                Err(ApiError::Group(GroupError::Unknown { .. })) => {}
                status => all.push(status?),
            }
        }
        Ok(all)
    }

    pub(crate) async fn group(
        &self,
        principal: &Principal,
        id: &GroupId,
    ) -> Result<GroupStatus, ApiError> {
        self.app(principal, Verb::Read, &id.ledger)?;
        self.group_status(id).await
    }

    pub(crate) async fn parked(
        &self,
        principal: &Principal,
        id: &GroupId,
        after: Position,
        limit: usize,
    ) -> Result<ParkedPage, ApiError> {
        self.consume(principal, id, move |group, _| {
            let mut parked: Vec<_> = group.parked(after).take(limit + 1).cloned().collect();
            let more = parked.len() > limit;
            parked.truncate(limit);
            let next = parked.last().filter(|_| more).map(|last| last.position);
            ParkedPage { parked, next }
        })
        .await
    }

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

    async fn consume<T: Send + 'static>(
        &self,
        principal: &Principal,
        id: &GroupId,
        step: impl FnOnce(&mut Group, Timestamp) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        self.app(principal, Verb::Read, &id.ledger)?;
        self.all_groups()?.step(&id.ledger, &id.group, step).await
    }
}

impl Api {
    fn all_groups(&self) -> Result<&Arc<Groups>, ApiError> {
        self.groups.as_ref().ok_or_else(|| {
            Fault::Unavailable("this server keeps no consumer groups".to_owned()).into()
        })
    }

    async fn head_of(&self, ledger: &str) -> Result<Head, ApiError> {
        let unknown = || ApiError::UnknownLedger { ledger: ledger.to_owned() };
        let app = self.apps.get(ledger).ok_or_else(unknown)?.app.clone();
        Ok(self.bulkheads.queries.run(async move { app.ledger().head().await }).await??)
    }

    async fn group_status(&self, id: &GroupId) -> Result<GroupStatus, ApiError> {
        let state = |group: &mut Group, _| GroupState::of(group);
        let found = match self.all_groups()?.step(&id.ledger, &id.group, state).await {
            Ok(state) => Ok(state),
            Err(ApiError::Fault(fault)) => Err(fault.to_string()),
            Err(error) => return Err(error),
        };
        let (name, head) = (id.group.clone(), self.head_of(&id.ledger).await?);
        Ok(GroupStatus { name, head, found })
    }
}

fn not_parked(id: &GroupId, NotOpen(position): NotOpen) -> ApiError {
    GroupError::NotParked { group: id.group.to_string(), position }.into()
}
