//! How fast `factum.v1` appends, with the client and the server on this machine, in one run:
//! one pipelined stream with one event a message, and one and 64 unary clients beside an empty gRPC
//! echo of the same messages.
//!
//! `cargo run --release -p factum-server --example grpc_appends [SECONDS]`

use std::{
    future::Future,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use factum::Store;
use factum_client::Client;
use factum_proto::v1;
use factum_server::{Config, Server};
use factum_store::{Append, EventType, NewEvent, Tag};
use tokio::{net::TcpListener, runtime::Runtime};
use tonic::{Request, Response, Status, server::UnaryService, service::Routes};
use tonic_prost::ProstCodec;

const CLIENTS: [usize; 2] = [1, 64];
const PAYLOAD: &[u8] = &[b'1'; 128];

fn main() {
    let seconds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(5);
    let span = Duration::from_secs(seconds);
    let (servers, clients) = (runtime(), runtime());
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path().to_str().expect("a path")).expect("opens");
    store.create("l").expect("is made");
    let factum = servers.block_on(async {
        let config = Config::at(SocketAddr::from(([127, 0, 0, 1], 0)));
        let server = Server::bind(config, &store, []).await.expect("listens");
        let address = server.address();
        tokio::spawn(server.serve(std::future::pending()));
        address
    });
    let echo = servers.block_on(echo());
    let per_second = |count: u64, took: Duration| count as f64 / took.as_secs_f64();
    let (count, took) = clients.block_on(pipelined(factum, span));
    println!("pipelined, 1 connection, 1 event a message: {:.0} events/s", per_second(count, took));
    for n in CLIENTS.into_iter().chain(CLIENTS) {
        for (what, address) in [("factum", factum), ("empty echo", echo)] {
            let (count, mut times) = clients.block_on(unary(n, address, span));
            times.sort_unstable();
            let p50 = times[times.len() / 2].as_micros();
            println!("{n} unary clients, {what}: {:.0}/s, p50 {p50} µs", per_second(count, span));
        }
    }
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

fn event(n: u64) -> NewEvent {
    let event_type = EventType::new("benchmark.counted").expect("a name");
    NewEvent::new(event_type, PAYLOAD).tagged([Tag::of("n", n % 1_000).expect("a tag")])
}

/// One stream; as much on the way as the server takes.
async fn pipelined(address: SocketAddr, span: Duration) -> (u64, Duration) {
    let client = Client::to(format!("http://{address}")).connect().await.expect("connects");
    let pipeline = client.ledger("l").pipeline();
    let (begun, mut sent) = (Instant::now(), 0);
    let mut last = None;
    while begun.elapsed() < span {
        for _ in 0..64 {
            last = Some(pipeline.append(Append::new([event(sent)])).await);
            sent += 1;
        }
    }
    // Answers come in order: with the last one all are there. What is recorded is counted.
    let receipt = match last {
        Some(last) => last.await.expect("is recorded"),
        None => return (0, span),
    };
    assert_eq!(receipt.last.0, sent, "each was recorded");
    (sent, begun.elapsed())
}

/// Clients on one connection each, that wait for each answer.
async fn unary(clients: usize, address: SocketAddr, span: Duration) -> (u64, Vec<Duration>) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut working = Vec::new();
    for n in 0..clients {
        let client = Client::to(format!("http://{address}")).lazily().expect("an address");
        let (mut ledgers, stop) = (client.ledgers(), Arc::clone(&stop));
        working.push(tokio::spawn(async move {
            let events = vec![event(n as u64).into()];
            let ledger = String::from("l");
            let request = v1::AppendRequest { ledger, events, ..v1::AppendRequest::default() };
            let mut times = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                ledgers.append(request.clone()).await.expect("is answered");
                times.push(begun.elapsed());
            }
            times
        }));
    }
    tokio::time::sleep(span).await;
    stop.store(true, Ordering::Relaxed);
    let mut times = Vec::new();
    for one in working {
        times.extend(one.await.expect("no panic"));
    }
    (times.len() as u64, times)
}

/// Answers each append with a receipt, and does nothing.
#[derive(Clone)]
struct Echo;

impl UnaryService<v1::AppendRequest> for Echo {
    type Response = v1::AppendResponse;
    type Future =
        Pin<Box<dyn Future<Output = Result<Response<v1::AppendResponse>, Status>> + Send>>;

    fn call(&mut self, request: Request<v1::AppendRequest>) -> Self::Future {
        Box::pin(async move {
            let ids = request.into_inner().events.into_iter();
            let ids = ids.map(|_| "018f2f6e-0000-7000-8000-000000000001".to_owned()).collect();
            let receipt = v1::Receipt { first: 1, last: 1, ids, ..v1::Receipt::default() };
            Ok(Response::new(v1::AppendResponse { receipt: Some(receipt) }))
        })
    }
}

async fn echo() -> SocketAddr {
    let append = axum::routing::post(|request: axum::extract::Request| async move {
        type Codec = ProstCodec<v1::AppendResponse, v1::AppendRequest>;
        tonic::server::Grpc::new(Codec::default()).unary(Echo, request).await
    });
    let router = axum::Router::new().route("/factum.v1.Ledgers/Append", append);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let incoming = tonic::transport::server::TcpIncoming::from(listener).with_nodelay(Some(true));
    let serving = tonic::transport::Server::builder()
        .add_routes(Routes::from(router))
        .serve_with_incoming(incoming);
    tokio::spawn(serving);
    address
}
