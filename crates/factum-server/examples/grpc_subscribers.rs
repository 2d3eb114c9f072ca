//! How soon the last of 1,000 subscribers at the head is told of one append, over `factum.v1`, with
//! the clients and the server on this machine: the median and the 99th of a hundred.
//!
//! `cargo run --release -p factum-server --example grpc_subscribers [ROUNDS]`

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use factum::Store;
use factum_client::Client;
use factum_server::{Config, Server};
use factum_store::{Append, EventType, Ledger, NewEvent, Position, Query, Signal, Subscribe};
use futures_lite::StreamExt;
use tokio::{
    runtime::Runtime,
    sync::mpsc::{UnboundedSender, unbounded_channel},
};

const SUBSCRIBERS: usize = 1_000;
/// Subscriptions share connections, as those of one program do.
const CONNECTIONS: usize = 20;

fn main() {
    let rounds = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(500);
    let (servers, clients) = (runtime(), runtime());
    let dir = tempfile::tempdir().expect("a directory");
    let store = Store::open(dir.path().to_str().expect("a path")).expect("opens");
    store.create("l").expect("is made");
    let address = servers.block_on(async {
        let config = Config::at(SocketAddr::from(([127, 0, 0, 1], 0)));
        let server = Server::bind(config, &store, []).await.expect("listens");
        let address = server.address();
        tokio::spawn(server.serve(std::future::pending()));
        address
    });
    let (mut told, mut answered): (Vec<_>, Vec<_>) =
        clients.block_on(measure(address, rounds)).into_iter().unzip();
    for (what, spans) in [("answered", &mut answered), ("the last one told", &mut told)] {
        spans.sort_unstable();
        let at = |share: f64| spans[((spans.len() - 1) as f64 * share) as usize];
        println!("{what}: p50 {:?}, p99 {:?}, max {:?}", at(0.5), at(0.99), at(1.0));
    }
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime")
}

/// For each append, how long it took until the last one was told, and until it was answered.
async fn measure(address: SocketAddr, rounds: u64) -> Vec<(Duration, Duration)> {
    let (tell, mut told) = unbounded_channel();
    for n in 0..CONNECTIONS {
        let client = Client::to(format!("http://{address}")).connect().await.expect("connects");
        for _ in (n..SUBSCRIBERS).step_by(CONNECTIONS) {
            tokio::spawn(follow(client.clone(), tell.clone()));
        }
    }
    for _ in 0..SUBSCRIBERS {
        assert_eq!(told.recv().await, Some(Told::CaughtUp), "all are at the head");
    }
    let writer = Client::to(format!("http://{address}")).connect().await.expect("connects");
    let ledger = writer.ledger("l");
    let mut spans = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        let event_type = EventType::new("benchmark.counted").expect("a name");
        let event = NewEvent::new(event_type, &b"{}"[..]);
        let receipt = ledger.append(Append::new([event])).await.expect("is recorded");
        let answered = begun.elapsed();
        for _ in 0..SUBSCRIBERS {
            assert_eq!(told.recv().await, Some(Told::Of(receipt.last)), "each is told once");
        }
        spans.push((begun.elapsed(), answered));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    spans
}

/// What a subscriber was told.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    CaughtUp,
    Of(Position),
}

async fn follow(client: Client, tell: UnboundedSender<Told>) {
    let subscribe = Subscribe { query: Query::all(), after: Position::START };
    let mut at_the_head = false;
    let mut signals = client.ledger("l").subscribe(subscribe);
    while let Some(signal) = signals.next().await {
        let said = match signal.expect("a signal") {
            Signal::Event(event) => tell.send(Told::Of(event.position)),
            Signal::CaughtUp(_) if !std::mem::replace(&mut at_the_head, true) => {
                tell.send(Told::CaughtUp)
            }
            _ => Ok(()),
        };
        if said.is_err() {
            return;
        }
    }
}
