//! What a message may have of each part, and room for all messages together (G12), over real
//! connections and over both protocols.

use std::time::Duration;

use factum_proto::v1;
use prost::Message;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tonic::Code;

use crate::{
    client::{Answer, Request, raw},
    world::World,
};

const APPEND: &str = "/factum.v1.Ledgers/Append";
const UMADB_APPEND: &str = "/umadb.v1.DCB/Append";

/// A message as a gRPC body.
fn body(message: &[u8]) -> Vec<u8> {
    let len = u32::try_from(message.len()).expect("is short").to_be_bytes();
    [&[0][..], &len, message].concat()
}

async fn send(world: &World, path: &str, message: &[u8]) -> Answer {
    let (grpc, body) = ("application/grpc", body(message));
    let request = Request::new("POST", path).header("Content-Type", grpc);
    request.header("factum-ledger", "bank").body(&body).send(world.address).await
}

fn code(answer: &Answer) -> Option<Code> {
    answer.header("grpc-status").and_then(|code| code.parse::<i32>().ok()).map(Code::from)
}

/// Bytes that this process, and the server in it, have had resident at most.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux says it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.expect("is measured") << 10
}

/// Before their parts were counted on the wire, a message of 4 MiB of empty events took a GiB.
#[tokio::test]
async fn g12_messages_of_nothing_but_empty_parts_are_refused_and_take_no_memory() {
    let world = World::start().await;
    let before = peak();
    for (path, part, list) in [
        (APPEND, [0x12, 0], "events"),
        (APPEND, [0x1a, 0], "conditions"),
        ("/factum.v1.Ledgers/AppendStream", [0x1a, 0], "events"),
        (UMADB_APPEND, [0x0a, 0], "events"),
    ] {
        let message = part.repeat((2 << 20) - 8);
        let answer = send(&world, path, &message).await;
        // A stream of answers says it at its end, in trailers.
        match answer.header("grpc-message") {
            Some(said) => assert!(said.contains(list), "{path}: {answer:?}"),
            None => assert!(path.ends_with("Stream") && !answer.text().contains("answers")),
        }
    }
    let after = peak();
    assert!(after < before + (200 << 20), "{before} bytes became {after}");
    assert_eq!(world.get("/v1/ledgers/bank").await.ok()["head"]["position"], 0);
}

/// One event more than a batch may have is refused for that, and the largest batch is taken.
#[tokio::test]
async fn the_largest_batch_is_taken_and_a_larger_one_refused_by_name() {
    let world = World::start().await;
    let event = v1::NewEvent { r#type: "a".into(), data: "1".into(), ..v1::NewEvent::default() };
    for (events, expected) in [(4_096, None), (4_097, Some(Code::InvalidArgument))] {
        let events = vec![event.clone(); events];
        let ledger = "bank".into();
        let request = v1::AppendRequest { ledger, events, ..v1::AppendRequest::default() };
        let answer = send(&world, APPEND, &request.encode_to_vec()).await;
        match expected {
            // What is answered with a message has its status behind it.
            None => assert_eq!((answer.status, code(&answer)), (200, None), "{answer:?}"),
            Some(_) => {
                assert_eq!(code(&answer), expected, "{answer:?}");
                let said = answer.header("grpc-message").expect("a message");
                assert!(said.starts_with("events%20has"), "{said}");
            }
        }
    }
}

fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/grpc\r\n\
         factum-ledger: bank\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// Bodies and messages share one room: while a large message comes in slowly, others find none and
/// are told when to come back; when it is gone they are taken.
#[tokio::test]
async fn g12_what_is_being_received_over_grpc_and_http_shares_one_room() {
    let world = World::with(|config| {
        config.body_bytes_max = 64 << 10;
        config.message_bytes_max = 64 << 10;
        config.bodies_bytes_max = 64 << 10;
        config.patience = Duration::from_millis(20);
    })
    .await;
    let mut slow = TcpStream::connect(world.address).await.expect("listens");
    let large = body(&vec![0; 64_000]);
    slow.write_all(head(APPEND, large.len()).as_bytes()).await.expect("is open");
    slow.write_all(&large[..100]).await.expect("is open");
    let taken = "factum_places_taken{kind=\"received_kib\"} ";
    loop {
        let metrics = world.get("/metrics").await;
        let line = metrics.text().lines().find_map(|line| line.strip_prefix(taken));
        if line.expect("is shown").parse::<f64>().expect("a number") >= 62.0 {
            break;
        }
    }
    for path in [APPEND, UMADB_APPEND] {
        let busy = send(&world, path, &[0; 4_000]).await;
        assert_eq!(code(&busy), Some(Code::ResourceExhausted), "{busy:?}");
        assert_eq!(busy.header("grpc-retry-pushback-ms"), Some("1000"), "{busy:?}");
    }
    let events = "/v1/ledgers/bank/events";
    let json = format!(r#"{{"events":[{{"type":"a","data":"{}"}}]}}"#, "x".repeat(8_000));
    let busy = world.post(events, &json).await;
    assert_eq!((busy.status, busy.header("retry-after")), (429, Some("1")));
    busy.problem("busy");
    // What is small still finds room, and so does everything when the slow one is gone.
    world.append("a", &[serde_json::json!(1)]).await;
    drop(slow);
    while world.post(events, &json).await.status == 429 {}
    world.post(events, &json).await.ok();
}

#[tokio::test]
async fn g12_a_message_that_does_not_come_is_not_waited_for() {
    let world = World::with(|config| config.body_timeout = Duration::from_millis(50)).await;
    for (path, sent) in [
        (APPEND, &[][..]),
        (APPEND, &[0, 0, 0, 1, 0, 7, 7]),
        ("/factum.v1.Ledgers/AppendStream", &[0, 0, 0, 1, 0, 7, 7]),
        (UMADB_APPEND, &[0, 0]),
        ("/grpc.health.v1.Health/Check", &[0, 0, 0, 0, 9, 7]),
    ] {
        let mut stream = TcpStream::connect(world.address).await.expect("listens");
        stream.write_all(head(path, 1_000).as_bytes()).await.expect("is open");
        stream.write_all(sent).await.expect("is open");
        let mut answer = vec![0; 4_096];
        let read = stream.read(&mut answer).await.expect("is answered");
        let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
        // A stream of answers has begun before; its end says so in trailers.
        assert!(answer.contains("grpc-status: 4") || path.ends_with("Stream"), "{path}: {answer}");
    }
    // A stream of appends may be silent between two.
    let mut stream = TcpStream::connect(world.address).await.expect("listens");
    let path = "/factum.v1.Ledgers/AppendStream";
    stream.write_all(head(path, 1_000).as_bytes()).await.expect("is open");
    let mut answer = Vec::new();
    let silent = timeout(Duration::from_millis(300), async {
        while !String::from_utf8_lossy(&answer).contains("\r\n0\r\n") {
            stream.read_buf(&mut answer).await.expect("is open");
        }
    });
    assert!(silent.await.is_err(), "{:?}", String::from_utf8_lossy(&answer));
}

/// Who may ask about health alone keeps no room from those who append.
#[tokio::test]
async fn g12_a_stranger_takes_no_room() {
    let world = World::with(|config| {
        config.require_token = true;
        config.message_bytes_max = 4 << 10;
        config.body_bytes_max = 4 << 10;
        config.bodies_bytes_max = 4 << 10;
        config.patience = Duration::from_millis(20);
    })
    .await;
    let mut strangers = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(world.address).await.expect("listens");
        let path = "/grpc.health.v1.Health/Check";
        stream.write_all(head(path, 1_000).as_bytes()).await.expect("is open");
        stream.write_all(&[0, 0, 0, 3, 0]).await.expect("is open");
        strangers.push(stream);
    }
    let bearer = format!("Bearer {}", world.first_token.as_deref().expect("one was needed"));
    let request = Request::new("POST", "/v1/ledgers/bank/events").bearer(&bearer);
    let body = format!(r#"{{"events":[{{"type":"a","data":"{}"}}]}}"#, "x".repeat(2_000));
    request.json(&body).send(world.address).await.ok();
    // And a larger question than any about health is not even read.
    let head = head("/grpc.health.v1.Health/Check", 5_000);
    let answer = raw(world.address, &[head.as_bytes(), &[0, 0, 0, 19, 0]].concat()).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.contains("grpc-status: 11"), "{answer}");
    drop(strangers);
}
