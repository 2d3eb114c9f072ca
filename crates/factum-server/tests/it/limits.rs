//! Limits (G11, G12): rates, connections, and what HTTP/2 lets a client do to a server.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{client::Request, world::World};

#[tokio::test]
async fn who_sends_too_many_is_told_when_to_come_back() {
    let world = World::with(|config| config.peer_requests_per_second = 3).await;
    let mut refused = None;
    for _ in 0..100 {
        let answer = world.get("/v1/ledgers").await;
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("one of a hundred is too many");
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("1")));
    refused.problem("busy");
    // Over gRPC in its own words: RESOURCE_EXHAUSTED.
    let mut told = false;
    for _ in 0..100 {
        let mut grpc = Request::new("POST", "/factum.v1.Ledgers/Head");
        grpc.headers.push(("Content-Type", "application/grpc"));
        let answer = grpc.body(b"").send(world.address).await;
        told |= answer.header("grpc-status") == Some("8");
    }
    assert!(told, "one of a hundred is too many");
}

#[tokio::test]
async fn a_principal_that_sends_too_many_is_told_so() {
    let world = World::with(|config| config.principal_requests_per_second = 3).await;
    let mut statuses = Vec::new();
    for _ in 0..50 {
        statuses.push(world.get("/v1/ledgers/bank").await.status);
    }
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
    let health = world.get("/health").await;
    assert_eq!(health.status, 200, "whoever asks nothing of a ledger is not limited");
    let metrics = world.get("/metrics").await;
    let limited =
        metrics.text().lines().find(|line| line.starts_with("factum_requests_limited_total "));
    assert!(limited.is_some_and(|line| !line.ends_with(" 0")), "{limited:?}");
}

#[tokio::test]
async fn g11_a_thousand_idle_connections_keep_nobody_out() {
    let world = World::with(|config| config.head_timeout = Duration::from_secs(600)).await;
    let mut idle = Vec::new();
    for _ in 0..1_100 {
        idle.push(TcpStream::connect(world.address).await.expect("is accepted"));
    }
    world.get("/v1/ledgers/bank").await.ok();
    // Whoever begins, and goes no further, keeps nobody out either.
    for connection in idle.iter_mut().step_by(2) {
        connection.write_all(b"GET / HTTP/1.1\r\nHost: ").await.expect("is open");
    }
    world.get("/v1/ledgers/bank").await.ok();
    let metrics = world.get("/metrics").await;
    let open = metrics.text().lines().find_map(|line| line.strip_prefix("factum_connections "));
    assert!(open.and_then(|open| open.parse::<f64>().ok()).is_some_and(|open| open >= 1_000.0));
    drop(idle);
}

/// A frame of HTTP/2.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("is small").to_be_bytes();
    let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()];
    [head.concat().as_slice(), payload].concat()
}

/// What a connection answers to this flood: whether it was ended before all of it was sent.
async fn flood(world: &World, frames: impl Iterator<Item = Vec<u8>>) -> bool {
    let mut connection = TcpStream::connect(world.address).await.expect("the server listens");
    let hello = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(4, 0, 0, &[])].concat();
    connection.write_all(&hello).await.expect("is open");
    let (mut reading, mut writing) = connection.into_split();
    let reader = tokio::spawn(async move {
        let mut all = Vec::new();
        let _ = reading.read_to_end(&mut all).await;
        all
    });
    let mut ended = false;
    for frame in frames {
        if writing.write_all(&frame).await.is_err() {
            ended = true;
            break;
        }
    }
    drop(writing);
    let said = reader.await.expect("reads");
    ended || is_sent_away(&said)
}

/// Whether among these frames there is a GOAWAY with a reason.
fn is_sent_away(mut frames: &[u8]) -> bool {
    while let Some((head, rest)) = frames.split_at_checked(9) {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let Some((payload, rest)) = rest.split_at_checked(length) else { return false };
        if head[3] == 7 && payload.get(4..8).is_some_and(|reason| reason != [0; 4]) {
            return true;
        }
        frames = rest;
    }
    false
}

/// The head of `GET /health`, of the static table alone, to a host that is none.
fn get() -> Vec<u8> {
    // :method GET, :scheme http, :path /, and :authority x without indexing.
    vec![0x82, 0x86, 0x84, 0x01, 0x01, b'x']
}

#[tokio::test]
async fn g12_streams_that_are_opened_and_reset_end_their_connection() {
    let world = World::start().await;
    let resets = (0..20_000_u32).flat_map(|n| {
        let stream = 2 * n + 1;
        [frame(1, 5, stream, &get()), frame(3, 0, stream, &8_u32.to_be_bytes())]
    });
    assert!(flood(&world, resets).await, "20,000 resets were taken");
    world.get("/health").await.ok();
}

#[tokio::test]
async fn g12_a_head_without_end_ends_its_connection() {
    let world = World::start().await;
    let literal = [&[0x00, 0x01, b'a', 0x7f, 0x81, 0x7e][..], &[b'b'; 16_384 - 400]].concat();
    let endless = std::iter::once(frame(1, 1, 1, &get()))
        .chain((0..2_000).map(move |_| frame(9, 0, 1, &literal)));
    assert!(flood(&world, endless).await, "32 MB of a head were taken");
    world.get("/health").await.ok();
}

#[tokio::test]
async fn g12_settings_and_pings_without_end_take_no_memory_and_keep_nobody_out() {
    let world = World::start().await;
    let resident = |text: &str| -> f64 {
        let line = text.lines().find_map(|l| l.strip_prefix("process_resident_memory_bytes "));
        line.and_then(|value| value.parse().ok()).expect("is measured")
    };
    let before = resident(world.get("/metrics").await.text());
    // Whoever reads no answers, too: their number is what would grow.
    for (kind, payload) in [(4_u8, Vec::new()), (6, vec![7; 8])] {
        let mut connection = TcpStream::connect(world.address).await.expect("listens");
        let hello = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(4, 0, 0, &[])].concat();
        connection.write_all(&hello).await.expect("is open");
        let many = frame(kind, 0, 0, &payload).repeat(1_000);
        for _ in 0..500 {
            // The server stops reading from who does not read: that is its answer.
            let sent = timeout(Duration::from_millis(200), connection.write_all(&many)).await;
            if !matches!(sent, Ok(Ok(()))) {
                break;
            }
        }
        world.get("/v1/ledgers/bank").await.ok();
    }
    let after = resident(world.get("/metrics").await.text());
    assert!(after < before + f64::from(64 << 20), "{before} bytes became {after}");
}

#[tokio::test]
async fn g11_an_address_has_so_many_connections_and_no_more() {
    let world = World::with(|config| config.peer_connections_max = 2).await;
    let connect = || async { TcpStream::connect(world.address).await.expect("is accepted") };
    let (first, _second, mut third) = (connect().await, connect().await, connect().await);
    assert_eq!(third.read(&mut [0]).await.expect("is closed"), 0);
    drop(first);
    // When one has gone there is a place again; that is seen a moment later.
    let metrics = loop {
        let mut stream = connect().await;
        let ask = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let mut answer = Vec::new();
        if stream.write_all(ask).await.is_ok() && stream.read_to_end(&mut answer).await.is_ok() {
            let answer = String::from_utf8_lossy(&answer).into_owned();
            if answer.contains(" 200 OK") {
                break answer;
            }
        }
    };
    let refused = metrics.lines().find_map(|l| l.strip_prefix("factum_connections_refused_total "));
    assert!(refused.is_some_and(|refused| refused != "0"), "{refused:?}");
}

/// Who answers each ping and asks nothing is sent away in order, and not before its time.
#[tokio::test]
async fn g12_a_connection_without_requests_is_ended_however_alive_it_is() {
    let world = World::with(|config| {
        config.idle_timeout = Duration::from_millis(300);
        config.heartbeat = Duration::from_millis(10);
    })
    .await;
    let mut connection = TcpStream::connect(world.address).await.expect("listens");
    let hello = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(4, 0, 0, &[])].concat();
    connection.write_all(&hello).await.expect("is open");
    let (mut pings, mut goodbye) = (0, false);
    let mut head = [0; 9];
    while connection.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        connection.read_exact(&mut payload).await.expect("a whole frame");
        match head[3] {
            6 if head[4] & 1 == 0 => {
                pings += 1;
                // It may have been closed meanwhile.
                let _ = connection.write_all(&frame(6, 1, 0, &payload)).await;
            }
            7 => {
                assert_eq!(payload[4..8], [0; 4], "it did nothing wrong");
                goodbye = true;
            }
            _ => {}
        }
    }
    assert!(goodbye && pings > 2, "{pings} pings were answered");
}
