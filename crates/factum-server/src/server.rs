//! [`Server`]: ledgers and their applications, listening.

use std::{collections::BTreeMap, future::Future, io, net::SocketAddr, sync::Arc};

use factum::{App, Domain, Fault, Store};
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::Handle,
    sync::watch,
    task::spawn_blocking,
    time::timeout,
};

use crate::{Config, ServeError, access::Access, api::Api, connection, faces::Faces, grpc, http};

/// Connections that may wait to be accepted. When more arrive the system drops them without a word.
const BACKLOG: u32 = 1_024;

/// A server that listens, and answers as soon as it is [served](Server::serve).
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    config: Config,
    apps: BTreeMap<String, App>,
    store: Option<Store>,
}

impl Server {
    /// Listens for every ledger of a data directory. The domain that is named like a ledger runs on
    /// it; a ledger without one keeps events only. Other processes that find the directory locked
    /// are told the address.
    ///
    /// # Errors
    /// [`ServeError`].
    pub async fn bind(
        config: Config,
        store: &Store,
        domains: impl IntoIterator<Item = Domain>,
    ) -> Result<Self, ServeError> {
        config.check()?;
        let apps = open(store, domains).await?;
        let server = Self::over(config, apps).await?;
        let server = Self { store: Some(store.clone()), ..server };
        store.set_address(&format!("http://{}", server.address)).map_err(ServeError::Store)?;
        Ok(server)
    }

    /// Listens for applications that were opened already, each under its ledger's name.
    ///
    /// # Errors
    /// [`ServeError`] when the address may not, or can't, be listened on.
    pub async fn over(
        config: Config,
        apps: impl IntoIterator<Item = (String, App)>,
    ) -> Result<Self, ServeError> {
        config.check()?;
        let refused = |problem| ServeError::Listen { listen: config.listen, problem };
        let listener = listen(config.listen).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address, config, apps: apps.into_iter().collect(), store: None })
    }

    /// Where it listens: the port that was found, when any free one was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` resolves; then takes no more connections, lets the requests that
    /// are being answered end, ends the streams, and closes the applications.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, config, apps, store, .. } = self;
        let (stop, stopping) = watch::channel(false);
        let api = Arc::new(Api::new(apps.clone(), store, &config));
        let access = Arc::new(Access::new());
        let faces = Faces {
            http: http::router(Arc::clone(&api), Arc::clone(&access), &config, stopping),
            grpc: grpc::router(api, access),
        };
        connection::serve(listener, faces, &config, stop, shutdown).await;
        // A view may be at work on a large batch: its thread is waited for where that may block.
        let runtime = Handle::current();
        let closing = spawn_blocking(move || {
            apps.into_values().for_each(|app| runtime.block_on(app.close()));
        });
        if timeout(config.grace, closing).await.is_err() {
            tracing::warn!("a view has not ended its work in time");
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A server that was restarted takes its port again at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

async fn open(
    store: &Store,
    domains: impl IntoIterator<Item = Domain>,
) -> Result<Vec<(String, App)>, ServeError> {
    let mut domains: BTreeMap<_, _> =
        domains.into_iter().map(|domain| (domain.name(), domain)).collect();
    let mut apps = Vec::new();
    for ledger in store.ledgers().map_err(ServeError::Store)? {
        let failed = |fault: Fault| ServeError::Ledger { ledger: ledger.clone(), fault };
        let app = store.app(&ledger).map_err(failed)?;
        let app = match domains.remove(ledger.as_str()) {
            Some(domain) => app.domain(domain).await,
            None => app.await,
        };
        apps.push((ledger.clone(), app.map_err(failed)?));
    }
    Ok(apps)
}
