//! Families of counters and of histograms whose labels are known texts, a bounded number of them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};

/// Series of one family at most. Who has more ledgers, commands or views than that finds the rest
/// together under the label [`OTHER`].
const SERIES_MAX: usize = 2_000;
const OTHER: &str = "other";

/// From a tenth of a millisecond to ten seconds: what a sync takes, and what patience bears.
const SECONDS: [f64; 16] = [
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5,
    5.0, 10.0,
];

type Labels<const N: usize> = [(&'static str, Arc<str>); N];

/// A metric for each of some labels.
struct Series<const N: usize, M, C = fn() -> M> {
    names: [&'static str; N],
    family: Family<Labels<N>, M, C>,
    known: AtomicUsize,
}

impl<const N: usize, M: Clone, C: MetricConstructor<M>> Series<N, M, C> {
    fn of(names: [&'static str; N], make: C) -> Self {
        Self { names, family: Family::new_with_constructor(make), known: AtomicUsize::new(0) }
    }

    /// Does something to the metric with these labels, or to the one of all others.
    fn with(&self, values: [&str; N], change: impl FnOnce(&M)) {
        let wanted = self.labels(values);
        if let Some(metric) = self.family.get(&wanted) {
            return change(&metric);
        }
        // Threads that come here at once may count one twice, and so only stop a little earlier.
        match self.known.fetch_add(1, Ordering::Relaxed) < SERIES_MAX {
            true => change(&self.family.get_or_create(&wanted)),
            false => {
                self.known.fetch_sub(1, Ordering::Relaxed);
                change(&self.family.get_or_create(&self.labels([OTHER; N])));
            }
        }
    }

    fn labels(&self, values: [&str; N]) -> Labels<N> {
        let mut values = values.into_iter();
        self.names.map(|name| (name, Arc::from(values.next().unwrap_or_default())))
    }
}

/// Counters.
pub(super) struct Counters<const N: usize>(Series<N, Counter>);

impl<const N: usize> Counters<N> {
    pub(super) fn of(names: [&'static str; N]) -> Self {
        Self(Series::of(names, Counter::default))
    }

    pub(super) fn add(&self, values: [&str; N], more: u64) {
        self.0.with(values, |counter| {
            counter.inc_by(more);
        });
    }

    pub(super) fn show(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register(name, help, self.0.family.clone());
    }

    pub(super) fn show_bytes(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register_with_unit(name, help, Unit::Bytes, self.0.family.clone());
    }
}

/// Histograms of how long something took.
pub(super) struct Durations<const N: usize>(Series<N, Histogram>);

impl<const N: usize> Durations<N> {
    pub(super) fn of(names: [&'static str; N]) -> Self {
        Self(Series::of(names, || Histogram::new(SECONDS)))
    }

    pub(super) fn observe(&self, values: [&str; N], took: Duration) {
        self.0.with(values, |histogram| histogram.observe(took.as_secs_f64()));
    }

    pub(super) fn show(&self, registry: &mut Registry, name: &str, help: &str) {
        registry.register_with_unit(name, help, Unit::Seconds, self.0.family.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g12_what_is_too_much_is_counted_together() {
        let counters = Counters::of(["ledger"]);
        for n in 0..SERIES_MAX + 100 {
            counters.add([&n.to_string()], 1);
        }
        let counted = |name: &str| {
            let labels = [("ledger", Arc::from(name))];
            counters.0.family.get(&labels).map(|counter| counter.get())
        };
        assert_eq!((counted("other"), counted(&SERIES_MAX.to_string())), (Some(100), None));
        counters.add(["7"], 1);
        assert_eq!(counted("7"), Some(2), "what is known stays known");
    }
}
