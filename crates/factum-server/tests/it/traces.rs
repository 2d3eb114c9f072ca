//! Traces, held against a collector that takes OTLP as real ones do: from the caller's `traceparent`
//! to the request, the command, its events, the view that applies them and who follows the ledger; and
//! the log lines that name them.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use factum_proto::v1;
use factum_server::{Config, Logs};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{
            ExportLogsServiceRequest, ExportLogsServiceResponse,
            logs_service_server::{LogsService, LogsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{KeyValue, any_value::Value as Attribute},
    logs::v1::LogRecord,
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify};
use tonic::{Response, Status, transport::Server, transport::server::TcpIncoming};
use tracing_subscriber::{layer::SubscriberExt as _, registry};

use crate::{client::Request, world::World};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";
const OPEN: &str = "/v1/ledgers/bank/commands/open";

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// Of another trace.
const OTHER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// What a collector was sent.
#[derive(Clone, Default)]
struct Collected {
    spans: Arc<Mutex<Vec<Span>>>,
    /// Log lines, each with what wrote it.
    lines: Arc<Mutex<Vec<(String, LogRecord)>>>,
    resource: Arc<Mutex<Vec<KeyValue>>>,
    /// Told of each export.
    came: Arc<Notify>,
    /// Whether it takes nothing.
    refuses: bool,
}

#[tonic::async_trait]
impl TraceService for Collected {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        if self.refuses {
            self.came.notify_one();
            return Err(Status::invalid_argument("nothing of yours"));
        }
        for of_resource in request.into_inner().resource_spans {
            let resource = of_resource.resource.expect("says who it is");
            *self.resource.lock().expect("is held shortly") = resource.attributes;
            let spans = of_resource.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.spans.lock().expect("is held shortly").extend(spans);
        }
        self.came.notify_one();
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl LogsService for Collected {
    async fn export(
        &self,
        request: tonic::Request<ExportLogsServiceRequest>,
    ) -> Result<Response<ExportLogsServiceResponse>, Status> {
        for of_resource in request.into_inner().resource_logs {
            let resource = of_resource.resource.expect("says who it is");
            *self.resource.lock().expect("is held shortly") = resource.attributes;
            for scope in of_resource.scope_logs {
                let target = scope.scope.expect("says what wrote it").name;
                let lines = scope.log_records.into_iter().map(|line| (target.clone(), line));
                self.lines.lock().expect("is held shortly").extend(lines);
            }
        }
        Ok(Response::new(ExportLogsServiceResponse::default()))
    }
}

impl Collected {
    /// A collector on a free port.
    async fn listening(refuses: bool) -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let collected = Self { refuses, ..Self::default() };
        let services = Server::builder()
            .add_service(TraceServiceServer::new(collected.clone()))
            .add_service(LogsServiceServer::new(collected.clone()));
        tokio::spawn(services.serve_with_incoming(TcpIncoming::from(listener)));
        (collected, url)
    }

    fn all(&self) -> Vec<Span> {
        self.spans.lock().expect("is held shortly").clone()
    }

    /// The only span of this name.
    #[track_caller]
    fn one(&self, name: &str) -> Span {
        let all = self.all();
        let names: Vec<_> = all.iter().map(|span| span.name.clone()).collect();
        let mut found = all.into_iter().filter(|span| span.name == name);
        let one = found.next().unwrap_or_else(|| panic!("no span {name:?} in {names:?}"));
        assert!(found.next().is_none(), "several {name:?} in {names:?}");
        one
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn said(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |value: &Attribute| match value {
        Attribute::StringValue(text) => text.clone(),
        Attribute::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let each = |one: &KeyValue| {
        let value = one.value.as_ref().and_then(|value| value.value.as_ref());
        (one.key.clone(), value.map(text).unwrap_or_default())
    };
    attributes.iter().map(each).collect()
}

#[track_caller]
fn is_child_of(child: &Span, parent: &Span) {
    assert_eq!(hex(&child.parent_span_id), hex(&parent.span_id), "{} is elsewhere", child.name);
    assert_eq!(hex(&child.trace_id), hex(&parent.trace_id));
}

/// A server whose spans go there.
async fn traced(endpoint: &str) -> World {
    World::with(|config| config.otlp_endpoint = Some(endpoint.to_owned())).await
}

async fn events(world: &World) -> Vec<Value> {
    let page = world.get("/v1/ledgers/bank/events").await.ok();
    page["events"].as_array().expect("a list").clone()
}

#[tokio::test]
async fn a_command_is_one_trace_from_its_caller_to_the_view() {
    let (collected, url) = Collected::listening(false).await;
    let world = traced(&url).await;
    let ask = Request::new("POST", OPEN).header("traceparent", TRACEPARENT);
    let ask = ask.header("tracestate", "shop=1").json(r#"{"account":"a"}"#);
    let last = ask.send(world.address).await.ok()["receipt"]["last"].clone();
    world.get(&format!("/v1/ledgers/bank/views/accounts/a?after={last}")).await.ok();
    let events = events(&world).await;
    world.stop().await;

    let request = collected.one("POST /v1/ledgers/{ledger}/commands/{command}");
    assert_eq!(
        (hex(&request.trace_id), hex(&request.parent_span_id)),
        (TRACE.into(), CALLER.into())
    );
    assert_eq!((request.kind(), &*request.trace_state), (SpanKind::Server, "shop=1"));
    let of_request = said(&request.attributes);
    assert_eq!(of_request["http.route"], "/v1/ledgers/{ledger}/commands/{command}");
    assert_eq!(of_request["http.response.status_code"], "200");
    let command = collected.one("command open");
    is_child_of(&command, &request);
    assert_eq!(said(&command.attributes)["factum.ledger"], "bank");
    for name in ["decide", "append"] {
        is_child_of(&collected.one(name), &command);
    }
    let stored = format!("00-{TRACE}-{}-01", hex(&command.span_id));
    assert!(events.len() >= 2);
    assert!(events.iter().all(|event| event["trace"] == stored), "{events:?}");
    // Other requests of this test are traces of their own.
    let projected: Vec<_> =
        collected.all().into_iter().filter(|span| span.name == "project accounts").collect();
    assert!(!projected.is_empty());
    for view in projected {
        is_child_of(&view, &command);
        assert_eq!(view.kind(), SpanKind::Consumer);
        let links: Vec<_> = view.links.iter().map(|link| hex(&link.span_id)).collect();
        assert_eq!(links, [hex(&command.span_id)]);
    }
    let resource = said(&collected.resource.lock().expect("is held shortly"));
    assert_eq!(resource["service.name"], "factum");
}

#[tokio::test]
async fn a_refused_command_is_no_error_of_the_trace_and_its_record_carries_it() {
    let (collected, url) = Collected::listening(false).await;
    let world = traced(&url).await;
    let ask = Request::new("POST", "/v1/ledgers/bank/commands/withdraw");
    let ask = ask.header("traceparent", TRACEPARENT).json(r#"{"account":"a","cents":1}"#);
    ask.send(world.address).await.problem("refused");
    let records = world.get("/v1/ledgers/bank/events?type=$command").await.ok();
    world.stop().await;
    let command = collected.one("command withdraw");
    assert_eq!(said(&command.attributes)["factum.ending"], "refused");
    let code = command.status.as_ref().map_or(0, |status| status.code);
    assert_ne!(code, StatusCode::Error as i32);
    let stored = format!("00-{TRACE}-{}-01", hex(&command.span_id));
    assert_eq!(records["events"][0]["trace"], stored);
}

#[tokio::test]
async fn a_log_line_of_a_request_names_its_trace() {
    let (collected, url) = Collected::listening(false).await;
    let config = Config { otlp_endpoint: Some(url.clone()), ..Config::default() };
    let logs = Logs::start(&config).expect("can be sent").expect("are sent");
    let heeded = tracing::subscriber::set_default(registry().with(logs.layer()));
    let world = traced(&url).await;
    let ask = Request::new("POST", "/v1/ledgers/bank/commands/withdraw");
    let ask = ask.header("traceparent", TRACEPARENT).json(r#"{"account":"a","cents":1}"#);
    ask.send(world.address).await.problem("refused");
    tracing::info!("of no request");
    world.stop().await;
    drop(heeded);
    logs.close().await;

    let lines = collected.lines.lock().expect("is held shortly").clone();
    let problem = |line: &LogRecord| said(&line.attributes).remove("problem");
    let refused = lines.iter().find(|(_, line)| problem(line).as_deref() == Some("refused"));
    let (target, refused) = refused.expect("the refusal is logged");
    assert_eq!((&*hex(&refused.trace_id), &*refused.severity_text), (TRACE, "DEBUG"));
    let request = collected.one("POST /v1/ledgers/{ledger}/commands/{command}");
    assert_eq!(hex(&refused.span_id), hex(&request.span_id));
    assert!(target.starts_with("factum_server"), "{target}");
    let other = lines.iter().find(|(target, _)| target.starts_with("it::"));
    assert!(other.expect("is logged").1.trace_id.is_empty());
    // What sending logs is not sent: it would never end.
    let own = |target: &str| target.starts_with("factum") || target.starts_with("it::");
    assert!(lines.iter().all(|(target, _)| own(target)), "{lines:?}");
    let resource = said(&collected.resource.lock().expect("is held shortly"));
    assert_eq!(resource["service.name"], "factum");
}

#[tokio::test]
async fn an_append_carries_its_trace_to_who_follows_over_each_face() {
    let (collected, url) = Collected::listening(false).await;
    let world = traced(&url).await;
    let mut follower = world.follow("/v1/ledgers/bank/events").await;
    let body = json!({ "events": [
        { "type": "a", "data": 1 }, { "type": "b", "data": 2, "trace": "my own" },
    ] })
    .to_string();
    let ask = Request::new("POST", "/v1/ledgers/bank/events");
    let ask = ask.header("traceparent", TRACEPARENT).json(&body);
    ask.send(world.address).await.ok();
    let mut ledgers = world.ledgers().await;
    let mut append = tonic::Request::new(v1::AppendRequest {
        ledger: "bank".into(),
        events: vec![v1::NewEvent { r#type: "c".into(), data: "3".into(), ..Default::default() }],
        ..Default::default()
    });
    append.metadata_mut().insert("traceparent", TRACEPARENT.parse().expect("is text"));
    ledgers.append(append).await.expect("is appended");
    let mut traces = Vec::new();
    while traces.len() < 3 {
        let frame = follower.next().await.expect("goes on");
        if frame.event == "event" {
            traces.push(frame.json()["trace"].as_str().expect("text").to_owned());
        }
    }
    drop(follower);
    world.stop().await;
    let appends = collected.all().into_iter().filter(|span| span.name == "append");
    let appends: Vec<_> = appends.map(|span| (span.span_id.clone(), span)).collect();
    assert_eq!(appends.len(), 2);
    let of = |n: usize| format!("00-{TRACE}-{}-01", hex(&appends[n].0));
    assert_eq!(traces, [of(0), "my own".to_owned(), of(1)]);
    is_child_of(&appends[0].1, &collected.one("POST /v1/ledgers/{ledger}/events"));
    let called = collected.one("factum.v1.Ledgers/Append");
    is_child_of(&appends[1].1, &called);
    assert_eq!((hex(&called.parent_span_id), called.kind()), (CALLER.into(), SpanKind::Server));
    assert!(appends.iter().all(|(_, span)| said(&span.attributes)["factum.ending"] == "accepted"));
    assert_eq!(said(&called.attributes)["rpc.grpc.status_code"], "0");
}

#[tokio::test]
async fn what_a_client_makes_up_is_no_name_of_a_span_and_a_conflict_is_no_error() {
    let (collected, url) = Collected::listening(false).await;
    let world = traced(&url).await;
    world.get("/v1/made-up").await.problem("unknown-route");
    let mut grpc = Request::new("POST", "/factum.v1.Ledgers/MadeUp");
    grpc.headers.push(("Content-Type", "application/grpc"));
    grpc.body(b"\0\0\0\0\0").send(world.address).await;
    let body = r#"{"events":[{"type":"a","data":1}],"conditions":[{"stream":"s","revision":3}]}"#;
    world.post("/v1/ledgers/bank/events", body).await.problem("conflict");
    world.stop().await;
    let all = collected.all();
    let names: Vec<_> = all.iter().map(|span| &*span.name).collect();
    let expected = ["GET none", "factum.v1.Ledgers", "append", "POST /v1/ledgers/{ledger}/events"];
    assert_eq!(names, expected);
    let append = collected.one("append");
    assert_eq!(said(&append.attributes)["factum.ending"], "conflict");
    let errors = all.iter().filter(|span| {
        span.status.as_ref().is_some_and(|status| status.code == StatusCode::Error as i32)
    });
    assert_eq!(errors.count(), 0);
}

#[tokio::test]
async fn a_view_that_applies_events_of_several_traces_is_linked_to_each() {
    let (collected, url) = Collected::listening(false).await;
    let world = traced(&url).await;
    let quiet = "00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";
    let moved = |trace: &str| {
        let data = json!({ "account": "a", "cents": 1 });
        json!({ "type": "account.moved", "data": data, "tags": ["account:a"], "trace": trace })
    };
    let body = json!({ "events": [moved(TRACEPARENT), moved(OTHER), moved(quiet), moved("x")] });
    let last = world.post("/v1/ledgers/bank/events", &body.to_string()).await.ok();
    let last = &last["receipt"]["last"];
    world.get(&format!("/v1/ledgers/bank/views/accounts/a?after={last}")).await.ok();
    world.stop().await;
    let all = collected.all();
    let views: Vec<_> = all.iter().filter(|span| span.name == "project accounts").collect();
    let links = views.iter().flat_map(|view| &view.links).map(|link| hex(&link.trace_id));
    assert_eq!(links.collect::<Vec<_>>(), [TRACE, "0af7651916cd43dd8448eb211c80319c"]);
}

#[tokio::test]
async fn without_an_endpoint_the_callers_own_trace_is_kept_and_nothing_else_is_made() {
    let world = World::start().await;
    let key = |trace: &'static str| {
        let ask = Request::new("POST", "/v1/ledgers/bank/events").header("Idempotency-Key", "k");
        let ask = ask.header("traceparent", trace).json(r#"{"events":[{"type":"a","data":1}]}"#);
        ask.send(world.address)
    };
    key(TRACEPARENT).await.ok();
    // A retry is another request, of another trace perhaps, and the same append.
    let again = key(OTHER).await.ok();
    assert_eq!(again["replayed"], true);
    let ask = Request::new("POST", OPEN).header("traceparent", TRACEPARENT);
    ask.json(r#"{"account":"a"}"#).send(world.address).await.ok();
    for wrong in ["", "00-1-2-01", &TRACEPARENT.to_uppercase(), &"0".repeat(4_000)] {
        let ask = Request::new("POST", "/v1/ledgers/bank/events").header("traceparent", wrong);
        ask.json(r#"{"events":[{"type":"wrong","data":1}]}"#).send(world.address).await.ok();
    }
    for event in events(&world).await {
        let expected = if event["type"] == "wrong" { Value::Null } else { json!(TRACEPARENT) };
        assert_eq!(event["trace"], expected, "{event}");
    }
    assert_eq!(counted(&world, "factum_spans_exported_total").await, 0);
}

/// The value of a metric.
async fn counted(world: &World, name: &str) -> u64 {
    let answer = Request::new("GET", "/metrics").send(world.address).await;
    let line = answer.text().lines().find_map(|line| line.strip_prefix(name)).expect("is counted");
    line.trim().parse().expect("a number")
}

#[tokio::test]
async fn spans_that_nobody_takes_are_counted_and_hold_up_nothing() {
    let (collected, url) = Collected::listening(true).await;
    let world = traced(&url).await;
    world.append("a", &[json!(1)]).await;
    collected.came.notified().await;
    while counted(&world, "factum_spans_failed_total").await == 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    world.append("a", &[json!(2)]).await;
    assert_eq!(counted(&world, "factum_spans_exported_total").await, 0);
    world.stop().await;
}

#[tokio::test]
async fn g11_a_collector_that_hangs_costs_spans_and_nothing_else() {
    // It accepts connections and says nothing: the queue fills up, and what is too much is dropped.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let hanging = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
    });
    let world = traced(&format!("http://{address}")).await;
    let mut asked = 0;
    while counted(&world, "factum_spans_dropped_total").await == 0 {
        for _ in 0..200 {
            world.get("/v1/ledgers/bank").await.ok();
        }
        asked += 200;
        assert!(asked <= 20_000, "the queue is bounded");
    }
    world.append("a", &[json!(1)]).await;
    hanging.abort();
    world.stop().await;
}

#[tokio::test]
async fn settings_that_no_span_can_be_sent_with_start_no_server() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = factum::Store::open(dir.path().to_str().expect("a path")).expect("opens");
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let endpoint = Some("nowhere at all".to_owned());
    let config = Config { otlp_endpoint: endpoint, ..Config::at(listen) };
    let refused = factum_server::Server::bind(config, &store, []).await;
    let said = refused.err().expect("is refused").to_string();
    assert!(said.contains("nowhere at all"), "{said}");
}

#[tokio::test]
async fn an_application_elsewhere_says_its_trace_in_its_events() {
    let world = World::start().await;
    let app = factum::App::open(format!("http://{}/bank", world.address));
    let app = app.domain(crate::bank::domain()).await.expect("opens");
    let open = crate::bank::Open { account: "a".parse().expect("an id") };
    app.run(open).trace(TRACEPARENT).await.expect("is done");
    let all = events(&world).await;
    assert!(all.len() >= 2 && all.iter().all(|event| event["trace"] == TRACEPARENT), "{all:?}");
}
