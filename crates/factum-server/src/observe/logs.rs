//! [`Logs`]: log lines, for whoever collects them by OTLP. A line that is written while a request of a
//! trace is answered names that trace. Whoever writes one never waits: the queue is bounded, and what
//! finds no room in it is dropped (G11, G12).

use std::time::Duration;

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::LogExporter;
use opentelemetry_sdk::logs::SdkLoggerProvider;
use tokio::task::spawn_blocking;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use super::otlp;
use crate::{Config, ServeError};

/// How long what is left may take to leave, at the end.
const LEAVE_MAX: Duration = Duration::from_secs(5);
/// What sending is done with. Its own lines are not sent: each would cause others.
const SENDING: [&str; 6] = ["h2", "hyper", "hyper_util", "tonic", "tower", "opentelemetry"];

/// Sends log lines, from the layer that it gives to `tracing` on.
pub struct Logs(SdkLoggerProvider);

impl Logs {
    /// Sends lines where the settings say, if they do. To be called within a runtime.
    ///
    /// # Errors
    /// [`ServeError::Otlp`], when something of the settings can't be used.
    pub fn start(config: &Config) -> Result<Option<Self>, ServeError> {
        let variable = |name: &str| std::env::var(name).ok();
        let there = otlp::LOGS.destination(config, variable).map_err(ServeError::Otlp)?;
        let Some(there) = there else { return Ok(None) };
        let (refused, exporter) = (there.refused(), LogExporter::builder().with_tonic());
        let exporter = there.of(exporter).build();
        let exporter = exporter.map_err(|error| ServeError::Otlp(refused(error.to_string())))?;
        let logs = SdkLoggerProvider::builder().with_resource(otlp::resource(variable));
        Ok(Some(Self(logs.with_batch_exporter(exporter).build())))
    }

    /// Takes lines. What is to be heeded at all is for a filter to say.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        OpenTelemetryTracingBridge::new(&self.0).with_filter(filter_fn(is_ours))
    }

    /// Sends what is left, if that takes no longer than some seconds.
    pub async fn close(self) {
        let closed = spawn_blocking(move || self.0.shutdown_with_timeout(LEAVE_MAX)).await;
        if let Ok(Err(error)) = closed {
            tracing::warn!(%error, "the last lines could not be sent");
        }
    }
}

fn is_ours(line: &Metadata<'_>) -> bool {
    let root = line.target().split("::").next().unwrap_or_default();
    !SENDING.contains(&root) && !root.starts_with("opentelemetry")
}
