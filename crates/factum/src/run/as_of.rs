//! A view at a moment of the past: the last keyframe before it, and a replay of what came between.

use std::sync::Arc;

use factum_domain::View;
use factum_store::{Batch, Checkpoint, Ledger, Position, Query, Read, ScratchStore, ViewStore};
use tokio::task::yield_now;

use crate::{Fault, run::projection::Projecting};

/// Events replayed in one batch.
const PAGE: usize = 512;

/// A scratch copy of the view just after `position`; where it stands, and how many events were
/// replayed: at most those of one keyframe interval.
pub(crate) async fn scratch_at(
    ledger: &dyn Ledger,
    views: &dyn ViewStore,
    view: &Arc<View>,
    position: Position,
) -> Result<(ScratchStore, Checkpoint, u64), Fault> {
    let (mut scratch, mut start) = views.scratch(view.name(), position).await?;
    if checkpoint_at(ledger, start.position).await? != start {
        // A keyframe of another ledger: everything is replayed.
        (scratch, start) = views.scratch(view.name(), Position::START).await?;
    }
    let mut projecting = Projecting::new(Arc::clone(view));
    let (mut at, mut replayed) = (start, 0);
    let first = Read::new(view.query().clone()).after(start.position).up_to(position).limit(PAGE);
    let mut next = Some(first);
    while let Some(read) = next {
        let page = ledger.read(read).await?;
        if let Some(last) = page.events.last() {
            let to = Checkpoint { position: last.position, recorded_at: last.recorded_at };
            let changes = projecting.changes(&*scratch, &page.events).await?;
            scratch.apply(view.name(), Batch { from: at.position, to, changes }).await?;
            replayed += page.events.len() as u64;
            at = to;
        }
        next = page.next;
        // Others who ask on this thread take their turn.
        yield_now().await;
    }
    // Nothing between the last event replayed and the moment concerns this view.
    let seen = checkpoint_at(ledger, position).await?;
    Ok((scratch, seen, replayed))
}

/// A position with its time.
pub(crate) async fn checkpoint_at(
    ledger: &dyn Ledger,
    position: Position,
) -> Result<Checkpoint, Fault> {
    let read = Read::new(Query::everything()).after(position.prev()).up_to(position).limit(1);
    let page = ledger.read(read).await?;
    let event = page.events.first().filter(|event| event.position == position);
    Ok(event.map_or_else(Checkpoint::default, |event| Checkpoint {
        position: event.position,
        recorded_at: event.recorded_at,
    }))
}
