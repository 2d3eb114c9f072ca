//! What strangers learn: the same, however oddly they ask, over every protocol.

use tonic::{Code, codegen::Service};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};

use crate::{
    client::{Answer, Request, raw},
    guarded::{Guarded, learnt},
};

/// Addresses of what is there, of what is not, and of what is neither.
const PATHS: &[&str] = &[
    "/",
    "//",
    "/v1",
    "/v1/",
    "/v1/ledgers",
    "/v1/ledgers/",
    "/v1/ledgers/bank",
    "/v1/ledgers/none",
    "/v1/ledgers/_access/events",
    "/v1/ledgers/%zz",
    "/v1/ledgers/b%61nk",
    "/V1/LEDGERS",
    "/v1/tokens/0000000000000000",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/docs/style.css",
    "/health/",
    "/health/../v1/ledgers/bank",
    "/%68ealth",
    "/HEALTH",
    "/problems/../docs",
    "/problems/a/b",
    "/favicon.ico",
    "/.well-known/openid-configuration",
    "/factum.v1.Ledgers/ListLedgers",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "http://localhost/v1/ledgers",
];

const METHODS: &[&str] =
    &["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "HEAD", "PROPFIND", "PRI"];

const HEADERS: &[(&str, &str)] = &[
    ("Accept-Encoding", "gzip, zstd"),
    ("Accept", "text/html"),
    ("Accept", "text/event-stream"),
    ("Range", "bytes=0-1"),
    ("If-None-Match", "*"),
    ("X-Forwarded-For", "127.0.0.1"),
    ("X-HTTP-Method-Override", "DELETE"),
    ("Cookie", "token=x"),
    ("Authorization", "Bearer eyJhbGciOiJub25lIn0.e30."),
    ("Proxy-Authorization", "Bearer x"),
    ("Expect", "100-continue"),
    ("Upgrade", "h2c"),
    ("Last-Event-ID", "0"),
    ("factum-ledger", "bank"),
];

/// What a stranger is answered who asks plainly.
async fn plain(server: &Guarded) -> (u16, Vec<(String, String)>, String) {
    let expected = learnt(&Request::new("GET", "/v1/ledgers").send(server.world.address).await);
    assert_eq!(expected.0, 401);
    expected
}

#[tokio::test]
async fn whatever_is_asked_for_in_whatever_way_the_answer_is_the_same() {
    let server = Guarded::start().await;
    let expected = plain(&server).await;
    let without_body = (expected.0, expected.1.clone(), String::new());
    for method in METHODS {
        let expected = if *method == "HEAD" { &without_body } else { &expected };
        for path in PATHS {
            let answer = Request::new(method, path).send(server.world.address).await;
            assert_eq!(learnt(&answer), *expected, "{method} {path}");
        }
    }
    for (name, value) in HEADERS {
        for path in PATHS {
            let request = Request::new("GET", path).header(name, value);
            let answer = request.send(server.world.address).await;
            assert_eq!(learnt(&answer), expected, "{name}: {value} at {path}");
        }
    }
}

/// A tunnel, the whole server, and bodies that are never read.
#[tokio::test]
async fn odd_requests_of_strangers_are_answered_alike() {
    let server = Guarded::start().await;
    let (expected, host) = (plain(&server).await, server.world.address);
    for head in [
        format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        format!("OPTIONS * HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"),
        format!(
            "POST /v1/ledgers/bank/events HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Transfer-Encoding: chunked\r\n\r\n5\r\n{{\"a\":\r\n0\r\n\r\n"
        ),
        format!(
            "POST /v1/ledgers/none/events HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\
             Content-Length: 99999999999\r\n\r\n"
        ),
    ] {
        let answer = Answer::of(&raw(host, head.as_bytes()).await);
        assert_eq!(learnt(&answer), expected, "{head}");
    }
}

#[tokio::test]
async fn over_http_2_strangers_learn_as_little() {
    let server = Guarded::start().await;
    let expected = plain(&server).await;
    let mut channel = server.world.channel().await;
    for method in METHODS.iter().filter(|method| **method != "PRI") {
        for path in PATHS.iter().filter(|path| path.starts_with('/')) {
            let request = http::Request::builder().method(*method).uri(*path);
            let request = request.body(tonic::body::Body::empty()).expect("a request");
            std::future::poll_fn(|cx| channel.poll_ready(cx)).await.expect("is there");
            let answer = channel.call(request).await.expect("an answer");
            assert_eq!(answer.status().as_u16(), 401, "{method} {path}");
            let mut names: Vec<_> = answer.headers().keys().map(ToString::to_string).collect();
            names.retain(|name| name != "date" && name != "x-request-id");
            let wanted = expected.1.iter().map(|(name, _)| name.clone());
            let mut wanted: Vec<_> = wanted.filter(|name| name != "connection").collect();
            names.sort();
            wanted.sort();
            assert_eq!(names, wanted, "{method} {path}");
        }
    }
}

/// Over gRPC every service and method there is or is not is answered alike, whatever is sent.
#[tokio::test]
async fn over_grpc_strangers_learn_nothing_of_services_and_methods() {
    let server = Guarded::start().await;
    let ask = async |path: &str, media: &str, body: &[u8]| {
        let request = Request::new("POST", path).header("Content-Type", media).body(body);
        learnt(&request.header("TE", "trailers").send(server.world.address).await)
    };
    for (begins, paths) in [
        (
            "factum",
            &[
                "/factum.v1.Ledgers/ListLedgers",
                "/factum.v1.Ledgers/Nothing",
                "/factum.v1.Nothing/Nothing",
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                "/grpc.health.v1.Health/List",
                "/grpc.health.v1.Health/Check/more",
                "/health",
                "/v1/ledgers",
                "/",
            ][..],
        ),
        ("umadb", &["/umadb.v1.DCB/Head", "/umadb.v1.DCB/Nothing"][..]),
    ] {
        let expected = ask(paths[0], "application/grpc", &[0; 5]).await;
        let status = expected.1.iter().find(|(name, _)| name == "grpc-status");
        assert_eq!(status.map(|(_, value)| &**value), Some("16"), "{begins}: {expected:?}");
        for path in paths.iter().filter(|path| **path != "/health") {
            for media in ["application/grpc", "application/grpc+proto", "APPLICATION/GRPC"] {
                for body in [&[0; 5][..], b"", &[1; 64]] {
                    assert_eq!(ask(path, media, body).await, expected, "{path} {media} {body:?}");
                }
            }
        }
    }
}

/// Whoever looks after a server is told that it lives; how much is there, and how it is, is not told.
#[tokio::test]
async fn health_names_and_counts_nothing_for_strangers() {
    let server = Guarded::start().await;
    for (path, status) in [("/health", "ok"), ("/ready", "ready")] {
        let stranger = server.world.get(path).await.ok();
        assert_eq!(stranger, serde_json::json!({ "status": status }), "{path}");
        let known = server.get(&server.admin, path).await.ok();
        assert_eq!((&known["ledgers"], &known["views"]), (&1.into(), &1.into()), "{path}");
    }
    let full = Guarded::with(|config| config.disk_free_bytes_min = u64::MAX).await;
    let said = full.world.get("/ready").await.problem("not-ready");
    assert!(!said.to_string().contains("bytes"), "{said}");
    let said = full.get(&full.admin, "/ready").await.problem("not-ready");
    assert!(said.to_string().contains("bytes are free"), "{said}");
}

/// Streams that strangers may open are few, and take no place of anybody who is known.
#[tokio::test]
async fn strangers_who_watch_are_bounded() {
    let server = Guarded::start().await;
    let mut health = HealthClient::new(server.world.channel().await);
    let mut open = Vec::new();
    let refused = loop {
        match health.watch(HealthCheckRequest::default()).await {
            Ok(stream) => open.push(stream),
            Err(status) => break status,
        }
        assert!(open.len() <= 64, "there is no bound");
    };
    assert_eq!((refused.code(), open.len()), (Code::ResourceExhausted, 64));
    let mut known = tonic::Request::new(HealthCheckRequest::default());
    known.metadata_mut().insert("authorization", server.admin.parse().expect("a value"));
    health.watch(known).await.expect("has no need of a place");
    open.pop();
    while health.watch(HealthCheckRequest::default()).await.is_err() {
        tokio::task::yield_now().await;
    }
}
