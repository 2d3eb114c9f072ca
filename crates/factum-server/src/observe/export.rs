//! How spans and log lines leave: through a bounded queue, in batches, by a task of their own. Whoever
//! ends a span or writes a line never waits: what finds no room is dropped and counted (G11, G12).

use std::{
    fmt,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_otlp::{LogExporter, SpanExporter};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    logs::{LogBatch, LogExporter as _, LogProcessor, SdkLogRecord},
    trace::{Span, SpanData, SpanExporter as _, SpanProcessor},
};
use prometheus_client::metrics::counter::Counter;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

/// Spans, or lines, that wait at most.
const WAITING_MAX: usize = 2_048;
/// So many are sent together.
const BATCH_MAX: usize = 512;
/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// How often what can't be sent is logged, of those that follow each other.
const TOLD_EVERY: u32 = 60;
/// How long what is left may take to leave, at the end.
const LEAVE_MAX: Duration = Duration::from_secs(5);

/// What became of spans, or of log lines.
#[derive(Clone, Default)]
pub(crate) struct ExportCounts {
    pub(crate) exported: Counter,
    /// There was no room.
    pub(crate) dropped: Counter,
    /// Whoever collects them could not be reached, or took them not.
    pub(crate) failed: Counter,
}

/// Sends spans, or log lines.
pub(super) trait Exporter: Send + 'static {
    type Item: Send + 'static;
    const WHAT: &'static str;

    fn send(&self, batch: Vec<Self::Item>) -> impl Future<Output = OTelSdkResult> + Send;
}

/// The way in.
pub(super) struct Queue<T> {
    waiting: mpsc::Sender<T>,
    counts: ExportCounts,
}

/// Sending, until it is [closed](Self::close).
pub(super) struct Exporting {
    counts: ExportCounts,
    /// Told when no more will come.
    ending: watch::Sender<bool>,
    task: Mutex<Option<JoinHandle<()>>>,
}

/// The way out.
struct Way<E: Exporter> {
    exporter: E,
    waiting: mpsc::Receiver<E::Item>,
    counts: ExportCounts,
    ending: watch::Receiver<bool>,
}

impl Exporter for SpanExporter {
    type Item = SpanData;
    const WHAT: &'static str = "spans";

    async fn send(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.export(batch).await
    }
}

impl Exporter for LogExporter {
    type Item = Box<(SdkLogRecord, InstrumentationScope)>;
    const WHAT: &'static str = "log lines";

    async fn send(&self, batch: Vec<Self::Item>) -> OTelSdkResult {
        let lines: Vec<_> = batch.iter().map(|line| (&line.0, &line.1)).collect();
        self.export(LogBatch::new(&lines)).await
    }
}

impl<T> Queue<T> {
    fn push(&self, item: T) {
        if self.waiting.try_send(item).is_err() {
            self.counts.dropped.inc();
        }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

impl SpanProcessor for Queue<SpanData> {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.push(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

impl LogProcessor for Queue<Box<(SdkLogRecord, InstrumentationScope)>> {
    fn emit(&self, line: &mut SdkLogRecord, scope: &InstrumentationScope) {
        self.push(Box::new((line.clone(), scope.clone())));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }
}

impl Exporting {
    /// Sends what is put into the queue. To be called within a runtime.
    pub(super) fn start<E: Exporter>(exporter: E) -> (Self, Queue<E::Item>) {
        let counts = ExportCounts::default();
        let (waiting, taken) = mpsc::channel(WAITING_MAX);
        let queue = Queue { waiting, counts: counts.clone() };
        let (ending, ended) = watch::channel(false);
        let way = Way { exporter, waiting: taken, counts: counts.clone(), ending: ended };
        let task = Mutex::new(Some(tokio::spawn(way.run())));
        (Self { counts, ending, task }, queue)
    }

    pub(super) fn counts(&self) -> &ExportCounts {
        &self.counts
    }

    /// Sends what is left, if that takes no longer than some seconds. What comes later is dropped, and
    /// counted.
    pub(super) async fn close(&self) {
        self.ending.send_replace(true);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(task) = task
            && timeout(LEAVE_MAX, task).await.is_err()
        {
            tracing::warn!("the last spans or log lines could not be sent in time");
        }
    }
}

impl<E: Exporter> Way<E> {
    /// Sends until no more will come, and then what is left.
    async fn run(mut self) {
        let mut failures = 0_u32;
        loop {
            let batch = self.next().await;
            if batch.is_empty() {
                return;
            }
            let items = batch.len() as u64;
            match self.exporter.send(batch).await {
                Ok(()) => {
                    self.counts.exported.inc_by(items);
                    failures = 0;
                }
                Err(error) => {
                    self.counts.failed.inc_by(items);
                    if failures.is_multiple_of(TOLD_EVERY) {
                        tracing::warn!(items, %error, "{} can't be sent; they are lost", E::WHAT);
                    }
                    failures += 1;
                }
            }
        }
    }

    /// The next batch; an empty one when there is no more.
    async fn next(&mut self) -> Vec<E::Item> {
        let mut batch = Vec::new();
        let Self { waiting, ending, .. } = self;
        tokio::select! {
            biased;
            _ = waiting.recv_many(&mut batch, 1) => {}
            _ = ending.wait_for(|ending| *ending) => {}
        }
        let gathered = async {
            while batch.len() < BATCH_MAX {
                let room = BATCH_MAX - batch.len();
                tokio::select! {
                    biased;
                    taken = waiting.recv_many(&mut batch, room) => if taken == 0 { return },
                    _ = ending.wait_for(|ending| *ending) => return,
                }
            }
        };
        // Those that are there by then are sent.
        let _ = timeout(GATHER, gathered).await;
        batch
    }
}
