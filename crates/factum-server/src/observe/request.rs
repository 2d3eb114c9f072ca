//! The span of a request, in the words that OpenTelemetry has for HTTP and for gRPC.

use opentelemetry::{KeyValue, trace::SpanKind};

use super::{
    TraceContext,
    trace::{Planned, Span, Tracer},
};

/// Asked again and again by whoever watches the server; no part of anybody's work.
const WATCHED: [&str; 3] = ["/health", "/ready", "/metrics"];
/// There is no such method.
const UNIMPLEMENTED: &str = "12";
/// Statuses of gRPC that are the server's fault, by OpenTelemetry's conventions.
const GRPC_FAULTS: [&str; 5] = ["2", "4", "13", "14", "15"];

/// A request that is being answered; of a stream, until its answer has begun.
pub(super) struct RequestSpan {
    span: Span,
    /// Over gRPC, what was called: only known to be there when it was answered.
    called: Option<String>,
}

impl RequestSpan {
    /// Nothing for who only watches.
    pub(super) fn begin(
        tracer: &Tracer,
        face: &str,
        [method, route, path]: [&str; 3],
        parent: Option<&TraceContext>,
    ) -> Option<Self> {
        let (name, attributes, called) = match face {
            "grpc" => {
                let called = path.trim_start_matches('/');
                let service = called.split_once('/').map_or(called, |(service, _)| service);
                // A client can make up services; those that there are have a route.
                let service = if route == "none" { "grpc" } else { service };
                let said = vec![text("rpc.system", "grpc"), text("rpc.service", service)];
                (service.to_owned(), said, Some(called.to_owned()))
            }
            _ if WATCHED.contains(&route) => return None,
            _ => {
                let said = vec![text("http.request.method", method), text("http.route", route)];
                (format!("{method} {route}"), said, None)
            }
        };
        let kind = SpanKind::Server;
        let planned = Planned { name, kind, parent, links: Vec::new(), attributes };
        Some(Self { span: tracer.plan(planned), called })
    }

    pub(super) fn context(&self) -> &TraceContext {
        self.span.context()
    }

    pub(super) fn end(mut self, id: &str, status: &str) {
        let number = status.parse::<i64>().unwrap_or_default();
        let (name, fault) = match self.called {
            Some(called) => {
                if status != UNIMPLEMENTED {
                    let method = called.split_once('/').map_or("", |(_, method)| method);
                    self.span.say(text("rpc.method", method));
                    self.span.rename(called);
                }
                ("rpc.grpc.status_code", GRPC_FAULTS.contains(&status))
            }
            None => ("http.response.status_code", number >= 500),
        };
        self.span.say(KeyValue::new(name, number));
        self.span.say(text("factum.request_id", id));
        self.span.end(fault.then_some("the server failed"));
    }
}

fn text(name: &'static str, value: &str) -> KeyValue {
    KeyValue::new(name, value.to_owned())
}
