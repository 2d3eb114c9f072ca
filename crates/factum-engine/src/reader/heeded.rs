//! [`Heeded`]: which streams anything was ever said about, so that nobody looks for the metadata of
//! a stream that has none. [`Sight`]: what readers judge by what they may show.
//!
//! It is learned from the index as the ledger grows, each event once, and is bounded (G12): when
//! too much was said, it says "perhaps" of every stream, and the look-up decides.

use std::{collections::HashSet, ops::ControlFlow, sync::Arc};

use factum_store::{Direction, EventType, Position, Query, QueryItem, StreamName};
use parking_lot::Mutex;

use super::{search::Search, snapshot::Snapshot};
use crate::{error::EngineError, index::Term, machine::Machine};

/// Streams that readers remember: 1 MiB of terms.
const READERS_STREAMS_MAX: usize = 65_536;

/// What readers judge by what they may show: the clock, and what was said of streams.
pub(crate) struct Sight {
    pub(super) machine: Arc<dyn Machine>,
    pub(super) heeded: Mutex<Heeded>,
}

impl Sight {
    pub(crate) fn new(machine: Arc<dyn Machine>) -> Self {
        Self { machine, heeded: Mutex::new(Heeded::new(READERS_STREAMS_MAX)) }
    }
}

/// The streams that have metadata or a tombstone.
pub(crate) struct Heeded {
    /// What was said up to here is known.
    upto: Position,
    /// `None` once there are more than are remembered.
    streams: Option<HashSet<Term>>,
    streams_max: usize,
}

impl Heeded {
    pub(crate) fn new(streams_max: usize) -> Self {
        Self { upto: Position::START, streams: Some(HashSet::new()), streams_max }
    }

    /// Whether anything may have been said of a stream, up to the snapshot's head.
    pub(crate) fn perhaps(
        &mut self,
        snapshot: &Snapshot,
        stream: &StreamName,
    ) -> Result<bool, EngineError> {
        // Of metadata itself it is always said that the last counts.
        if stream.is_metadata_stream() {
            return Ok(true);
        }
        self.learn(snapshot)?;
        let term = Term::stream(stream);
        Ok(self.streams.as_ref().is_none_or(|streams| streams.contains(&term)))
    }

    fn learn(&mut self, snapshot: &Snapshot) -> Result<(), EngineError> {
        let head = snapshot.head.position;
        let Some(streams) = self.streams.as_mut().filter(|_| head > self.upto) else {
            return Ok(());
        };
        let names = [EventType::METADATA, EventType::TOMBSTONE].map(EventType::new);
        let query = Query::from(QueryItem::types(names.into_iter().flatten()));
        let search = Search {
            query: &query,
            visible: None,
            after: self.upto,
            up_to: head,
            direction: Direction::Forward,
            limit: usize::MAX,
            looks_max: u64::MAX,
        };
        let streams_max = self.streams_max;
        search.run(snapshot, None, &mut |frame, slot| {
            let named = frame.event(slot)?.stream.map(|place| place.name);
            streams.extend(named.map(|name| Term::stream(&name.described().unwrap_or(name))));
            let full = streams.len() > streams_max;
            Ok(if full { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        if streams.len() > streams_max {
            self.streams = None;
        }
        self.upto = head;
        Ok(())
    }
}
