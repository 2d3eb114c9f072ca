//! [`Tracer`]: spans of what the server does, for whoever collects them by OTLP. Without one there are
//! no spans, and nothing is made for them. Names of ledgers, commands and views are in spans, data
//! never.

use std::sync::Arc;

use opentelemetry::{
    KeyValue,
    trace::{Link, Span as _, SpanBuilder, SpanKind, Status, Tracer as _, TracerProvider as _},
};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider, SpanExporter as _};

use super::{
    TraceContext,
    export::{ExportCounts, Exporting},
    otlp,
};
use crate::Config;

/// Traces that one span is linked to at most.
pub(super) const LINKS_MAX: usize = 32;

/// Makes spans.
pub(crate) struct Tracer {
    tracer: SdkTracer,
    exporting: Exporting,
}

/// Work that is being done, until it is [ended](Self::end).
pub(crate) struct Span {
    span: opentelemetry_sdk::trace::Span,
    context: TraceContext,
    ended: bool,
}

/// What a span is to be.
pub(super) struct Planned<'a> {
    pub(super) name: String,
    pub(super) kind: SpanKind,
    pub(super) parent: Option<&'a TraceContext>,
    pub(super) links: Vec<TraceContext>,
    pub(super) attributes: Vec<KeyValue>,
}

impl Tracer {
    /// Where spans are to go, if anywhere; see [`otlp`].
    ///
    /// # Errors
    /// What can't be used of the settings, in words.
    pub(crate) fn start(config: &Config) -> Result<Option<Arc<Self>>, String> {
        let variable = |name: &str| std::env::var(name).ok();
        let Some(there) = otlp::SPANS.destination(config, variable)? else { return Ok(None) };
        let (refused, exporter) = (there.refused(), SpanExporter::builder().with_tonic());
        let exporter = there.of(exporter).build();
        let mut exporter = exporter.map_err(|error| refused(error.to_string()))?;
        let resource = otlp::resource(variable);
        exporter.set_resource(&resource);
        let (exporting, queue) = Exporting::start(exporter);
        let provider =
            SdkTracerProvider::builder().with_span_processor(queue).with_resource(resource).build();
        let tracer = provider.tracer("factum");
        Ok(Some(Arc::new(Self { tracer, exporting })))
    }

    pub(crate) fn counts(&self) -> &ExportCounts {
        self.exporting.counts()
    }

    /// Sends what is left. Spans that end later are dropped, and counted.
    pub(crate) async fn close(&self) {
        self.exporting.close().await;
    }

    /// Work of the server's own, as part of what was asked.
    pub(crate) fn begin(
        &self,
        name: impl Into<String>,
        parent: Option<&TraceContext>,
        attributes: Vec<KeyValue>,
    ) -> Span {
        let name = name.into();
        let kind = SpanKind::Internal;
        self.plan(Planned { name, kind, parent, links: Vec::new(), attributes })
    }

    pub(super) fn plan(&self, planned: Planned<'_>) -> Span {
        let Planned { name, kind, parent, mut links, attributes } = planned;
        let parent = parent.map(TraceContext::current).unwrap_or_default();
        links.truncate(LINKS_MAX);
        let links = links.into_iter().map(|link| Link::with_context(link.span().clone()));
        let builder = SpanBuilder::from_name(name).with_kind(kind).with_attributes(attributes);
        let builder = builder.with_links(links.collect());
        let span = self.tracer.build_with_context(builder, &parent);
        let context = TraceContext::from(span.span_context().clone());
        Span { span, context, ended: false }
    }
}

impl Span {
    /// As what it is the parent of names it.
    pub(crate) fn context(&self) -> &TraceContext {
        &self.context
    }

    pub(crate) fn say(&mut self, attribute: KeyValue) {
        self.span.set_attribute(attribute);
    }

    pub(crate) fn rename(&mut self, name: String) {
        self.span.update_name(name);
    }

    /// It has ended; with what went wrong.
    pub(crate) fn end(mut self, wrong: Option<&'static str>) {
        if let Some(wrong) = wrong {
            self.span.set_status(Status::error(wrong));
        }
        self.ended = true;
        self.span.end();
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if !self.ended {
            self.span.set_status(Status::error("given up"));
            self.span.end();
        }
    }
}
