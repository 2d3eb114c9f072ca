//! [`Feed`]: the events of the ledger that a group is for, as the group has room for them, and their
//! payloads when they are delivered.

use std::{collections::VecDeque, sync::Arc};

use factum::Fault;
use factum_consumers::{Definition, Group, Offered};
use factum_store::{Ledger, Position, Read, RecordedEvent, Signal, Subscribe};
use tokio::sync::Semaphore;

use crate::api::Looking;

/// What a group follows.
pub(super) struct Feed {
    definition: Definition,
    signals: Looking,
    /// What was found and not offered yet: as much as one look finds.
    found: VecDeque<Signal>,
}

impl Feed {
    /// The events after `after`.
    pub(super) fn follow(
        ledger: &dyn Ledger,
        definition: &Definition,
        after: Position,
        looks: Arc<Semaphore>,
    ) -> Self {
        let query = definition.query.clone();
        let signals = Looking::over(ledger.subscribe(Subscribe { query, after }), looks);
        Self { definition: definition.clone(), signals, found: VecDeque::new() }
    }

    /// Waits for more. It can be given up and begun again.
    pub(super) async fn more(&mut self) -> Result<(), Fault> {
        let Some(signals) = self.signals.next().await else {
            return Err(Fault::Unavailable("the ledger has ended".to_owned()));
        };
        for signal in signals {
            self.found.push_back(signal?);
        }
        Ok(())
    }

    /// Whether something was found that was not offered.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Offers what was found, as long as there is room.
    pub(super) fn offer_to(&mut self, group: &mut Group) {
        while group.wants_more() {
            match self.found.pop_front() {
                None => break,
                Some(Signal::Event(event)) => group.offer(offered(&self.definition, &event)),
                Some(Signal::CaughtUp(head)) => group.looked(head.position),
                Some(Signal::Progress(position)) => group.looked(position),
            }
        }
    }
}

/// A group remembers names alone: none of what it keeps holds on to the event's bytes.
fn offered(definition: &Definition, event: &RecordedEvent) -> Offered {
    Offered {
        position: event.position,
        event_type: event.event_type.as_str().into(),
        keys: definition.order.keys(event),
    }
}

/// The event at a position, as the group's query sees it: what retention hides or has dropped is not
/// delivered any more.
pub(super) async fn event_at(
    ledger: &dyn Ledger,
    definition: &Definition,
    position: Position,
) -> Result<Option<RecordedEvent>, Fault> {
    let query = definition.query.clone();
    let read = Read::new(query).after(position.prev()).up_to(position).limit(1);
    let mut next = Some(read);
    while let Some(read) = next {
        let page = ledger.read(read).await?;
        if let Some(event) = page.events.into_iter().next() {
            return Ok(Some(event));
        }
        next = page.next;
    }
    Ok(None)
}
