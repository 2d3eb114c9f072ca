//! Who may what, as a matrix: every route of HTTP and every method of gRPC, asked without a token,
//! with every right but the one that it needs, and with that right alone; as the holder of a token of
//! this server, and of a JWT of an issuer that it believes. The rows are what the server says of
//! itself, so none is missing; a row without a declared need fails.

use std::collections::BTreeSet;

use factum_proto::v1;
use prost::Message;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    client::{Answer, Request},
    guarded::Guarded,
    identity::issuer::{Issuer, Key},
    world::World,
};

/// What somebody needs for something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// Nothing: a stranger may ask.
    Nothing,
    /// To be known.
    Name,
    /// The right to these verbs on the ledger.
    On(&'static [&'static str]),
    /// The right to administer every ledger.
    Everything,
}

use Need::{Everything, Name, Nothing, On};

const READ: Need = On(&["read"]);
const APPEND: Need = On(&["append"]);
const ADMIN: Need = On(&["admin"]);
const COMMAND: Need = On(&["command"]);
/// What is kept of a stream is looked up and changed.
const KEEP: Need = On(&["append", "read"]);

/// The needs over HTTP, and a body that can be read; where there is none, the interface has one.
const ROUTES: &[(&str, &str, Need, &str)] = &[
    ("GET", "/", Name, ""),
    ("GET", "/openapi.json", Name, ""),
    ("GET", "/docs", Name, ""),
    ("GET", "/docs/style.css", Name, ""),
    ("GET", "/health", Nothing, ""),
    ("GET", "/ready", Nothing, ""),
    ("GET", "/metrics", READ, ""),
    ("GET", "/problems", Nothing, ""),
    ("GET", "/problems/{problem}", Nothing, ""),
    ("GET", "/v1/ledgers", Name, ""),
    ("POST", "/v1/ledgers", ADMIN, r#"{"name":"bank"}"#),
    ("GET", "/v1/ledgers/{ledger}", READ, ""),
    ("DELETE", "/v1/ledgers/{ledger}", ADMIN, ""),
    ("GET", "/v1/ledgers/{ledger}/events", READ, ""),
    ("GET", "/v1/ledgers/{ledger}/events/{event}", READ, ""),
    ("POST", "/v1/ledgers/{ledger}/queries", READ, r#"{"items":[{"types":["a"]}]}"#),
    ("GET", "/v1/ledgers/{ledger}/positions", READ, ""),
    ("GET", "/v1/ledgers/{ledger}/receipts/{key}", READ, ""),
    ("POST", "/v1/ledgers/{ledger}/events", APPEND, r#"{"events":[{"type":"a","data":1}]}"#),
    ("GET", "/v1/ledgers/{ledger}/streams/{stream}", READ, ""),
    ("POST", "/v1/ledgers/{ledger}/streams/{stream}/metadata", KEEP, r#"{"max_count":9}"#),
    ("POST", "/v1/ledgers/{ledger}/streams/{stream}/delete", KEEP, "{}"),
    ("POST", "/v1/ledgers/{ledger}/streams/{stream}/tombstone", KEEP, "{}"),
    ("POST", "/v1/ledgers/{ledger}/compactions", ADMIN, "{}"),
    ("GET", "/v1/ledgers/{ledger}/commands", READ, ""),
    ("POST", "/v1/ledgers/{ledger}/commands/{command}", COMMAND, r#"{"account":"a"}"#),
    ("GET", "/v1/ledgers/{ledger}/views", READ, ""),
    ("GET", "/v1/ledgers/{ledger}/views/{view}", READ, ""),
    ("GET", "/v1/ledgers/{ledger}/views/{view}/{key}", READ, ""),
    ("GET", "/v1/ledgers/{ledger}/folds", READ, ""),
    ("GET", "/v1/ledgers/{ledger}/folds/{fold}/{key}", READ, ""),
    ("GET", "/v1/ledgers/{ledger}/projectors", READ, ""),
    ("GET", "/v1/ledgers/{ledger}/projectors/{view}", READ, ""),
    ("POST", "/v1/ledgers/{ledger}/projectors/{view}/retry", ADMIN, "{}"),
    ("POST", "/v1/ledgers/{ledger}/projectors/{view}/rebuild", ADMIN, "{}"),
    ("GET", "/v1/ledgers/{ledger}/groups", READ, ""),
    ("POST", "/v1/ledgers/{ledger}/groups", ADMIN, ""),
    ("GET", "/v1/ledgers/{ledger}/groups/{group}", READ, ""),
    ("GET", "/v1/ledgers/{ledger}/groups/{group}/parked", READ, ""),
    ("POST", "/v1/ledgers/{ledger}/groups/{group}/delete", ADMIN, ""),
    ("POST", "/v1/ledgers/{ledger}/groups/{group}/settings", ADMIN, ""),
    ("POST", "/v1/ledgers/{ledger}/groups/{group}/pause", ADMIN, ""),
    ("POST", "/v1/ledgers/{ledger}/groups/{group}/resume", ADMIN, ""),
    ("POST", "/v1/ledgers/{ledger}/groups/{group}/reset", ADMIN, ""),
    ("POST", "/v1/ledgers/{ledger}/groups/{group}/requeue", ADMIN, ""),
    ("POST", "/v1/ledgers/{ledger}/groups/{group}/skip", ADMIN, ""),
    ("POST", "/v1/ledgers/{ledger}/groups/{group}/next", READ, ""),
    ("GET", "/v1/ledgers/{ledger}/groups/{group}/deliveries", READ, ""),
    ("POST", "/v1/ledgers/{ledger}/groups/{group}/ack", READ, ""),
    ("POST", "/v1/ledgers/{ledger}/groups/{group}/nack", READ, ""),
    ("POST", "/v1/ledgers/{ledger}/groups/{group}/extend", READ, ""),
    ("POST", "/v1/ledgers/{ledger}/verify", ADMIN, "{}"),
    ("GET", "/v1/jobs", Name, ""),
    ("GET", "/v1/jobs/{job}", Name, ""),
    ("POST", "/v1/jobs/{job}/cancel", Name, "{}"),
    ("GET", "/v1/backups", Everything, ""),
    ("POST", "/v1/backups", Everything, ""),
    ("GET", "/v1/config", Everything, ""),
    ("GET", "/v1/tokens", Everything, ""),
    (
        "POST",
        "/v1/tokens",
        Everything,
        r#"{"name":"new","rights":[{"verbs":["read"],"ledgers":["bank"]}]}"#,
    ),
    ("GET", "/v1/tokens/{token}", Everything, ""),
    ("POST", "/v1/tokens/{token}/rotate", Everything, "{}"),
    ("POST", "/v1/tokens/{token}/revoke", Everything, "{}"),
];

/// The needs over gRPC.
const METHODS: &[(&str, Need)] = &[
    ("/factum.v1.Ledgers/ListLedgers", Name),
    ("/factum.v1.Ledgers/Head", READ),
    ("/factum.v1.Ledgers/Append", APPEND),
    ("/factum.v1.Ledgers/AppendStream", APPEND),
    ("/factum.v1.Ledgers/Read", READ),
    ("/factum.v1.Ledgers/Subscribe", READ),
    ("/factum.v1.Ledgers/DescribeStream", READ),
    ("/factum.v1.Ledgers/FindEvent", READ),
    ("/factum.v1.Ledgers/FindReceipt", READ),
    ("/factum.v1.Ledgers/PositionAt", READ),
    ("/factum.v1.Commands/Run", COMMAND),
    ("/factum.v1.Consumers/Consume", READ),
    ("/factum.v1.Views/ListViews", READ),
    ("/factum.v1.Views/Ask", READ),
    ("/umadb.v1.DCB/Read", READ),
    ("/umadb.v1.DCB/Subscribe", READ),
    ("/umadb.v1.DCB/Append", APPEND),
    ("/umadb.v1.DCB/Head", READ),
    ("/umadb.v1.DCB/GetTrackingInfo", READ),
];

/// How something was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// To somebody who may, whatever else is wrong.
    Yes,
    /// To a stranger.
    WhoAreYou,
    /// To somebody who may not.
    No,
}

/// A server, and who asks it: strangers, those who have every right but one, and those who have that
/// one alone.
struct Row {
    server: Guarded,
    strangers: Vec<String>,
    wrong: Vec<String>,
    right: Vec<String>,
}

impl Row {
    async fn prepare(n: usize, need: Need) -> Self {
        let (key, issuer) = (Key::new("EdDSA"), Issuer::start().await);
        issuer.has(&[key.jwk("k")]);
        let settings = issuer.settings();
        let server = Guarded::with(|config| config.jwt = Some(settings)).await;
        let forged = issuer.bearer(&Key::new("EdDSA"), "k", "ann", &["read,admin on *"]);
        let all = ["append", "read", "command", "admin"];
        let but = |verbs: &[&str]| all.into_iter().filter(|verb| *verb != verbs[0]).collect();
        let (wrong, right, on): (Vec<_>, _, _) = match need {
            Nothing | Name => (Vec::new(), &["read"][..], "none"),
            On(verbs) => (but(verbs), verbs, "bank"),
            Everything => (but(&["admin"]), &["admin"][..], "*"),
        };
        let holders = async |name: &str, verbs: &[&str]| {
            if verbs.is_empty() {
                return Vec::new();
            }
            let rights = json!([{ "verbs": verbs, "ledgers": [on] }]);
            let (_, token) = server.token(&format!("{name}-{n}"), &rights).await;
            let right = format!("{} on {on}", verbs.join(","));
            vec![token, issuer.bearer(&key, "k", name, &[&right])]
        };
        let (wrong, right) = (holders("wrong", &wrong).await, holders("right", right).await);
        Self { server, strangers: vec![String::new(), "Bearer x".into(), forged], wrong, right }
    }
}

async fn over_http(world: &World, bearer: &str, method: &str, path: &str, body: &str) -> Said {
    let path = [
        ("{ledger}", "bank"),
        ("{stream}", "s"),
        ("{view}", "accounts"),
        ("{fold}", "account"),
        ("{key}", "a"),
        ("{command}", "open"),
        ("{problem}", "bug"),
        ("{group}", "g"),
        ("{event}", "1"),
        ("/positions", "/positions?at=2030-01-01T00:00:00Z"),
        ("{token}", "0000000000000000"),
        ("{job}", "0000000000000000"),
    ]
    .iter()
    .fold(path.to_owned(), |path, (name, value)| path.replace(name, value));
    let request = Request::new(method, &path).bearer(bearer);
    let request = if body.is_empty() { request } else { request.json(body) };
    let answer = request.send(world.address).await;
    match (answer.status, slug(&answer).as_str()) {
        (401, "unauthenticated") => Said::WhoAreYou,
        (403, "forbidden") | (404, "unknown-ledger") => Said::No,
        (401 | 403, other) => panic!("{method} {path} answered {other}"),
        _ => Said::Yes,
    }
}

fn slug(answer: &Answer) -> String {
    match answer.header("content-type") {
        Some("application/problem+json") => {
            let document = answer.json();
            let uri = document["type"].as_str().expect("a type");
            uri.trim_start_matches("/problems/").to_owned()
        }
        _ => String::new(),
    }
}

#[tokio::test]
async fn no_cell_of_http_is_empty_or_wrong() {
    let world = World::start().await;
    let index = world.get("/").await.ok();
    let routes = index["routes"].as_array().expect("a list").iter();
    let text = |value: &serde_json::Value| value.as_str().expect("text").to_owned();
    let routes: BTreeSet<_> =
        routes.map(|route| (text(&route["method"]), text(&route["path"]))).collect();
    let declared = ROUTES.iter().map(|(method, path, ..)| (method.to_string(), path.to_string()));
    assert_eq!(routes, declared.collect(), "a route has no need declared here, or is gone");
    let interface = world.get("/openapi.json").await.json();
    for (n, (method, path, need, body)) in ROUTES.iter().enumerate() {
        let content = &interface["paths"][path]["post"]["requestBody"]["content"];
        let body = match (*method, *body) {
            ("POST", "") => match &content["application/json"]["example"] {
                serde_json::Value::Null => "{}".to_owned(),
                example => example.to_string(),
            },
            (_, body) => body.to_owned(),
        };
        let row = Row::prepare(n, *need).await;
        let world = &row.server.world;
        let ask = async |bearer: &str| over_http(world, bearer, method, path, &body).await;
        let stranger = if *need == Nothing { Said::Yes } else { Said::WhoAreYou };
        for bearer in &row.strangers {
            assert_eq!(ask(bearer).await, stranger, "{method} {path} {bearer}");
        }
        for bearer in &row.wrong {
            assert_eq!(ask(bearer).await, Said::No, "{method} {path} with a wrong right, {bearer}");
        }
        for bearer in &row.right {
            assert_eq!(
                ask(bearer).await,
                Said::Yes,
                "{method} {path} with the right one, {bearer}"
            );
        }
    }
}

/// The services of a set of descriptors, as far as they are needed.
#[derive(Clone, PartialEq, prost::Message)]
struct Files {
    #[prost(message, repeated, tag = "1")]
    files: Vec<File>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "6")]
    services: Vec<Service>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Service {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    methods: Vec<Method>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Method {
    #[prost(string, tag = "1")]
    name: String,
}

/// A message that the method can read.
fn message(path: &str) -> Vec<u8> {
    let ledger = || "bank".to_owned();
    let event = || v1::NewEvent { r#type: "a".into(), data: "{}".into(), ..Default::default() };
    match path.trim_start_matches("/factum.v1.") {
        "Ledgers/Append" => {
            v1::AppendRequest { ledger: ledger(), events: vec![event()], ..Default::default() }
                .encode_to_vec()
        }
        "Ledgers/AppendStream" => v1::AppendStreamRequest {
            ledger: ledger(),
            events: vec![event()],
            ..Default::default()
        }
        .encode_to_vec(),
        "Ledgers/DescribeStream" => {
            v1::DescribeStreamRequest { ledger: ledger(), stream: "s".into() }.encode_to_vec()
        }
        "Ledgers/FindEvent" => {
            let id = "00000000-0000-4000-8000-000000000000".to_owned();
            v1::FindEventRequest { ledger: ledger(), id }.encode_to_vec()
        }
        "Ledgers/FindReceipt" => {
            let key = v1::Key {
                key: "k".into(),
                request_hash: Some(vec![0; 32].into()),
                ..Default::default()
            };
            v1::FindReceiptRequest { ledger: ledger(), key: Some(key) }.encode_to_vec()
        }
        "Commands/Run" => v1::RunRequest {
            ledger: ledger(),
            command: "open".into(),
            input: r#"{"account":"a"}"#.into(),
            key: None,
        }
        .encode_to_vec(),
        "Views/Ask" => {
            v1::AskRequest { ledger: ledger(), view: "accounts".into(), ..Default::default() }
                .encode_to_vec()
        }
        // The ledger is the first field of all others of ours, and a header of the foreign ones.
        other if other.starts_with('/') => Vec::new(),
        _ => v1::HeadRequest { ledger: ledger() }.encode_to_vec(),
    }
}

/// A stream that is refused when it was opened says so behind its answer, which HTTP/1 does not show.
async fn consumes(world: &World, bearer: &str) -> Said {
    let (ledger, group, consumer) = ("bank".to_owned(), "g".to_owned(), "c".to_owned());
    let open = v1::OpenConsumer { ledger, group, consumer, in_flight_max: 0 };
    let request = Some(v1::consume_request::Request::Open(open));
    let first = tokio_stream::once(v1::ConsumeRequest { request });
    let mut request = tonic::Request::new(first);
    request.metadata_mut().insert("authorization", bearer.parse().expect("a header"));
    let mut client = v1::consumers_client::ConsumersClient::new(world.channel().await);
    let said = match client.consume(request).await {
        Err(status) => Err(status),
        Ok(answers) => answers.into_inner().message().await,
    };
    match said.map_err(|status| factum_proto::Failure::of(&status).reason) {
        Err(factum_proto::Reason::Unauthenticated) => Said::WhoAreYou,
        Err(factum_proto::Reason::Forbidden | factum_proto::Reason::UnknownLedger) => Said::No,
        _ => Said::Yes,
    }
}

/// Asks, and reads until it is known what is said: some answers go on for ever.
async fn over_grpc(world: &World, bearer: &str, path: &str) -> Said {
    if path.ends_with("/Consume") {
        return consumes(world, bearer).await;
    }
    let (message, address) = (message(path), world.address);
    let length = message.len() + 5;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/grpc\r\n\
         TE: trailers\r\nConnection: close\r\nAuthorization: {bearer}\r\nfactum-ledger: bank\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    let mut asked = head.into_bytes();
    asked.push(0);
    asked.extend_from_slice(&u32::try_from(message.len()).expect("is short").to_be_bytes());
    asked.extend_from_slice(&message);
    let mut connection = TcpStream::connect(address).await.expect("connects");
    connection.write_all(&asked).await.expect("can write");
    let (mut answer, mut begun) = (Vec::new(), false);
    while !begun && connection.read_buf(&mut answer).await.expect("can read") > 0 {
        let text = String::from_utf8_lossy(&answer);
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        // A subscription says no at once, or nothing until there is an event.
        let silent = path.ends_with("Subscribe");
        begun = body.is_some_and(|body| silent || !(body.is_empty() || body.starts_with("0\r\n")));
    }
    let text = String::from_utf8_lossy(&answer).to_ascii_lowercase();
    assert!(text.starts_with("http/1.1 200"), "{path}: {text}");
    let status = text.split("grpc-status: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    match status {
        Some("16") => Said::WhoAreYou,
        Some("7" | "5") => Said::No,
        // A stream of appends has an answer for each.
        None if text.contains("has no right to") => Said::No,
        _ => Said::Yes,
    }
}

#[tokio::test]
async fn no_cell_of_grpc_is_empty_or_wrong() {
    let files = Files::decode(factum_proto::FILE_DESCRIPTOR_SET).expect("a set of descriptors");
    let mut methods = BTreeSet::new();
    for file in files.files.iter().filter(|file| file.package.starts_with("factum.")) {
        for service in &file.services {
            for method in &service.methods {
                methods.insert(format!("/{}.{}/{}", file.package, service.name, method.name));
            }
        }
    }
    let ours = METHODS.iter().filter(|(path, _)| path.starts_with("/factum."));
    let declared = ours.map(|(path, _)| path.to_string()).collect();
    assert_eq!(methods, declared, "a method has no need declared here, or is gone");
    for (n, (path, need)) in METHODS.iter().enumerate() {
        let row = Row::prepare(n, *need).await;
        let ask = async |bearer: &str| over_grpc(&row.server.world, bearer, path).await;
        for bearer in &row.strangers {
            assert_eq!(ask(bearer).await, Said::WhoAreYou, "{path} {bearer}");
        }
        for bearer in &row.wrong {
            assert_eq!(ask(bearer).await, Said::No, "{path} with a wrong right, {bearer}");
        }
        // What is not there is not found, too: then the right is what makes no difference.
        let missing =
            matches!(*path, "/factum.v1.Ledgers/FindEvent" | "/factum.v1.Ledgers/FindReceipt");
        for bearer in &row.right {
            let said = ask(bearer).await;
            assert!(said == Said::Yes || missing, "{path} with the right one, {bearer}");
        }
    }
    // Beside them there are the health of the server, which everybody may ask, and reflection.
    let world = World::with(|config| config.require_token = true).await;
    assert_eq!(over_grpc(&world, "", "/grpc.health.v1.Health/Check").await, Said::Yes);
    for version in ["v1", "v1alpha"] {
        let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
        assert_eq!(over_grpc(&world, "", &path).await, Said::WhoAreYou);
    }
}
