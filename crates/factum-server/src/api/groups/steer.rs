//! Making, changing and ending groups: for those who may administer the ledger.

use std::sync::Arc;

use factum_consumers::{Definition, Group, Pace};
use factum_store::{Invalid, Position, Timestamp};

use super::{ChangePace, GroupId, GroupStatus};
use crate::{
    access::{Principal, Verb},
    api::{Api, ApiError},
    consumers::NewGroup,
};

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

    /// Makes a step for who may administer the ledger.
    pub(super) async fn steer<T: Send + 'static>(
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
