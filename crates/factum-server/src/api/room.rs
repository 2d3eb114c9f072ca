//! [`Room`]: the bytes of all requests that are being received or worked on, whichever face they are
//! for. Many that are large wait for each other, briefly, instead of growing the server (G12).

use std::mem::size_of;

use factum_store::{Condition, NewEvent, Query, QueryItem, Tag};
use tokio::sync::OwnedSemaphorePermit;

use super::{ApiError, bulkhead::Bulkhead};
use crate::{Config, metrics::PlacesNow};

/// Bytes that one place stands for.
const PLACE_BYTES: usize = 1 << 10;

/// Room for so many bytes.
pub(crate) struct Room(Bulkhead);

/// A part of it, until it is dropped.
pub(crate) struct Share(OwnedSemaphorePermit);

impl Room {
    pub(crate) fn new(config: &Config) -> Self {
        let least = config.body_bytes_max.max(config.message_bytes_max);
        let places = places(config.bodies_bytes_max.max(least));
        Self(Bulkhead::new("bytes of requests", places, config.patience))
    }

    /// Room for so many bytes, as soon as there is some.
    pub(crate) async fn take(&self, bytes: usize) -> Result<Share, ApiError> {
        Ok(Share(self.0.enter_with(places(bytes)).await?))
    }

    /// Room for so many bytes, if there is some now.
    pub(crate) fn take_now(&self, bytes: usize) -> Option<Share> {
        self.0.enter_now(places(bytes)).map(Share)
    }

    /// Room for what a request has become that was small on the wire; nothing for one that takes no
    /// more than what it was received in. Nobody waits for it, because they have some already.
    pub(crate) fn unfolded(&self, bytes: usize) -> Result<Option<Share>, ApiError> {
        if bytes <= PLACE_BYTES {
            return Ok(None);
        }
        self.take_now(bytes).map(Some).ok_or_else(|| self.0.refuse())
    }

    pub(super) fn now(&self) -> PlacesNow {
        PlacesNow { of: "received_kib", ..self.0.now() }
    }
}

impl Share {
    /// Both in one.
    pub(crate) fn and(self, other: Option<Self>) -> Self {
        let mut both = self.0;
        if let Some(other) = other {
            both.merge(other.0);
        }
        Self(both)
    }
}

fn places(bytes: usize) -> usize {
    bytes / PLACE_BYTES + 1
}

/// What events take beside their payload.
pub(crate) fn events_bytes(events: &[NewEvent]) -> usize {
    let tags: usize = events.iter().map(|event| event.tags.len()).sum();
    size_of_val(events) + tags * size_of::<Tag>()
}

/// What conditions take.
pub(crate) fn conditions_bytes(conditions: &[Condition]) -> usize {
    let queries = conditions.iter().map(|condition| match condition {
        Condition::NoMatch { query, .. } => query_bytes(query),
        Condition::Revision { .. } => 0,
    });
    size_of_val(conditions) + queries.sum::<usize>()
}

/// What a query takes.
pub(crate) fn query_bytes(query: &Query) -> usize {
    let terms: usize = query.items.iter().map(|item| item.types.len() + item.tags.len()).sum();
    query.items.len() * size_of::<QueryItem>() + terms * size_of::<Tag>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn g12_what_there_is_no_room_for_waits_and_is_then_refused() {
        let config = Config {
            body_bytes_max: 0,
            message_bytes_max: 10 << 10,
            bodies_bytes_max: 0,
            ..Config::default()
        };
        let room = Room::new(&config);
        let whole = room.take(10 << 10).await.expect("there is room for the largest");
        assert!(matches!(room.take(1).await, Err(ApiError::Busy { .. })));
        assert!(room.take_now(1).is_none() && room.unfolded(1_025).is_err());
        assert!(room.unfolded(1_024).is_ok_and(|share| share.is_none()));
        assert_eq!((room.now().all, room.now().taken, room.now().refused), (11, 11, 2));
        drop(whole);
        let two = room.take(1_023).await.expect("has room").and(room.take_now(1_024));
        assert_eq!(room.now().taken, 3);
        drop(two);
        assert_eq!(room.now().taken, 0);
        assert!(room.take(usize::MAX).await.is_err(), "what is too large is never taken");
    }
}
