//! The text that is served at `/metrics`: what was counted, and how things stand now. It is made
//! anew for each look, so that a ledger that is gone leaves nothing behind.

use std::sync::atomic::{AtomicU64, Ordering};

use factum::ViewStatus;
use factum_store::Head;
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::{Registry, Unit},
};

use super::{GroupNow, Metrics, groups, process::Process};
use crate::{machine::Disk, observe::ExportCounts};

/// How things stand.
pub(crate) struct Now {
    pub(crate) ledgers: Vec<LedgerNow>,
    pub(crate) groups: Vec<GroupNow>,
    pub(crate) places: Vec<PlacesNow>,
    pub(crate) disk: Option<Disk>,
    pub(crate) ready: bool,
}

/// A ledger, and the views on it.
pub(crate) struct LedgerNow {
    pub(crate) name: String,
    pub(crate) head: Head,
    /// Whether it takes appends.
    pub(crate) accepts: bool,
    pub(crate) views: Vec<ViewStatus>,
}

/// The places for one kind of request.
pub(crate) struct PlacesNow {
    pub(crate) of: &'static str,
    pub(crate) all: usize,
    pub(crate) taken: usize,
    pub(crate) refused: u64,
}

pub(super) type Labels = Vec<(&'static str, String)>;

impl Metrics {
    /// The media type of [`Metrics::text`].
    pub(crate) const MEDIA: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Everything, as OpenMetrics text.
    pub(crate) fn text(&self, now: &Now) -> String {
        let mut registry = Registry::default();
        let ours = registry.sub_registry_with_prefix("factum");
        let version = env!("CARGO_PKG_VERSION");
        ours.register("build", "The version of the server", Info::new([("version", version)]));
        self.show_counted(ours);
        show_ledgers(ours, &now.ledgers);
        show_views(ours, &now.ledgers);
        groups::show(ours, &now.groups);
        show_places(ours, &now.places);
        self.show_connections(ours);
        let ready = f64::from(u8::from(now.ready));
        one(ours, "ready", "1 while requests are to be sent here", ready);
        if let Some(disk) = now.disk {
            let (free, all) = (disk.free as f64, disk.bytes as f64);
            bytes(ours, "disk_free", "Free room where the data directory is", free);
            bytes(ours, "disk_size", "All room where the data directory is", all);
        }
        show_process(registry.sub_registry_with_prefix("process"), self.begun);
        let mut text = String::new();
        // A text takes everything that is written to it.
        let _ = text::encode(&mut text, &registry);
        text
    }

    fn show_counted(&self, ours: &mut Registry) {
        self.requests.show(ours, "requests", "Requests that were answered");
        let what = "Time until a request was answered, or its stream had begun";
        self.request_durations.show(ours, "request_duration", what);
        self.appends.show(ours, "appends", "Appends that were answered, by how");
        self.append_durations.show(ours, "append_duration", "Time until an append was answered");
        self.events.show(ours, "events", "Events that were recorded through this server");
        let what = "Bytes of data and metadata of the events that clients appended themselves";
        self.bytes.show_bytes(ours, "appended", what);
        self.commands.show(ours, "commands", "Commands that were answered, by how");
        let what = "Time until a command was answered";
        self.command_durations.show(ours, "command_duration", what);
        let what = "Commands that were refused by a rule of the application, by its code";
        self.refusals.show(ours, "command_refusals", what);
        self.reads.show(ours, "reads", "Pages of events that were asked for");
        self.read_durations.show(ours, "read_duration", "Time until a page was answered");
        self.read_events.show(ours, "read_events", "Events in pages that were answered");
        self.view_reads.show(ours, "view_reads", "Questions to views, by how they were answered");
        let what = "Time until a question to a view was answered";
        self.view_read_durations.show(ours, "view_read_duration", what);
    }

    fn show_connections(&self, ours: &mut Registry) {
        ours.register("connections", "Open connections", self.open.clone());
        let most = self.connections_max.load(Ordering::Relaxed) as f64;
        one(ours, "connections_max", "Connections that may be open", most);
        let what = "Connections that were accepted";
        ours.register("connections_accepted", what, self.accepted.clone());
        let what = "Connections that were closed at once because their peer had too many";
        ours.register("connections_refused", what, self.turned_away.clone());
        let what = "Requests that were refused because their sender had sent too many";
        ours.register("requests_limited", what, self.limited.clone());
        let what = "Streams that were ended because their reader took nothing";
        ours.register("slow_readers", what, self.slow_readers.clone());
        let ExportCounts { exported, dropped, failed } = self.spans.clone();
        ours.register("spans_exported", "Spans that were sent to who collects them", exported);
        let what = "Spans that found no room where they wait to be sent, and are lost";
        ours.register("spans_dropped", what, dropped);
        ours.register("spans_failed", "Spans that could not be sent, and are lost", failed);
        let ExportCounts { exported, dropped, failed } = self.lines.clone();
        let what = "Log lines that were sent to who collects them";
        ours.register("log_lines_exported", what, exported);
        let what = "Log lines that found no room where they wait to be sent; no collector has them";
        ours.register("log_lines_dropped", what, dropped);
        let what = "Log lines that could not be sent; no collector has them";
        ours.register("log_lines_failed", what, failed);
    }
}

fn show_ledgers(ours: &mut Registry, ledgers: &[LedgerNow]) {
    let each = |value: fn(&LedgerNow) -> f64| {
        ledgers.iter().map(move |now| (vec![("ledger", now.name.clone())], value(now)))
    };
    let heads = each(|now| now.head.position.0 as f64);
    gauge(ours, "head_position", "Position of a ledger's last event", heads);
    let times = each(|now| now.head.recorded_at.micros as f64 / 1e6);
    let what = "When a ledger's last event was recorded, since 1970";
    gauge_in(ours, "head_recorded_timestamp", what, Unit::Seconds, times);
    let accepts = each(|now| f64::from(u8::from(now.accepts)));
    let what = "1 while a ledger takes appends; 0 after a failed write, until it is opened again";
    gauge(ours, "ledger_accepts_appends", what, accepts);
}

fn show_views(ours: &mut Registry, ledgers: &[LedgerNow]) {
    let each = |value: fn(&LedgerNow, &ViewStatus) -> f64| {
        ledgers.iter().flat_map(move |now| {
            now.views.iter().map(move |view| {
                let labels = vec![("ledger", now.name.clone()), ("view", view.name.clone())];
                (labels, value(now, view))
            })
        })
    };
    let positions = each(|_, view| view.checkpoint.position.0 as f64);
    gauge(ours, "view_position", "Position that a view has applied", positions);
    let lags = each(|_, view| view.lag_events as f64);
    gauge(ours, "view_lag_events", "Positions that a view has not looked at yet", lags);
    let behind = each(|now, view| match view.lag_events {
        0 => 0.0,
        _ => {
            let head = now.head.recorded_at.micros;
            head.saturating_sub(view.checkpoint.recorded_at.micros) as f64 / 1e6
        }
    });
    let what = "Time between a ledger's last event and the last one that a view has applied";
    gauge_in(ours, "view_lag", what, Unit::Seconds, behind);
    let failing = each(|_, view| f64::from(u8::from(view.error.is_some())));
    gauge(ours, "view_failing", "1 while a view stands still", failing);
}

fn show_places(ours: &mut Registry, places: &[PlacesNow]) {
    let each = |value: fn(&PlacesNow) -> f64| {
        places.iter().map(move |now| (vec![("kind", now.of.to_owned())], value(now)))
    };
    gauge(
        ours,
        "places",
        "Requests of a kind that are worked on at a time",
        each(|p| p.all as f64),
    );
    gauge(ours, "places_taken", "Those that are worked on", each(|p| p.taken as f64));
    let refused = Family::<Labels, Counter>::default();
    for now in places {
        refused.get_or_create(&vec![("kind", now.of.to_owned())]).inc_by(now.refused);
    }
    ours.register("places_refused", "Requests that found no place in time", refused);
}

/// The names that dashboards for every program know.
fn show_process(process: &mut Registry, begun: std::time::SystemTime) {
    let now = Process::now();
    for (name, what, value) in [
        ("resident_memory", "Memory that is resident", now.resident_bytes),
        ("virtual_memory", "Memory that is mapped", now.virtual_bytes),
    ] {
        value.into_iter().for_each(|value| bytes(process, name, what, value as f64));
    }
    for (name, what, value) in [
        ("open_fds", "Open file descriptors", now.open_files),
        ("max_fds", "File descriptors that may be open", now.files_max),
        ("threads", "Threads", now.threads),
    ] {
        value.into_iter().for_each(|value| one(process, name, what, value as f64));
    }
    if let Some(seconds) = now.cpu_seconds {
        let cpu = Counter::<f64, AtomicU64>::default();
        cpu.inc_by(seconds);
        process.register_with_unit("cpu", "Processor time", Unit::Seconds, cpu);
    }
    let begun = begun.duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    let what = "When the server began, since 1970";
    process.register_with_unit("start_time", what, Unit::Seconds, standing(begun));
}

fn family(rows: impl IntoIterator<Item = (Labels, f64)>) -> Family<Labels, Gauge<f64, AtomicU64>> {
    let family = Family::<Labels, Gauge<f64, AtomicU64>>::default();
    for (labels, value) in rows {
        family.get_or_create(&labels).set(value);
    }
    family
}

pub(super) fn gauge(
    registry: &mut Registry,
    name: &str,
    help: &str,
    rows: impl IntoIterator<Item = (Labels, f64)>,
) {
    registry.register(name, help, family(rows));
}

fn gauge_in(
    registry: &mut Registry,
    name: &str,
    help: &str,
    unit: Unit,
    rows: impl IntoIterator<Item = (Labels, f64)>,
) {
    registry.register_with_unit(name, help, unit, family(rows));
}

fn one(registry: &mut Registry, name: &str, help: &str, value: f64) {
    registry.register(name, help, standing(value));
}

fn bytes(registry: &mut Registry, name: &str, help: &str, value: f64) {
    registry.register_with_unit(name, help, Unit::Bytes, standing(value));
}

fn standing(value: f64) -> Gauge<f64, AtomicU64> {
    let gauge = Gauge::<f64, AtomicU64>::default();
    gauge.set(value);
    gauge
}
