//! [`Logs`]: log lines, for whoever collects them by OTLP. A line that is written while a request of a
//! trace is answered names that trace. Whoever writes one never waits: the queue is bounded, and what
//! finds no room in it is dropped and counted (G11, G12).

use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::LogExporter;
use opentelemetry_sdk::logs::{LogExporter as _, SdkLoggerProvider};
use tracing::{Metadata, Subscriber};
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

use super::{
    export::{ExportCounts, Exporting},
    otlp,
};
use crate::{Config, ServeError};

/// What sending is done with. Its own lines are not sent: each would cause others.
const SENDING: [&str; 5] = ["h2", "hyper", "hyper_util", "tonic", "tower"];

/// Sends log lines, from the layer that it gives to `tracing` on.
pub struct Logs {
    provider: SdkLoggerProvider,
    exporting: Exporting,
}

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
        let mut exporter =
            exporter.map_err(|error| ServeError::Otlp(refused(error.to_string())))?;
        let resource = otlp::resource(variable);
        exporter.set_resource(&resource);
        let (exporting, queue) = Exporting::start(exporter);
        let provider =
            SdkLoggerProvider::builder().with_log_processor(queue).with_resource(resource).build();
        Ok(Some(Self { provider, exporting }))
    }

    pub(crate) fn counts(&self) -> &ExportCounts {
        self.exporting.counts()
    }

    /// Takes lines. What is to be heeded at all is for a filter to say.
    pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>(&self) -> impl Layer<S> + use<S> {
        OpenTelemetryTracingBridge::new(&self.provider).with_filter(filter_fn(is_ours))
    }

    /// Sends what is left, if that takes no longer than some seconds.
    pub async fn close(&self) {
        self.exporting.close().await;
    }
}

fn is_ours(line: &Metadata<'_>) -> bool {
    let root = line.target().split("::").next().unwrap_or_default();
    !SENDING.contains(&root) && !root.starts_with("opentelemetry")
}
