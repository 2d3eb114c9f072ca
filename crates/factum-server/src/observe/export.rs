//! How spans leave: through a bounded queue, in batches, by a task of their own. Whoever ends a span
//! never waits: what finds no room is dropped and counted (G11, G12).

use std::{fmt, time::Duration};

use opentelemetry::Context;
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Span, SpanData, SpanExporter as _, SpanProcessor},
};
use prometheus_client::metrics::counter::Counter;
use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

/// Spans that wait at most.
const WAITING_MAX: usize = 2_048;
/// Spans that are sent together.
const BATCH_MAX: usize = 512;
/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// How often what can't be sent is logged, of those that follow each other.
const TOLD_EVERY: u32 = 60;

/// What became of spans.
#[derive(Clone, Default)]
pub(crate) struct SpanCounts {
    pub(crate) exported: Counter,
    /// There was no room.
    pub(crate) dropped: Counter,
    /// Whoever collects them could not be reached, or took them not.
    pub(crate) failed: Counter,
}

/// The way in.
pub(super) struct Queue {
    spans: mpsc::Sender<SpanData>,
    counts: SpanCounts,
}

/// The way out.
pub(super) struct Exporting {
    pub(super) exporter: SpanExporter,
    pub(super) spans: mpsc::Receiver<SpanData>,
    pub(super) counts: SpanCounts,
    /// Told when no more will come.
    pub(super) ending: watch::Receiver<bool>,
}

impl Queue {
    pub(super) fn new(counts: SpanCounts) -> (Self, mpsc::Receiver<SpanData>) {
        let (spans, taken) = mpsc::channel(WAITING_MAX);
        (Self { spans, counts }, taken)
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() && self.spans.try_send(span).is_err() {
            self.counts.dropped.inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl Exporting {
    /// Sends until no more will come, and then what is left.
    pub(super) async fn run(mut self) {
        let mut failures = 0_u32;
        loop {
            let batch = self.next().await;
            if batch.is_empty() {
                return;
            }
            let spans = batch.len() as u64;
            match self.exporter.export(batch).await {
                Ok(()) => {
                    self.counts.exported.inc_by(spans);
                    failures = 0;
                }
                Err(error) => {
                    self.counts.failed.inc_by(spans);
                    if failures.is_multiple_of(TOLD_EVERY) {
                        tracing::warn!(spans, %error, "spans can't be sent; they are lost");
                    }
                    failures += 1;
                }
            }
        }
    }

    /// The next batch; an empty one when there is no more.
    async fn next(&mut self) -> Vec<SpanData> {
        let mut batch = Vec::new();
        let Self { spans, ending, .. } = self;
        tokio::select! {
            biased;
            _ = spans.recv_many(&mut batch, 1) => {}
            _ = ending.wait_for(|ending| *ending) => {}
        }
        let gathered = async {
            while batch.len() < BATCH_MAX {
                let room = BATCH_MAX - batch.len();
                tokio::select! {
                    biased;
                    taken = spans.recv_many(&mut batch, room) => if taken == 0 { return },
                    _ = ending.wait_for(|ending| *ending) => return,
                }
            }
        };
        // Those that are there by then are sent.
        let _ = timeout(GATHER, gathered).await;
        batch
    }
}
