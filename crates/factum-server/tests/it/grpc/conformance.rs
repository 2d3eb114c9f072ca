//! A ledger over the wire keeps a ledger's promises: the suites of `factum-store`, against a server
//! of ledgers on disk.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use factum::{App, Store};
use factum_client::Client;
use factum_server::{Config, Server};
use factum_store::{
    Ledger, conformance,
    memory::{MemoryLedger, MemoryViewStore},
};
use tokio::runtime::Runtime;

/// Servers, each of one ledger, as long as the suite runs.
struct Servers {
    runtime: Runtime,
    dirs: Mutex<Vec<tempfile::TempDir>>,
}

impl Servers {
    fn new() -> Self {
        Self { runtime: Runtime::new().expect("a runtime"), dirs: Mutex::default() }
    }

    /// A fresh ledger on disk, over the wire.
    fn on_disk(&self) -> Arc<dyn Ledger> {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path().to_str().expect("a path")).expect("opens");
        store.create("l").expect("is made");
        let app = store.app("l").expect("is there");
        self.dirs.lock().expect("no case panics here").push(dir);
        let app = self.runtime.block_on(async { app.await }).expect("an application");
        self.over(app)
    }

    /// This ledger, over the wire.
    fn over(&self, app: App) -> Arc<dyn Ledger> {
        self.runtime.block_on(async {
            let config = Config::at(SocketAddr::from(([127, 0, 0, 1], 0)));
            let server = Server::over(config, [("l".to_owned(), app)]).await.expect("listens");
            let url = format!("http://{}", server.address());
            tokio::spawn(server.serve(std::future::pending()));
            let client = Client::to(url).connect().await.expect("connects");
            Arc::new(client.ledger("l")) as Arc<dyn Ledger>
        })
    }
}

#[test]
fn a_ledger_over_the_wire_keeps_a_ledgers_promises() {
    let servers = Servers::new();
    conformance::ledger(&|| servers.on_disk());
}

#[test]
fn over_the_wire_events_grow_old() {
    let servers = Servers::new();
    let memory = MemoryLedger::new();
    let clock = memory.clone();
    let app = App::over(Arc::new(memory), Arc::new(MemoryViewStore::new()));
    let app = servers.runtime.block_on(async { app.await }).expect("an application");
    let ledger = servers.over(app);
    conformance::ageing_ledger((ledger, Box::new(move |now| clock.set_time(now))));
}
