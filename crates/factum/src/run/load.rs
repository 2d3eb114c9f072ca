//! Loading what a decision reads: snapshot, then the events after it, up to one head.
//!
//! Protects G4 (everything is read up to the same head, which the append is then guarded after) and
//! G8 (snapshot + tail = full fold).

use factum_domain::Need;
use factum_store::{Position, Read, RecordedEvent};
use tokio::task::yield_now;

use crate::{Fault, app::Inner, run::snapshot::Snapshot};

/// A state that took at least so many events to read is kept as a snapshot.
pub const SNAPSHOT_EVERY: u64 = 256;

/// Events read at a time.
const PAGE: usize = 512;

/// Brings `need` to the state just after `up_to`.
pub(crate) async fn load(inner: &Inner, need: &mut Need, up_to: Position) -> Result<(), Fault> {
    load_at_most(inner, need, up_to, u64::MAX).await.map(drop)
}

/// How a state was reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Loaded {
    /// The last event of the snapshot that it was begun with.
    pub(crate) snapshot: Option<Position>,
    /// The events that were applied after it.
    pub(crate) replayed: u64,
}

/// The same, unless more than so many events would have to be applied.
pub(crate) async fn load_at_most(
    inner: &Inner,
    need: &mut Need,
    up_to: Position,
    most: u64,
) -> Result<Loaded, Fault> {
    if need.slice.query.items.is_empty() {
        return Ok(Loaded::default());
    }
    let kept = inner.snapshots.get(&need.slice).filter(|kept| kept.position <= up_to);
    if let Some(kept) = kept.filter(|kept| need.fold.restore(&kept.state)) {
        let snapshot = Some(kept.position);
        if let Some(replayed) = load_after(inner, need, up_to, Some(kept), most).await? {
            return Ok(Loaded { snapshot, replayed });
        }
        // The snapshot is of another ledger.
        inner.snapshots.forget(&need.slice);
        need.fold.reset();
    }
    let replayed = load_after(inner, need, up_to, None, most).await?.unwrap_or_default();
    Ok(Loaded { snapshot: None, replayed })
}

/// Applies what comes after a snapshot, and says how much. `None` when the snapshot is not of this
/// ledger.
async fn load_after(
    inner: &Inner,
    need: &mut Need,
    up_to: Position,
    kept: Option<Snapshot>,
    most: u64,
) -> Result<Option<u64>, Fault> {
    // A snapshot's own last event is read again: it proves that the snapshot is of this ledger.
    let after = kept.as_ref().map_or(Position::START, |kept| kept.position.prev());
    let mut tail = Tail { kept, last: None, applied: 0 };
    let query = need.slice.query.clone();
    let mut next = Some(Read::new(query).after(after).up_to(up_to).limit(PAGE));
    while let Some(read) = next {
        let page = inner.ledger.read(read).await?;
        for event in &page.events {
            if !tail.apply(need, event)? {
                return Ok(None);
            }
        }
        next = page.next;
        if tail.applied > most {
            return Err(too_far(need, most));
        }
        if next.is_some() {
            // Others who ask on this thread take their turn.
            yield_now().await;
        }
    }
    if tail.kept.is_some() {
        // Not even its last event is there.
        return Ok(None);
    }
    keep(inner, need, &tail);
    Ok(Some(tail.applied))
}

fn too_far(need: &Need, most: u64) -> Fault {
    let fold = need.slice.fold;
    Fault::Unavailable(format!(
        "the state of {fold} takes more than {most} events to make; keep snapshots of it \
         (#[fold(snapshot)]), or keep it as a view"
    ))
}

fn keep(inner: &Inner, need: &Need, tail: &Tail) {
    let Some((position, id)) = tail.last.filter(|_| tail.applied >= SNAPSHOT_EVERY) else {
        return;
    };
    // A read of the past must not replace a newer snapshot.
    if inner.snapshots.get(&need.slice).is_some_and(|kept| kept.position >= position) {
        return;
    }
    if let Some(state) = need.fold.snapshot() {
        inner.snapshots.put(&need.slice, &Snapshot { position, id, state });
    }
}

struct Tail {
    /// The snapshot, until its last event has been seen.
    kept: Option<Snapshot>,
    last: Option<(Position, factum_store::EventId)>,
    applied: u64,
}

impl Tail {
    /// Applies an event, unless it is the snapshot's own last one. `false` when the snapshot is
    /// not of this ledger.
    fn apply(&mut self, need: &mut Need, event: &RecordedEvent) -> Result<bool, Fault> {
        if let Some(kept) = self.kept.take() {
            return Ok(kept.position == event.position && kept.id == event.id);
        }
        need.fold.apply(event)?;
        self.last = Some((event.position, event.id));
        self.applied += 1;
        Ok(true)
    }
}
