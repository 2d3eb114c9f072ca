//! `/metrics`, `/ready` and request ids, as those see them who watch a server.

use std::{collections::BTreeMap, sync::Arc};

use factum::{
    App,
    store::{
        Append, AppendError, BoxFuture, BoxStream, EventId, Head, IdempotencyKey, Ledger, Page,
        Position, Read, ReadError, Receipt, RecordedEvent, Signal, StreamInfo, StreamName,
        Subscribe, Timestamp,
        memory::{MemoryLedger, MemoryViewStore},
    },
};
use serde_json::json;

use crate::{bank, client::Request, world::World};

const OPEN: &str = "/v1/ledgers/bank/commands/open";
const WITHDRAW: &str = "/v1/ledgers/bank/commands/withdraw";

/// The samples, by name and labels.
async fn samples(world: &World) -> BTreeMap<String, f64> {
    let answer = world.get("/metrics").await;
    assert_eq!(answer.status, 200);
    let media = answer.header("content-type").expect("is said");
    assert!(media.starts_with("application/openmetrics-text"), "{media}");
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"));
    let samples = text.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (name, value) = line.rsplit_once(' ').expect("a name and a value");
        (name.to_owned(), value.parse().expect("a number"))
    });
    samples.collect()
}

#[tokio::test]
async fn what_happened_is_counted_by_ledger_command_and_view() {
    let world = World::start().await;
    world.append("a", &[json!("four"), json!(2)]).await;
    world.post(OPEN, r#"{"account":"a"}"#).await.ok();
    world.post(OPEN, r#"{"account":"a"}"#).await.problem("refused");
    world.get("/v1/ledgers/bank/events").await.ok();
    world.get("/v1/ledgers/bank/views/accounts/a?after=4").await.ok();
    let no_match = r#"{"events":[{"type":"a","data":1}],
        "conditions":[{"no_match":[{"types":["a"]}],"after":0}]}"#;
    world.post("/v1/ledgers/bank/events", no_match).await.problem("conflict");
    let samples = samples(&world).await;
    for (name, value) in [
        (r#"factum_appends_total{ledger="bank",outcome="accepted"}"#, 1.0),
        (r#"factum_appends_total{ledger="bank",outcome="conflict"}"#, 1.0),
        (r#"factum_append_duration_seconds_count{ledger="bank"}"#, 2.0),
        (r#"factum_appended_bytes_total{ledger="bank"}"#, 7.0),
        (r#"factum_commands_total{ledger="bank",command="open",outcome="accepted"}"#, 1.0),
        (r#"factum_commands_total{ledger="bank",command="open",outcome="refused"}"#, 1.0),
        (r#"factum_reads_total{ledger="bank",outcome="answered"}"#, 1.0),
        (r#"factum_view_reads_total{ledger="bank",view="accounts",outcome="answered"}"#, 1.0),
        (r#"factum_view_failing{ledger="bank",view="accounts"}"#, 0.0),
        (r#"factum_ledger_accepts_appends{ledger="bank"}"#, 1.0),
        (r#"factum_places_refused_total{kind="commands"}"#, 0.0),
        ("factum_ready", 1.0),
        ("factum_connections", 1.0),
    ] {
        assert_eq!(samples.get(name), Some(&value), "{name} in {samples:#?}");
    }
    let head = samples[r#"factum_head_position{ledger="bank"}"#];
    assert_eq!(samples[r#"factum_events_total{ledger="bank"}"#], head);
    assert!(samples["process_resident_memory_bytes"] > 1e6);
    assert!(samples["process_cpu_seconds_total"] > 0.0);
    assert!(samples["process_open_fds"] > 3.0);
    assert!(samples[r#"factum_places{kind="queries"}"#] > 0.0);
    assert!(samples["factum_disk_free_bytes"] > 0.0);
}

/// Who is sent away at the gate is counted, and can name the request to whoever has the log.
#[tokio::test]
async fn requests_that_are_stopped_at_the_gate_are_counted_and_have_an_id() {
    let world = World::start().await;
    let evil = |method, path| Request::new(method, path).header("Host", "evil.example");
    let given = evil("GET", "/v1/ledgers").header("X-Request-Id", "req-7").send(world.address);
    assert_eq!(given.await.header("x-request-id"), Some("req-7"));
    let grpc = evil("POST", "/factum.v1.Ledgers/Head").header("Content-Type", "application/grpc");
    let stopped = grpc.body(&[0; 5]).send(world.address).await;
    assert_eq!(stopped.header("x-request-id").map(str::len), Some(16), "{stopped:?}");
    let samples = samples(&world).await;
    for labels in [
        r#"{face="http",route="gate",method="GET",status="403"}"#,
        r#"{face="grpc",route="gate",method="POST",status="7"}"#,
    ] {
        let name = format!("factum_requests_total{labels}");
        assert_eq!(samples.get(&name), Some(&1.0), "{name} in {samples:#?}");
    }
}

#[tokio::test]
async fn g12_what_clients_make_up_is_no_label() {
    let world = World::start().await;
    let before = samples(&world).await;
    for n in 0..20 {
        world.get(&format!("/made/up/{n}")).await.problem("unknown-route");
        world.get(&format!("/v1/ledgers/made-up-{n}")).await.problem("unknown-ledger");
        let made_up = format!("/v1/ledgers/bank/commands/made-up-{n}");
        world.post(&made_up, "{}").await.problem("unknown-command");
        world.get(&format!("/v1/ledgers/bank/views/made-up-{n}")).await.problem("unknown-view");
        Request::new(&format!("MADEUP{n}"), "/health").send(world.address).await;
        let mut grpc = Request::new("POST", "/factum.v1.Ledgers/MadeUp");
        grpc.headers.push(("Content-Type", "application/grpc"));
        grpc.body(b"").send(world.address).await;
    }
    let after = samples(&world).await;
    let made: Vec<_> = after.keys().filter(|name| !before.contains_key(*name)).collect();
    assert!(made.iter().all(|name| !name.to_lowercase().contains("made")), "{made:#?}");
    assert!(made.iter().any(|name| name.contains(r#"route="none""#)), "{made:#?}");
}

#[tokio::test]
async fn a_request_has_an_id_its_own_or_a_new_one() {
    let world = World::start().await;
    let given = Request::new("GET", "/health").header("X-Request-Id", "req-42");
    assert_eq!(given.send(world.address).await.header("x-request-id"), Some("req-42"));
    let bad = Request::new("GET", "/nothing").header("X-Request-Id", "a b\"");
    let made = bad.send(world.address).await;
    assert_eq!(made.header("x-request-id").map(str::len), Some(16), "{made:?}");
}

/// A ledger whose disk has failed once.
struct Failed(MemoryLedger);

impl Ledger for Failed {
    fn append(&self, _: Append) -> BoxFuture<'_, Result<Receipt, AppendError>> {
        Box::pin(async { Err(AppendError::Unavailable("an earlier write failed".into())) })
    }

    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        self.0.read(read)
    }

    fn subscribe(&self, subscribe: Subscribe) -> BoxStream<Result<Signal, ReadError>> {
        self.0.subscribe(subscribe)
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, ReadError>> {
        self.0.head()
    }

    fn stream(&self, stream: StreamName) -> BoxFuture<'_, Result<StreamInfo, ReadError>> {
        self.0.stream(stream)
    }

    fn event(&self, id: EventId) -> BoxFuture<'_, Result<Option<RecordedEvent>, ReadError>> {
        self.0.event(id)
    }

    fn receipt(&self, key: IdempotencyKey) -> BoxFuture<'_, Result<Option<Receipt>, AppendError>> {
        self.0.receipt(key)
    }

    fn position_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        self.0.position_at(time)
    }

    fn refuses_appends(&self) -> Option<String> {
        Some("an earlier write failed".into())
    }
}

#[tokio::test]
async fn a_server_is_ready_until_its_writer_has_stopped_or_its_disk_is_nearly_full() {
    let world = World::start().await;
    let ready = world.get("/ready").await.ok();
    assert_eq!((&ready["status"], &ready["ledgers"]), (&json!("ready"), &json!(1)));
    assert!(ready["disk_free_bytes"].as_u64().is_some_and(|free| free > 0), "{ready}");

    let full = World::with(|config| config.disk_free_bytes_min = u64::MAX).await;
    let said = full.get("/ready").await.problem("not-ready");
    assert!(said["detail"].as_str().is_some_and(|said| said.contains("make room")), "{said}");
    assert_eq!(full.get("/health").await.ok()["status"], "ok", "it lives");
    assert_eq!(samples(&full).await["factum_ready"], 0.0);

    let ledger = Arc::new(Failed(MemoryLedger::new()));
    let app = App::over(ledger, Arc::new(MemoryViewStore::new())).domain(bank::domain());
    let failed = World::over(app.await.expect("an application"), |_| {}).await;
    let said = failed.get("/ready").await.problem("not-ready");
    assert!(said["detail"].as_str().is_some_and(|said| said.contains("write failed")), "{said}");
    assert_eq!(failed.get("/health").await.ok()["status"], "degraded");
    let accepts = r#"factum_ledger_accepts_appends{ledger="bank"}"#;
    assert_eq!(samples(&failed).await[accepts], 0.0);
    let open = failed.post(OPEN, r#"{"account":"a"}"#).await;
    open.problem("unavailable");
    failed.post(WITHDRAW, "{}").await.problem("invalid");
    let endings = samples(&failed).await;
    let failing = r#"factum_commands_total{ledger="bank",command="open",outcome="failed"}"#;
    assert_eq!(endings[failing], 1.0);
}
