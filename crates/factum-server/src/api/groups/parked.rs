//! Parked events: which, and what is to become of them.

use factum_consumers::{NotOpen, Pick, Reference};
use factum_store::Position;

use super::GroupId;
use crate::{
    access::Principal,
    api::{Api, ApiError, GroupError},
};

/// Some parked events, and where the next ones begin.
pub(crate) struct ParkedPage {
    pub(crate) parked: Vec<Reference>,
    pub(crate) next: Option<Position>,
}

impl Api {
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
}

fn not_parked(id: &GroupId, NotOpen(position): NotOpen) -> ApiError {
    GroupError::NotParked { group: id.group.to_string(), position }.into()
}
