//! What metrics say of consumer groups: where each stands, and what it has delivered.

use std::sync::atomic::AtomicU64;

use prometheus_client::{
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

use super::scrape::{Labels, gauge};

/// A group, as it stands.
pub(crate) struct GroupNow {
    pub(crate) ledger: String,
    pub(crate) group: String,
    /// Since the server began.
    pub(crate) deliveries: u64,
    pub(crate) retries: u64,
    /// Nothing, when the group stands still or did not say in time.
    pub(crate) figures: Option<GroupFigures>,
}

/// What a group says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GroupFigures {
    pub(crate) lag_events: u64,
    pub(crate) in_flight: u64,
    pub(crate) ready: u64,
    pub(crate) retrying: u64,
    pub(crate) parked: u64,
    pub(crate) held: u64,
    pub(crate) consumers: u64,
    /// Whether it is neither paused nor stopped at a bound.
    pub(crate) delivers: bool,
    /// Since it was made.
    pub(crate) acked: u64,
    pub(crate) skipped: u64,
    pub(crate) gone: u64,
}

/// A figure's name, what it means, and how it is read.
type Row<T> = (&'static str, &'static str, fn(&T) -> u64);

const STANDING: [Row<GroupFigures>; 8] = [
    ("group_lag_events", "Positions of the ledger that a group has not passed", |now| {
        now.lag_events
    }),
    ("group_in_flight", "Events that consumers have", |now| now.in_flight),
    ("group_ready", "Events whose turn has come", |now| now.ready),
    ("group_retrying", "Events that wait for their next attempt", |now| now.retrying),
    ("group_parked", "Events that are parked", |now| now.parked),
    ("group_held", "Events that wait behind parked ones", |now| now.held),
    ("group_consumers", "Consumers that have drawn of late", |now| now.consumers),
    ("group_delivers", "1 while a group is neither paused nor stopped", |now| now.delivers.into()),
];

const HAPPENED: [Row<GroupFigures>; 3] = [
    ("group_acked", "Events that were acknowledged since the group was made", |now| now.acked),
    ("group_skipped", "Parked events that were given up", |now| now.skipped),
    ("group_gone", "Events that retention had hidden before they were handled", |now| now.gone),
];

const COUNTED: [Row<GroupNow>; 2] = [
    ("group_deliveries", "Events that were given to consumers", |now| now.deliveries),
    ("group_retries", "Those that were given not for the first time", |now| now.retries),
];

pub(super) fn show(ours: &mut Registry, groups: &[GroupNow]) {
    for (name, what, value) in STANDING {
        let rows = known(groups).map(|(labels, now)| (labels, value(now) as f64));
        gauge(ours, name, what, rows);
    }
    for (name, what, value) in HAPPENED {
        counter(ours, name, what, known(groups).map(|(labels, now)| (labels, value(now))));
    }
    for (name, what, value) in COUNTED {
        counter(ours, name, what, groups.iter().map(|now| (labels(now), value(now))));
    }
    let failing =
        groups.iter().map(|now| (labels(now), f64::from(u8::from(now.figures.is_none()))));
    gauge(ours, "group_failing", "1 while a group stands still, or does not answer", failing);
}

fn known(groups: &[GroupNow]) -> impl Iterator<Item = (Labels, &GroupFigures)> {
    groups.iter().filter_map(|now| Some((labels(now), now.figures.as_ref()?)))
}

fn labels(now: &GroupNow) -> Labels {
    vec![("ledger", now.ledger.clone()), ("group", now.group.clone())]
}

fn counter(ours: &mut Registry, name: &str, what: &str, rows: impl Iterator<Item = (Labels, u64)>) {
    let family = Family::<Labels, Counter<u64, AtomicU64>>::default();
    for (labels, value) in rows {
        family.get_or_create(&labels).inc_by(value);
    }
    ours.register(name, what, family);
}
