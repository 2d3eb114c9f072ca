//! Tracking: how far an upstream source was followed, recorded in the same batch as what came of it,
//! and strictly increasing (G1, G4). So what came of an upstream event is recorded once.
//!
//! Every event of the batch says it in its metadata, and the first has a tag by which the last one of
//! a source is found: no further event, so no position that nobody asked for. What guards it is a
//! condition: no other was recorded of this source since it was looked.

use std::sync::Arc;

use factum_store::{
    Condition, EventType, Invalid, Ledger, NewEvent, Position, Query, QueryItem, Read, ReadError,
    Tag,
};
use serde::{Deserialize, Serialize};

use super::{Api, ApiError, given::noted};
use crate::access::{Principal, Verb};

/// Up to where a source was followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tracking {
    pub(crate) source: String,
    /// By the source's own count.
    pub(crate) position: u64,
}

/// What is recorded of a source.
pub(super) struct Tracked {
    /// Up to where it was followed, if it was.
    pub(super) position: Option<u64>,
    /// Up to where the ledger was looked at for it.
    seen: Position,
}

impl Api {
    /// Up to where a source was followed, if it was.
    pub(crate) async fn tracked(
        &self,
        principal: &Principal,
        ledger: &str,
        source: String,
    ) -> Result<Option<u64>, ApiError> {
        let ledger = self.ledger(principal, Verb::Read, ledger)?;
        Ok(self.look_at_source(&ledger, source).await?.position)
    }

    /// The same, to go on from.
    pub(super) async fn look_at_source(
        &self,
        ledger: &Arc<dyn Ledger>,
        source: String,
    ) -> Result<Tracked, ApiError> {
        let (ledger, query) = (Arc::clone(ledger), query(&source)?);
        Ok(self.bulkheads.queries.run(look(ledger, query, source)).await??)
    }
}

impl Tracking {
    /// The key in an event's metadata.
    pub(crate) const METADATA: &'static str = "$tracking";
    /// How the tag begins.
    const TAG: &'static str = "$tracking:";
    /// An event that says nothing else, where there is no other.
    const EVENT_TYPE: &'static str = "$tracking";

    /// Whether it is a tag by which a source is found.
    pub(crate) fn is_tag(tag: &Tag) -> bool {
        tag.as_str().starts_with(Self::TAG)
    }

    /// Notes it on the events of a batch.
    pub(super) fn note(&self, events: &mut Vec<NewEvent>) -> Result<(), Invalid> {
        if events.is_empty() {
            events.push(NewEvent::new(EventType::new(Self::EVENT_TYPE)?, "{}"));
        }
        for event in events.iter_mut() {
            event.metadata = noted(&event.metadata, Self::METADATA, self);
        }
        let first = &mut events[0];
        first.tags.push(tag(&self.source)?);
        first.tags.sort_unstable();
        Ok(())
    }

    /// That nothing was recorded of the source since it was looked.
    pub(super) fn guard(&self, tracked: &Tracked) -> Result<Condition, Invalid> {
        Ok(Condition::NoMatch { query: query(&self.source)?, after: tracked.seen })
    }

    /// What an event says of its source.
    fn noted(metadata: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Noted {
            #[serde(rename = "$tracking")]
            tracking: Tracking,
        }
        serde_json::from_slice::<Noted>(metadata).ok().map(|noted| noted.tracking)
    }
}

/// Looks for the last event that says something of a source. A tag alone says nothing.
async fn look(ledger: Arc<dyn Ledger>, query: Query, source: String) -> Result<Tracked, ReadError> {
    let (mut next, mut limit, mut seen) = (Some(Read::new(query).backward()), 1, None);
    while let Some(read) = next {
        let page = ledger.read(read.limit(limit)).await?;
        let seen = *seen.get_or_insert(page.head.position);
        let mut noted = page.events.iter().filter_map(|event| Tracking::noted(&event.metadata));
        if let Some(found) = noted.find(|tracking| tracking.source == source) {
            return Ok(Tracked { position: Some(found.position), seen });
        }
        (next, limit) = (page.next, 256);
    }
    Ok(Tracked { position: None, seen: seen.unwrap_or_default() })
}

fn query(source: &str) -> Result<Query, Invalid> {
    Ok(QueryItem { system: true, ..QueryItem::tags([tag(source)?]) }.into())
}

fn tag(source: &str) -> Result<Tag, Invalid> {
    Tag::new(format!("{}{source}", Tracking::TAG)).map_err(|_| {
        let problem = "must have at most 246 bytes and no control characters";
        Invalid::new("tracking_info.source", problem)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_noted_beside_what_the_metadata_say_already() {
        let tracking = Tracking { source: "a \"b\"".into(), position: 7 };
        for metadata in ["", "{}", r#"{"k":"v"}"#] {
            let event = NewEvent::new(EventType::new("a").expect("a name"), "1");
            let mut events = vec![NewEvent { metadata: metadata.into(), ..event }];
            tracking.note(&mut events).expect("is noted");
            let json: serde_json::Value =
                serde_json::from_slice(&events[0].metadata).expect("is JSON");
            assert_eq!(json.get("k").is_some(), metadata.contains('k'));
            assert_eq!(Tracking::noted(&events[0].metadata), Some(tracking.clone()));
            assert!(events[0].tags.iter().all(Tracking::is_tag));
        }
    }
}
