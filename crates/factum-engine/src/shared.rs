//! [`Shared`]: what the writer publishes and readers see.
//!
//! Protects G2 and G3: the head moves only after the sync that made it durable, and everything a
//! reader does is bounded by a head that it took. A reader never holds anything that the writer
//! waits for.

use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use event_listener::{Event, EventListener};
use factum_store::Head;
use parking_lot::{Mutex, RwLock};

use crate::{
    error::EngineError,
    reader::{IndexedSegment, Snapshot},
    sabotage::Switch,
};

/// The segments of a ledger, oldest first; the last is the active one.
pub(crate) type Segments = Arc<Vec<Arc<IndexedSegment>>>;

/// What the writer publishes.
pub(crate) struct Shared {
    segments: ArcSwap<Vec<Arc<IndexedSegment>>>,
    /// The last event that is known durable. Held for a copy only.
    durable: RwLock<Head>,
    grown: Event,
    poison: OnceLock<String>,
    /// Held by who gives segments their next generation.
    pub(crate) compacting: Mutex<()>,
    switch: Switch,
}

impl Shared {
    pub(crate) fn new(segments: Vec<Arc<IndexedSegment>>, durable: Head, switch: Switch) -> Self {
        Self {
            segments: ArcSwap::from_pointee(segments),
            durable: RwLock::new(durable),
            grown: Event::new(),
            poison: OnceLock::new(),
            compacting: Mutex::default(),
            switch,
        }
    }

    /// The ledger up to what is durable. The head is taken first: segments that are added later
    /// begin after it.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, EngineError> {
        let head = self.head();
        Ok(Snapshot { head, segments: self.segments(), switch: self.switch })
    }

    pub(crate) fn head(&self) -> Head {
        *self.durable.read()
    }

    pub(crate) fn segments(&self) -> Segments {
        self.segments.load_full()
    }

    /// Tells once when the head moves, or the ledger fails.
    pub(crate) fn listen(&self) -> EventListener {
        self.grown.listen()
    }

    /// The group up to `head` is durable: whoever reads from now on sees it.
    pub(crate) fn publish(&self, head: Head) {
        *self.durable.write() = head;
    }

    /// Tells those who listen that the head has moved.
    pub(crate) fn announce(&self) {
        self.grown.notify(usize::MAX);
    }

    /// Another active segment.
    pub(crate) fn add_segment(&self, segment: Arc<IndexedSegment>) {
        self.segments.rcu(|now| {
            let mut next = Vec::clone(now);
            next.push(Arc::clone(&segment));
            next
        });
    }

    /// A segment has its index file now.
    pub(crate) fn replace_segment(&self, sealed: Arc<IndexedSegment>) {
        self.segments.rcu(|now| {
            let mut next = Vec::clone(now);
            if let Some(at) = next.iter().position(|segment| segment.first() == sealed.first()) {
                next[at] = Arc::clone(&sealed);
            }
            next
        });
    }

    /// Nothing is acknowledged from now on.
    pub(crate) fn fail(&self, why: String) {
        let _ = self.poison.set(why);
        self.announce();
    }

    pub(crate) fn poisoned(&self) -> Option<&str> {
        self.poison.get().map(String::as_str)
    }
}
