//! [`Draw`]: somebody who waits for events, and what they are given.

use std::sync::Arc;

use factum::Fault;
use factum_consumers::{Definition, Delivery, Group, Stopped};
use factum_store::{Ledger, RecordedEvent};
use tokio::{sync::oneshot, time::Instant};

use super::feed::event_at;

/// Bytes of payload after which no further event is given at a time.
const BYTES_MAX: usize = 4 << 20;

/// Somebody who waits.
pub(super) struct Draw {
    pub(super) consumer: String,
    pub(super) max: usize,
    /// For how long.
    pub(super) until: Instant,
    pub(super) answer: oneshot::Sender<Result<Drawn, String>>,
}

/// What a draw comes to.
#[derive(Debug)]
pub(crate) struct Drawn {
    pub(crate) given: Vec<Given>,
    /// Why nothing was given, if it is for more than want of events.
    pub(crate) state: State,
}

/// Whether a group delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Active,
    /// Somebody has paused it.
    Paused,
    /// It has reached a bound.
    Stopped(Stopped),
}

impl State {
    pub(crate) fn of(group: &Group) -> Self {
        match group.stopped() {
            _ if group.durable().paused => Self::Paused,
            Some(stopped) => Self::Stopped(stopped),
            None => Self::Active,
        }
    }
}

/// An event, and what to answer with.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) delivery: Delivery,
    pub(crate) event: RecordedEvent,
}

/// What was found of deliveries.
#[derive(Default)]
pub(super) struct Fetched {
    pub(super) given: Vec<Given>,
    /// Whose events are no more.
    pub(super) gone: Vec<Delivery>,
    /// For which there was no room.
    pub(super) left: Vec<Delivery>,
}

impl Draw {
    /// Nothing was found.
    pub(super) fn nothing(self, state: State) {
        // Whoever asked may have gone.
        let _ = self.answer.send(Ok(Drawn { given: Vec::new(), state }));
    }

    pub(super) fn refuse(self, why: &str) {
        let _ = self.answer.send(Err(why.to_owned()));
    }
}

/// Reads the events of deliveries.
pub(super) async fn fetch(
    ledger: Arc<dyn Ledger>,
    definition: Definition,
    deliveries: Vec<Delivery>,
) -> Result<Fetched, Fault> {
    let (mut fetched, mut bytes) = (Fetched::default(), 0);
    for delivery in deliveries {
        if bytes >= BYTES_MAX {
            fetched.left.push(delivery);
            continue;
        }
        match event_at(&*ledger, &definition, delivery.position).await? {
            None => fetched.gone.push(delivery),
            Some(event) => {
                bytes += event.data.len() + event.metadata.len();
                fetched.given.push(Given { delivery, event });
            }
        }
    }
    Ok(fetched)
}
