//! What the framework tells of commands and views, as spans. A view's work is part of the trace that
//! its events came of; when they came of several, it is linked to each.

use std::sync::Arc;

use factum::{AppBuilder, Ending, Observed, Observer, Step};
use factum_store::RecordedEvent;
use opentelemetry::{KeyValue, trace::SpanKind};

use super::{
    TraceContext,
    trace::{LINKS_MAX, Planned, Span, Tracer},
};

/// Told of what happens on one ledger.
struct OnLedger {
    tracer: Arc<Tracer>,
    ledger: String,
}

/// The application of a ledger, observed if anybody wants to know.
pub(crate) fn observed(app: AppBuilder, ledger: &str, tracer: Option<&Arc<Tracer>>) -> AppBuilder {
    match tracer {
        None => app,
        Some(tracer) => {
            let (tracer, ledger) = (Arc::clone(tracer), ledger.to_owned());
            app.observed_by(Arc::new(OnLedger { tracer, ledger }))
        }
    }
}

/// A step, if it is part of a trace.
struct Doing(Option<Span>);

impl Observer for OnLedger {
    fn begin(&self, step: Step<'_>, within: Option<&str>) -> Box<dyn Observed> {
        let within = within.and_then(TraceContext::parse);
        let ledger = KeyValue::new("factum.ledger", self.ledger.clone());
        let begin = |name: String, said: Vec<KeyValue>| {
            let attributes = [vec![ledger.clone()], said].concat();
            Some(self.tracer.begin(name, within.as_ref(), attributes))
        };
        let number = |name: &'static str, number: usize| KeyValue::new(name, number as i64);
        Box::new(Doing(match step {
            Step::Command { name } => {
                let command = KeyValue::new("factum.command", name.to_owned());
                begin(format!("command {name}"), vec![command])
            }
            Step::Decide { attempt } => {
                begin("decide".into(), vec![number("factum.attempt", attempt as usize)])
            }
            Step::Append { events } => {
                begin("append".into(), vec![number("factum.events", events)])
            }
            Step::Project { view, events } => self.project(view, events),
            _ => None,
        }))
    }
}

impl OnLedger {
    /// Events that came of no trace are applied without a span: a rebuild is not traced.
    fn project(&self, view: &str, events: &[RecordedEvent]) -> Option<Span> {
        let mut links: Vec<TraceContext> = Vec::new();
        for event in events {
            let Some(trace) = event.envelope.trace.as_deref() else { continue };
            if links.len() < LINKS_MAX && links.iter().all(|known| &**known.text() != trace) {
                let parsed = TraceContext::parse(trace);
                links.extend(parsed.filter(|context| context.span().is_sampled()));
            }
        }
        let first = links.first()?.clone();
        let alone = links.iter().all(|link| link.trace_id() == first.trace_id());
        let position = |event: Option<&RecordedEvent>| event.map_or(0, |e| e.position.0 as i64);
        let attributes = vec![
            KeyValue::new("factum.ledger", self.ledger.clone()),
            KeyValue::new("factum.view", view.to_owned()),
            KeyValue::new("factum.events", events.len() as i64),
            KeyValue::new("factum.first_position", position(events.first())),
            KeyValue::new("factum.last_position", position(events.last())),
        ];
        Some(self.tracer.plan(Planned {
            name: format!("project {view}"),
            kind: SpanKind::Consumer,
            parent: alone.then_some(&first),
            links,
            attributes,
        }))
    }
}

impl Observed for Doing {
    fn trace(&self) -> Option<&str> {
        self.0.as_ref().map(|span| &**span.context().text())
    }

    fn end(self: Box<Self>, ending: Ending) {
        let Some(mut span) = self.0 else { return };
        let (said, wrong) = match ending {
            Ending::Done => ("done", None),
            Ending::Refused => ("refused", None),
            Ending::Conflict => ("conflict", None),
            _ => ("failed", Some("failed")),
        };
        span.say(KeyValue::new("factum.ending", said));
        span.end(wrong);
    }
}
