//! Metrics: what was counted and how things stand, for whoever may read every ledger: the names of
//! ledgers, commands and views are in them.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use super::{Api, ApiError, ledgers::status};
use factum::{App, Outcome};
use factum_consumers::Group;
use factum_store::{NewEvent, Position, Receipt};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    access::{Extent, Principal, Verb, is_system_ledger},
    machine::Disk,
    metrics::{Began, GroupFigures, GroupNow, LedgerNow, Now},
};

/// Groups that are shown.
const GROUPS_SHOWN_MAX: usize = 2_000;
/// How long one of them has to say how it stands.
const GROUP_PATIENCE: Duration = Duration::from_secs(1);

/// How large what clients append is.
pub(super) fn payload_bytes(events: &[NewEvent]) -> u64 {
    events.iter().map(|event| (event.data.len() + event.metadata.len()) as u64).sum()
}

impl Api {
    pub(crate) async fn metrics(&self, principal: &Principal) -> Result<String, ApiError> {
        let ledgers = self.apps.all();
        let mut ledgers = ledgers.keys().filter(|ledger| !is_system_ledger(ledger));
        let hidden = |ledger: &&String| principal.extent(Verb::Read, ledger) != Extent::All;
        if let Some(ledger) = ledgers.find(hidden) {
            return Err(self.forbidden(principal, Verb::Read, ledger, " all of"));
        }
        let ready = self.ready(false).await.is_ready();
        let ledgers = self.ledgers_now().await?;
        let groups = self.groups_now(&ledgers).await;
        let disk = self.store.as_ref().and_then(|store| Disk::of(store.dir()));
        Ok(self.metrics.text(&Now { ledgers, groups, places: self.bulkheads.now(), disk, ready }))
    }

    /// How the ledgers stand. It has places of its own, and so an answer while all else is full.
    pub(super) async fn ledgers_now(&self) -> Result<Vec<LedgerNow>, ApiError> {
        let mut apps = self.apps.all();
        apps.retain(|name, _| !is_system_ledger(name));
        let all = async move {
            let mut all = Vec::new();
            for (name, app) in apps {
                let accepts = app.ledger().refuses_appends().is_none();
                let status = status(name, &app).await?;
                let (name, head, views) = (status.name, status.head, status.views);
                all.push(LedgerNow { name, head, accepts, views });
            }
            Ok::<_, factum::Fault>(all)
        };
        Ok(self.bulkheads.checks.run(all).await??)
    }

    /// How the groups stand. One that does not say so in time stands still, as far as anybody knows.
    async fn groups_now(&self, ledgers: &[LedgerNow]) -> Vec<GroupNow> {
        let Some(groups) = &self.groups else { return Vec::new() };
        let mut asking = JoinSet::new();
        for (ledger, name, tally) in groups.tallies().await.into_iter().take(GROUPS_SHOWN_MAX) {
            let head = ledgers.iter().find(|now| now.name == ledger).map(|now| now.head.position);
            let groups = Arc::clone(groups);
            asking.spawn(async move {
                let figures = move |group: &mut Group, _| figures(group, head);
                let said = timeout(GROUP_PATIENCE, groups.step(&ledger, &name, figures)).await;
                let (deliveries, retries) = (
                    tally.deliveries.load(Ordering::Relaxed),
                    tally.retries.load(Ordering::Relaxed),
                );
                let (group, figures) = (name.to_string(), said.ok().and_then(Result::ok));
                GroupNow { ledger, group, deliveries, retries, figures }
            });
        }
        asking.join_all().await
    }

    /// Counts an append that was answered.
    pub(super) fn count_append(
        &self,
        ledger: &str,
        began: Began,
        bytes: u64,
        answer: Result<&Receipt, &ApiError>,
    ) {
        let ending = match answer {
            Ok(receipt) if receipt.replayed => "replayed",
            Ok(receipt) => {
                self.metrics.recorded(ledger, events(receipt), bytes);
                "accepted"
            }
            Err(error) => error.ending(),
        };
        self.metrics.append(ledger, ending, began);
    }

    /// Counts a command that was answered. One that does not exist has no name here: clients make
    /// no labels.
    pub(super) fn count_command(
        &self,
        (ledger, app): (&str, &App),
        command: &str,
        began: Began,
        answer: &Result<Outcome, ApiError>,
    ) {
        let known = app.domain().command(command).is_some();
        let command = if known { command } else { "unknown" };
        let (ending, code) = match answer {
            Err(error) => (error.ending(), None),
            Ok(Outcome { refusal: Some(refused), .. }) => ("refused", Some(refused.code.as_str())),
            Ok(outcome) if outcome.replayed => ("replayed", None),
            Ok(_) => ("accepted", None),
        };
        if let Ok(Outcome { receipt: Some(receipt), replayed: false, .. }) = answer {
            self.metrics.recorded(ledger, events(receipt), 0);
        }
        self.metrics.command([ledger, command], ending, code, began);
    }

    /// Counts a question that was answered.
    pub(super) fn count_read<T>(
        &self,
        ledger: &str,
        began: Began,
        answer: &Result<T, ApiError>,
        events: impl FnOnce(&T) -> usize,
    ) {
        let ending = answer.as_ref().err().map_or("answered", ApiError::ending);
        let events = answer.as_ref().map_or(0, events) as u64;
        self.metrics.read(ledger, ending, events, began);
    }
}

fn figures(group: &Group, head: Option<Position>) -> GroupFigures {
    let (status, durable) = (group.status(), group.durable());
    GroupFigures {
        lag_events: head.map_or(0, |head| head.0.saturating_sub(status.position.0)),
        in_flight: status.in_flight as u64,
        ready: status.ready as u64,
        retrying: status.retrying as u64,
        parked: status.parked as u64,
        held: status.held as u64,
        consumers: status.consumers.len() as u64,
        delivers: !status.paused && status.stopped.is_none(),
        acked: durable.acked,
        skipped: durable.skipped,
        gone: durable.gone,
    }
}

fn events(receipt: &Receipt) -> u64 {
    receipt.last.0.saturating_sub(receipt.first.prev().0)
}
