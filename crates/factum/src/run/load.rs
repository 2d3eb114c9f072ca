//! Loading what a decision reads: snapshot, then the events after it, up to one head.
//!
//! Protects G4 (everything is read up to the same head, which the append is then guarded after) and
//! G8 (snapshot + tail = full fold).

use factum_domain::Need;
use factum_store::{Position, Read, RecordedEvent};

use crate::{Fault, app::Inner, run::snapshot::Snapshot};

/// A state that took at least so many events to read is kept as a snapshot.
pub const SNAPSHOT_EVERY: u64 = 256;

/// Events read at a time.
const PAGE: usize = 512;

/// Brings `need` to the state just after `up_to`.
pub(crate) async fn load(inner: &Inner, need: &mut Need, up_to: Position) -> Result<(), Fault> {
    if need.slice.query.items.is_empty() {
        return Ok(());
    }
    let kept = inner.snapshots.get(&need.slice).filter(|kept| kept.position <= up_to);
    if let Some(kept) = kept.filter(|kept| need.fold.restore(&kept.state)) {
        if load_after(inner, need, up_to, Some(kept)).await? {
            return Ok(());
        }
        // The snapshot is of another ledger.
        inner.snapshots.forget(&need.slice);
        need.fold.reset();
    }
    load_after(inner, need, up_to, None).await.map(drop)
}

/// Applies what comes after a snapshot. `false` when the snapshot is not of this ledger.
async fn load_after(
    inner: &Inner,
    need: &mut Need,
    up_to: Position,
    kept: Option<Snapshot>,
) -> Result<bool, Fault> {
    // A snapshot's own last event is read again: it proves that the snapshot is of this ledger.
    let after = kept.as_ref().map_or(Position::START, |kept| kept.position.prev());
    let mut tail = Tail { kept, last: None, applied: 0 };
    let query = need.slice.query.clone();
    let mut next = Some(Read::new(query).after(after).up_to(up_to).limit(PAGE));
    while let Some(read) = next {
        let page = inner.ledger.read(read).await?;
        for event in &page.events {
            if !tail.apply(need, event)? {
                return Ok(false);
            }
        }
        next = page.next;
    }
    if tail.kept.is_some() {
        // Not even its last event is there.
        return Ok(false);
    }
    keep(inner, need, &tail);
    Ok(true)
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
