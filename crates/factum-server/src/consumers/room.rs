//! Gives back the room of what groups no longer need: when the journal has closed segments that were
//! not looked at since something in them was truncated, it is compacted, while groups go on.

use std::{ops::ControlFlow, sync::Arc};

use factum::{Compact, Compacted, Fault, Store};
use tokio::sync::{Notify, watch};

use super::journal::{GROUPS_LEDGER, blocking};
use crate::connection::stop;

/// Compacts the journal whenever there is something to it, until the server stops.
pub(super) async fn keep_small(
    store: Store,
    truncated: Arc<Notify>,
    mut stopping: watch::Receiver<bool>,
) {
    let mut looked_at = 0;
    loop {
        tokio::select! {
            () = stop(&mut stopping) => return,
            () = truncated.notified() => {}
        }
        match look(store.clone(), looked_at, stopping.clone()).await {
            Ok(segments) => looked_at = segments,
            // Nothing is lost: the next time it is done.
            Err(fault) => tracing::warn!("{GROUPS_LEDGER} can't be compacted: {fault}"),
        }
    }
}

/// Compacts, when more segments are closed than were looked at; says how many were by then.
async fn look(store: Store, looked_at: u64, stopping: watch::Receiver<bool>) -> Result<u64, Fault> {
    blocking(async move {
        // The last one is written to.
        let closed = store.inspect(GROUPS_LEDGER)?.segments.len().saturating_sub(1) as u64;
        if closed <= looked_at {
            return Ok(looked_at);
        }
        let done =
            store.compact(GROUPS_LEDGER, Compact::default(), |_| match *stopping.borrow() {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            })?;
        let Compacted { segments, dropped, bytes_before, bytes_after, finished, .. } = done;
        tracing::debug!(dropped, bytes_before, bytes_after, "{GROUPS_LEDGER} was compacted");
        Ok(if finished { segments } else { looked_at })
    })
    .await
}
