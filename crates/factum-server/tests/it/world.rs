//! A running server, by default of a data directory of its own.

use std::{net::SocketAddr, time::Duration};

use factum::{App, Domain, Store};
use factum_server::{Config, Server};
use serde_json::Value;
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{
    bank,
    client::{Answer, Request, Sse},
};

/// A server, until it is stopped or dropped.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    /// The first token, when one was needed.
    pub(crate) first_token: Option<String>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
    /// Its data, which go with it.
    _dir: Option<tempfile::TempDir>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path().to_str().expect("a path")).expect("opens");
        store.create("bank").expect("is made");
        let server = Server::bind(config, &store, [bank::domain()]).await.expect("listens");
        Self { _dir: Some(dir), ..Self::serve(server) }
    }

    /// A server of this application.
    pub(crate) async fn over(app: App, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        Self::serve(Server::over(config, [("bank".to_owned(), app)]).await.expect("listens"))
    }

    /// A server of a data directory.
    pub(crate) async fn of(store: Store, domains: impl IntoIterator<Item = Domain>) -> Self {
        Self::of_with(store, domains, |_| {}).await
    }

    /// The same, configured otherwise.
    pub(crate) async fn of_with(
        store: Store,
        domains: impl IntoIterator<Item = Domain>,
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = config();
        change(&mut config);
        Self::serve(Server::bind(config, &store, domains).await.expect("listens"))
    }

    fn serve(mut server: Server) -> Self {
        let first_token = server.take_first_token().map(|secret| secret.reveal().to_owned());
        let address = server.address();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async move {
            let _ = stopped.await;
        }));
        Self { address, first_token, stop: Some(stop), serving, _dir: None }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        Request::new("GET", path).send(self.address).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        Request::new("POST", path).json(body).send(self.address).await
    }

    pub(crate) async fn follow(&self, path: &str) -> Sse {
        Request::new("GET", path).stream(self.address).await
    }

    /// Appends one event of this type for each of `data`.
    pub(crate) async fn append(&self, event_type: &str, data: &[Value]) -> Value {
        let events: Vec<_> = data
            .iter()
            .map(|data| serde_json::json!({ "type": event_type, "data": data }))
            .collect();
        let body = serde_json::json!({ "events": events }).to_string();
        self.post("/v1/ledgers/bank/events", &body).await.ok()
    }

    /// Stops the server and waits for its end.
    pub(crate) async fn stop(mut self) {
        self.stop.take().expect("runs").send(()).expect("is served");
        self.serving.await.expect("the server ends");
    }
}

/// A free port, and no hurry at the end: a test that waits too long shows itself.
fn config() -> Config {
    let grace = Duration::from_secs(600);
    Config { grace, ..Config::at(SocketAddr::from(([127, 0, 0, 1], 0))) }
}
