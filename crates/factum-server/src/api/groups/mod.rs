//! Consumer groups: how they stand, and the operations on them, a file for each kind.

mod consume;
mod pace;
mod parked;
mod stay;
mod steer;

use std::sync::Arc;

use factum::Fault;
use factum_consumers::{Definition, Durable, Group, Pace, Status};
use factum_store::Head;

use super::{Api, ApiError, GroupError};
use crate::{
    access::{Principal, Verb},
    consumers::{GroupName, Groups, State},
};

pub(crate) use consume::Draw;
pub(crate) use pace::ChangePace;
pub(crate) use parked::ParkedPage;
pub(crate) use stay::{Answer, Became, Staying};
pub(crate) use steer::{CreateGroup, Start};

/// Which group.
#[derive(Clone)]
pub(crate) struct GroupId {
    pub(crate) ledger: String,
    pub(crate) group: GroupName,
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

/// Looking: for those who may read the ledger.
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
