//! Whatever a client sends: it gets an answer or loses its connection, and the server goes on.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::Instant,
};

use crate::{
    client::{Request, raw},
    world::World,
};

const EVENTS: &str = "/v1/ledgers/bank/events";

#[tokio::test]
async fn bytes_that_are_not_http_lose_their_connection_and_nothing_else() {
    let world = World::start().await;
    let long = "x".repeat(200 << 10);
    let many = "A: b\r\n".repeat(5_000);
    for bytes in [
        b"\0\0\0\0\r\n\r\n".to_vec(),
        b"\xff\xfe\xfd GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"GET\r\n\r\n".to_vec(),
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n".to_vec(),
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n".to_vec(),
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
            .to_vec(),
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec(),
        format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n").into_bytes(),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(20),
    ] {
        let answer = raw(world.address, &bytes).await;
        let head: String = String::from_utf8_lossy(&answer).chars().take(20).collect();
        let refused =
            answer.is_empty() || head.starts_with("HTTP/1.1 4") || head.starts_with("HTTP/1.0 4");
        assert!(
            refused,
            "{:?}… gave {head}",
            String::from_utf8_lossy(&bytes[..20.min(bytes.len())])
        );
    }
    world.get("/health").await.ok();
}

#[tokio::test]
async fn addresses_that_can_not_be_read_are_named() {
    let world = World::start().await;
    for path in ["/v1/ledgers/%zz", "/v1/ledgers/%", "/v1/ledgers?a=%f", "/v1/ledgers/%ff%fe"] {
        let answer = world.get(path).await;
        assert_eq!(answer.status, 400, "{path}");
        answer.problem("malformed");
    }
    for (query, field) in [
        ("after=-1", "after"),
        ("after=1&after=2", "after"),
        ("after=99999999999999999999", "after"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=all", "limit"),
        ("direction=up", "direction"),
        ("type=", "type"),
        ("stream=a%00b", "stream"),
        ("tag=%0a", "tag"),
        ("system=perhaps", "system"),
    ] {
        let answer = world.get(&format!("{EVENTS}?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert_eq!(answer.problem("invalid")["field"], field, "{query}");
    }
    let many_tags = "tag=a:1&".repeat(300);
    world.get(&format!("{EVENTS}?{many_tags}")).await.problem("invalid");
    for path in ["/", "/health", "/v1/ledgers", EVENTS] {
        let answer = world.get(&format!("{path}?tpye=a")).await;
        assert_eq!(answer.status, 400, "{path}");
        assert_eq!(answer.problem("unknown-parameter")["field"], "tpye", "{path}");
    }
}

#[tokio::test]
async fn bodies_that_can_not_be_read_are_named() {
    let world = World::start().await;
    let deep = format!("{{\"events\":[{{\"type\":\"a\",\"data\":{}}}]}}", "[".repeat(100_000));
    for (body, said) in [
        (&b"{"[..], "EOF"),
        (b"", "EOF"),
        (b"{\"events\":[}", "expected value"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"{\"events\":\"\xc3\x28\"}", "not UTF-8 at byte 11"),
        (b"{\"events\":[]} {}", "trailing characters"),
        (b"\xef\xbb\xbf{}", "expected value"),
        (deep.as_bytes(), "more than 100 levels deep"),
    ] {
        let request = Request::new("POST", EVENTS).header("Content-Type", "application/json");
        let answer = request.body(body).send(world.address).await;
        assert_eq!(answer.status, 400);
        let problem = answer.json();
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains(said), "{said}: {problem}");
    }
    for media in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        let request = Request::new("POST", EVENTS).header("Content-Type", media).body(b"{}");
        let answer = request.send(world.address).await;
        assert_eq!(answer.status, 415, "{media:?}");
        answer.problem("unsupported-media-type");
    }
    let none = Request::new("POST", EVENTS).body(b"{}").send(world.address).await;
    none.problem("unsupported-media-type");
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_declared_or_not() {
    let world = World::with(|config| config.body_bytes_max = 1_000).await;
    let body = " ".repeat(1_001);
    let declared = world.post(EVENTS, &body).await;
    assert_eq!(declared.status, 413);
    assert!(declared.problem("body-too-large")["detail"].as_str().unwrap().contains("1000"));
    let chunked = format!(
        "POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n3e9\r\n{body}\r\n0\r\n\r\n"
    );
    let answer = raw(world.address, chunked.as_bytes()).await;
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&answer));
    let huge = Request::new("POST", EVENTS)
        .header("Content-Type", "application/json")
        .header("Content-Length", "9223372036854775807");
    huge.send(world.address).await.problem("body-too-large");
}

/// The clock stands still and jumps to the next timer when nothing else is left to do.
#[tokio::test(start_paused = true)]
async fn half_a_request_is_not_waited_for() {
    let world = World::with(|config| {
        config.head_timeout = Duration::from_secs(5);
        config.body_timeout = Duration::from_secs(7);
    })
    .await;
    // Half a head, and no head at all: the connection is closed.
    for start in [&b"GET / HTTP/1.1\r\nHost: local"[..], b""] {
        let begun = Instant::now();
        let mut stream = TcpStream::connect(world.address).await.expect("the server listens");
        stream.write_all(start).await.expect("can write");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(begun.elapsed().as_secs(), 5);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 408"), "{answer:?}");
    }
    // Half a body: there is someone to tell.
    let half = format!(
        "POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: 10\r\n\r\n{{"
    );
    let begun = Instant::now();
    let mut stream = TcpStream::connect(world.address).await.expect("the server listens");
    stream.write_all(half.as_bytes()).await.expect("can write");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert_eq!(begun.elapsed().as_secs(), 7);
    assert!(answer.starts_with(b"HTTP/1.1 408 "), "{}", String::from_utf8_lossy(&answer));
}

#[tokio::test(start_paused = true)]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let world = World::with(|config| config.connections_max = 1).await;
    let first = TcpStream::connect(world.address).await.expect("the server listens");
    let mut waiting = tokio::spawn(Request::new("GET", "/health").send(world.address));
    let a_while = Duration::from_secs(5);
    assert!(tokio::time::timeout(a_while, &mut waiting).await.is_err(), "there is no room");
    drop(first);
    waiting.await.expect("is answered").ok();
}

/// A few hundred requests with bytes changed, left out and repeated. `FACTUM_SEED` repeats a run.
#[tokio::test]
async fn requests_with_random_damage_are_answered_or_dropped() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = std::env::var("FACTUM_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| now.expect("after 1970").as_nanos() as u64);
    println!("FACTUM_SEED={seed}");
    let mut random = Random(seed | 1);
    let world = World::with(|config| {
        config.head_timeout = Duration::from_millis(50);
        config.body_timeout = Duration::from_millis(50);
    })
    .await;
    let body = r#"{"events":[{"type":"a","tags":["x:1"],"data":{"n":[1,"\u00e9"]}}]}"#;
    let requests = [
        format!(
            "POST {EVENTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
             Idempotency-Key: k\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        ),
        format!("GET {EVENTS}?type=a&tag=x%3A1&limit=5 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        "GET /v1/ledgers/bank/views/accounts/%23W1?as_of=2026-01-31T12:00:00Z HTTP/1.1\r\n\
         Host: localhost\r\nOrigin: http://localhost\r\n\r\n"
            .to_owned(),
        "POST /v1/ledgers/bank/commands/open HTTP/1.1\r\nHost: localhost\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n\
         f\r\n{\"account\":\"a\"}\r\n0\r\n\r\n"
            .to_owned(),
    ];
    let mut sent = tokio::task::JoinSet::new();
    for _ in 0..400 {
        if sent.len() == AT_A_TIME {
            judge(sent.join_next().await.expect("one was sent").expect("ends"), seed);
        }
        let mut bytes = requests[random.below(requests.len())].clone().into_bytes();
        for _ in 0..=random.below(4) {
            random.damage(&mut bytes);
        }
        let address = world.address;
        sent.spawn(async move { (raw(address, &bytes).await, bytes) });
    }
    sent.join_all().await.into_iter().for_each(|one| judge(one, seed));
    world.get("/health").await.ok();
}

/// Connections of the test above that are open at a time.
const AT_A_TIME: usize = 32;

fn judge((answer, bytes): (Vec<u8>, Vec<u8>), seed: u64) {
    let shown = String::from_utf8_lossy(&bytes);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "seed {seed}: {shown}");
    let bug = answer.windows(13).any(|part| part == b"/problems/bug");
    assert!(!bug, "seed {seed}: {shown} gave {}", String::from_utf8_lossy(&answer));
}

/// Xorshift: enough to damage requests.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end.max(1) as u64) as usize
    }

    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        match self.below(4) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, self.below(256) as u8),
            2 => {
                let part = bytes[at..(at + 20).min(bytes.len())].to_vec();
                bytes.splice(at..at, part);
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = self.below(256) as u8;
                }
            }
        }
    }
}
