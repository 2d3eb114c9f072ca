//! [`Metrics`]: what is counted while the server works. The names and units follow the conventions
//! of Prometheus and OpenMetrics; the label values come from the server's own tables (ledgers,
//! commands, views, routes), so that no client can make one, and their number is bounded (G12).

mod groups;
mod process;
mod scrape;
mod series;

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use prometheus_client::metrics::{counter::Counter, gauge::Gauge};

pub(crate) use groups::{GroupFigures, GroupNow};
pub(crate) use scrape::{LedgerNow, Now, PlacesNow};
use series::{Counters, Durations};

use crate::observe::ExportCounts;

/// Everything that is counted. What only stands at a moment, such as heads, is asked for when
/// somebody looks: [`Now`].
pub(crate) struct Metrics {
    begun: std::time::SystemTime,
    requests: Counters<4>,
    request_durations: Durations<3>,
    appends: Counters<2>,
    append_durations: Durations<1>,
    events: Counters<1>,
    bytes: Counters<1>,
    commands: Counters<3>,
    command_durations: Durations<2>,
    refusals: Counters<3>,
    reads: Counters<2>,
    read_durations: Durations<1>,
    read_events: Counters<1>,
    view_reads: Counters<3>,
    view_read_durations: Durations<2>,
    /// Connections that were accepted.
    pub(crate) accepted: Counter,
    /// Those that were closed at once, because their peer had too many.
    pub(crate) turned_away: Counter,
    /// Those that are open.
    pub(crate) open: Gauge,
    /// Requests that were refused because of who sent too many.
    pub(crate) limited: Counter,
    /// Readers that were sent away because they took nothing.
    pub(crate) slow_readers: Counter,
    connections_max: AtomicU64,
    /// What became of spans.
    spans: ExportCounts,
    /// What became of log lines.
    lines: ExportCounts,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            begun: std::time::SystemTime::now(),
            requests: Counters::of(["face", "route", "method", "status"]),
            request_durations: Durations::of(["face", "route", "method"]),
            appends: Counters::of(["ledger", "outcome"]),
            append_durations: Durations::of(["ledger"]),
            events: Counters::of(["ledger"]),
            bytes: Counters::of(["ledger"]),
            commands: Counters::of(["ledger", "command", "outcome"]),
            command_durations: Durations::of(["ledger", "command"]),
            refusals: Counters::of(["ledger", "command", "code"]),
            reads: Counters::of(["ledger", "outcome"]),
            read_durations: Durations::of(["ledger"]),
            read_events: Counters::of(["ledger"]),
            view_reads: Counters::of(["ledger", "view", "outcome"]),
            view_read_durations: Durations::of(["ledger", "view"]),
            accepted: Counter::default(),
            turned_away: Counter::default(),
            open: Gauge::default(),
            limited: Counter::default(),
            slow_readers: Counter::default(),
            connections_max: AtomicU64::new(0),
            spans: ExportCounts::default(),
            lines: ExportCounts::default(),
        }
    }
}

/// When something began, to be told when it has ended.
#[derive(Clone, Copy)]
pub(crate) struct Began(Instant);

impl Began {
    pub(crate) fn now() -> Self {
        Self(Instant::now())
    }

    fn took(self) -> Duration {
        self.0.elapsed()
    }
}

/// How a piece of work ended, as a label says it.
pub(crate) type Ending = &'static str;

impl Metrics {
    /// Nothing counted yet, but what is counted of spans and log lines.
    pub(crate) fn with_exported(spans: ExportCounts, lines: ExportCounts) -> Self {
        Self { spans, lines, ..Self::default() }
    }

    /// A request was answered; of a stream: its answer has begun.
    pub(crate) fn request(&self, [face, route, method, status]: [&str; 4], began: Began) {
        self.requests.add([face, route, method, status], 1);
        self.request_durations.observe([face, route, method], began.took());
    }

    /// An append was answered. `events` were recorded, with payloads of `bytes`.
    pub(crate) fn append(&self, ledger: &str, ending: Ending, began: Began) {
        self.appends.add([ledger, ending], 1);
        self.append_durations.observe([ledger], began.took());
    }

    /// Events were recorded, by whatever operation.
    pub(crate) fn recorded(&self, ledger: &str, events: u64, bytes: u64) {
        self.events.add([ledger], events);
        self.bytes.add([ledger], bytes);
    }

    /// A command was answered; with the refusal's code, if it was refused.
    pub(crate) fn command(
        &self,
        [ledger, command]: [&str; 2],
        ending: Ending,
        code: Option<&str>,
        began: Began,
    ) {
        self.commands.add([ledger, command, ending], 1);
        self.command_durations.observe([ledger, command], began.took());
        if let Some(code) = code {
            self.refusals.add([ledger, command, code], 1);
        }
    }

    /// Events were read.
    pub(crate) fn read(&self, ledger: &str, ending: Ending, events: u64, began: Began) {
        self.reads.add([ledger, ending], 1);
        self.read_events.add([ledger], events);
        self.read_durations.observe([ledger], began.took());
    }

    /// A view was asked.
    pub(crate) fn view_read(&self, [ledger, view]: [&str; 2], ending: Ending, began: Began) {
        self.view_reads.add([ledger, view, ending], 1);
        self.view_read_durations.observe([ledger, view], began.took());
    }

    pub(crate) fn set_connections_max(&self, connections: usize) {
        self.connections_max.store(connections as u64, Ordering::Relaxed);
    }
}
