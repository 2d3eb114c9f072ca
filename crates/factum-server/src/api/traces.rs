//! What the API's own work leaves in traces: spans of appends, and in the events the trace that they
//! came of. Without a tracer, and for who says no trace, nothing is made.

use factum_store::NewEvent;
use opentelemetry::KeyValue;

use super::{Api, ApiError};
use crate::observe::{Span, TraceContext};

/// Endings that are no answer to what was asked.
const FAULTS: [&str; 3] = ["busy", "failed", "outcome_unknown"];

impl Api {
    /// An append of so many events is handed in.
    pub(super) fn begin_append(
        &self,
        ledger: &str,
        events: usize,
        within: Option<&TraceContext>,
    ) -> Option<Span> {
        let tracer = self.tracer.as_ref()?;
        let attributes = vec![
            KeyValue::new("factum.ledger", ledger.to_owned()),
            KeyValue::new("factum.events", events as i64),
        ];
        Some(tracer.begin("append", within, attributes))
    }
}

/// It is durable, or was not done; the words are those of the metrics.
pub(super) fn end_append(span: Option<Span>, error: Option<&ApiError>) {
    let Some(mut span) = span else { return };
    let ending = error.map_or("accepted", ApiError::ending);
    span.say(KeyValue::new("factum.ending", ending));
    span.end(FAULTS.contains(&ending).then_some(ending));
}

/// What is done from here on is part of the span, or else of what the caller said.
pub(super) fn context<'a>(
    span: &'a Option<Span>,
    caller: Option<&'a TraceContext>,
) -> Option<&'a TraceContext> {
    span.as_ref().map(Span::context).or(caller)
}

/// Notes the trace in events that do not name one themselves.
pub(super) fn stamp(events: &mut [NewEvent], trace: Option<&TraceContext>) {
    let Some(trace) = trace else { return };
    for event in events {
        event.envelope.trace.get_or_insert_with(|| trace.text().clone());
    }
}
