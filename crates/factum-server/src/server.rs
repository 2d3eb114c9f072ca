//! [`Server`]: ledgers and their applications, listening.

use std::{collections::BTreeMap, future::Future, net::SocketAddr};

use factum::{App, Domain, Fault, Store};
use tokio::{net::TcpListener, sync::watch};

use crate::{Config, ServeError, api::Api, connection, http};

/// A server that listens, and answers as soon as it is [served](Server::serve).
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    config: Config,
    apps: BTreeMap<String, App>,
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
        let listen = config.listen;
        let refused = |problem| ServeError::Listen { listen, problem };
        let listener = TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok(Self { listener, address, config, apps: apps.into_iter().collect() })
    }

    /// Where it listens: the port that was found, when any free one was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` resolves; then takes no more connections, lets the requests that
    /// are being answered end, ends the streams, and closes the applications.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let Self { listener, config, apps, .. } = self;
        let (stop, stopping) = watch::channel(false);
        let router = http::router(Api::new(apps.clone(), &config), &config, stopping);
        connection::serve(listener, router, &config, stop, shutdown).await;
        for app in apps.values() {
            app.close().await;
        }
    }
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
