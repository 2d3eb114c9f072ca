//! [`Server`]: ledgers and their applications, listening.

use std::{collections::BTreeMap, future::Future, io, net::SocketAddr, sync::Arc};

use factum::{App, Domain, Fault, Store};
use factum_store::memory::MemoryLedger;
use tokio::{
    net::{TcpListener, TcpSocket},
    runtime::Handle,
    sync::watch,
    task::spawn_blocking,
    time::timeout,
};

use crate::{
    Config, Secret, ServeError, Setting,
    access::{Access, Gate, Jwt, NewToken, Right, Tokens},
    api::Api,
    connection,
    consumers::Groups,
    faces::{Faces, Limits},
    grpc, http, machine,
    observe::{ExportCounts, Logs, Tracer, observed},
    rates::Rates,
    settings,
    tls::Tls,
    umadb,
};

/// Connections that may wait to be accepted. When more arrive the system drops them without a word.
const BACKLOG: u32 = 1_024;

/// A server that listens, and answers as soon as it is [served](Server::serve).
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    config: Config,
    apps: BTreeMap<String, App>,
    domains: Vec<Domain>,
    store: Option<Store>,
    tls: Option<Arc<Tls>>,
    jwt: Option<Arc<Jwt>>,
    tokens: Arc<Tokens>,
    first_token: Option<Secret>,
    groups: Arc<Groups>,
    settings: Vec<Setting>,
    stop: watch::Sender<bool>,
    tracer: Option<Arc<Tracer>>,
    lines: ExportCounts,
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
        let tokens = Tokens::open(store).await.map_err(ServeError::Store)?;
        let domains: Vec<_> = domains.into_iter().collect();
        let tracer = Tracer::start(&config).map_err(ServeError::Otlp)?;
        let apps = open(store, domains.clone(), tracer.as_ref()).await?;
        let store_too = Some(store.clone());
        let server = Self::listening(config, apps, tokens, store_too, tracer).await?;
        let server = Self { domains, ..server };
        store.set_address(&server.url()).map_err(ServeError::Store)?;
        Ok(server)
    }

    /// Listens for applications that were opened already, each under its ledger's name. Tokens and
    /// consumer groups live as long as the server.
    ///
    /// # Errors
    /// [`ServeError`] when the address may not, or can't, be listened on.
    pub async fn over(
        config: Config,
        apps: impl IntoIterator<Item = (String, App)>,
    ) -> Result<Self, ServeError> {
        let tokens =
            Tokens::over(Arc::new(MemoryLedger::new())).await.map_err(ServeError::Store)?;
        let tracer = Tracer::start(&config).map_err(ServeError::Otlp)?;
        Self::listening(config, apps, tokens, None, tracer).await
    }

    async fn listening(
        config: Config,
        apps: impl IntoIterator<Item = (String, App)>,
        tokens: Tokens,
        store: Option<Store>,
        tracer: Option<Arc<Tracer>>,
    ) -> Result<Self, ServeError> {
        config.check()?;
        let tls = config.tls.as_ref().map(Tls::load).transpose().map_err(ServeError::Tls)?;
        let tls = tls.map(Arc::new);
        let jwt = config.jwt.clone().map(Jwt::open).transpose().map_err(ServeError::Jwt)?;
        let jwt = jwt.map(Arc::new);
        let refused = |problem| ServeError::Listen { listen: config.listen, problem };
        let listener = listen(config.listen).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let first_token = match config.requires_token() && tokens.is_empty() {
            true => Some(first_token(&tokens).await.map_err(ServeError::Store)?),
            false => None,
        };
        let connections_max = machine::connections(config.connections_max);
        let config = Config { connections_max, ..config };
        let (apps, tokens): (BTreeMap<_, _>, _) = (apps.into_iter().collect(), Arc::new(tokens));
        let (stop, stopping) = watch::channel(false);
        let groups = Groups::open(store.clone(), &apps, stopping).await;
        let groups = Arc::new(groups.map_err(ServeError::Store)?);
        let domains = Vec::new();
        Ok(Self {
            listener,
            address,
            config,
            apps,
            domains,
            store,
            tls,
            jwt,
            tokens,
            first_token,
            groups,
            settings: Vec::new(),
            stop,
            tracer,
            lines: ExportCounts::default(),
        })
    }

    /// Where it is asked: `http://127.0.0.1:2113`, or with `https`.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// The same, with who said each of its settings. What no program says is shown as it holds.
    #[must_use]
    pub fn with_settings(self, settings: Vec<Setting>) -> Self {
        Self { settings, ..self }
    }

    /// The same; what became of the log lines that are sent by OTLP is in `/metrics`.
    #[must_use]
    pub fn with_logs(self, logs: &Logs) -> Self {
        Self { lines: logs.counts().clone(), ..self }
    }

    /// Reads the certificates again when it is called, while the server runs too. That files have
    /// changed is noticed without it, some seconds later.
    ///
    /// # Errors
    /// What can't be used, in words; the old certificates stay.
    pub fn reloading(&self) -> impl Fn() -> Result<(), String> + Send + Sync + 'static {
        let tls = self.tls.clone();
        move || tls.as_ref().map_or(Ok(()), |tls| tls.reload())
    }

    /// The token that was made because there never was one and one is needed: it allows everything, and
    /// can be taken once.
    pub fn take_first_token(&mut self) -> Option<Secret> {
        self.first_token.take()
    }

    /// Where it listens: the port that was found, when any free one was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `shutdown` resolves; then takes no more connections, lets the requests that
    /// are being answered end, ends the streams, and closes the applications.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) {
        let holds = Config { listen: self.address, ..self.config.clone() };
        let settings = settings::effective(self.settings, &holds);
        let Self {
            listener,
            config,
            apps,
            domains,
            store,
            tls,
            jwt,
            tokens,
            groups,
            stop,
            tracer,
            lines,
            ..
        } = self;
        let stopping = stop.subscribe();
        let api = Api::new(apps, store, &config).traced(tracer.clone(), lines);
        let api = api.with_tokens(Arc::clone(&tokens)).showing(settings);
        let auditing = tokio::spawn(Arc::clone(tokens.audit()).keep(stopping.clone()));
        let api = Arc::new(api.knowing(domains).with_groups(Arc::clone(&groups)));
        if let Some(jwt) = &jwt {
            tokio::spawn(jwt.follow(stopping.clone()));
        }
        let access = Arc::new(Access::new(tokens, jwt, config.requires_token()));
        let (metrics, room) = (Arc::clone(api.counted()), Arc::clone(api.room()));
        let faces = Faces {
            gate: Arc::new(Gate::new(access, &config, tls.clone())),
            http: http::router(Arc::clone(&api), &config, stopping.clone()),
            grpc: umadb::beside(
                grpc::router(Arc::clone(&api), &config, stopping.clone()),
                umadb::Dcb::new(Arc::clone(&api), stopping),
            ),
            limits: Arc::new(Limits {
                rates: Rates::new(config.peer_requests_per_second),
                metrics: Arc::clone(&metrics),
                room,
                message_bytes_max: config.message_bytes_max,
                message_timeout: config.body_timeout,
            }),
        };
        let faces = faces.observed(&metrics, tracer.as_ref());
        connection::serve(listener, tls, faces, &config, &metrics, stop, shutdown).await;
        if timeout(config.grace, auditing).await.is_err() {
            tracing::warn!("what was refused last was not recorded in time");
        }
        if timeout(config.grace, groups.close()).await.is_err() {
            tracing::warn!("a consumer group has not ended its work in time");
        }
        // A view may be at work on a large batch: its thread is waited for where that may block.
        let runtime = Handle::current();
        let closing = spawn_blocking(move || runtime.block_on(api.close()));
        if timeout(config.grace, closing).await.is_err() {
            tracing::warn!("a view has not ended its work in time");
        }
        if let Some(tracer) = tracer {
            tracer.close().await;
        }
    }
}

/// A way in, where there is none.
async fn first_token(tokens: &Tokens) -> Result<Secret, Fault> {
    let (name, rights) = ("first-admin".to_owned(), vec![Right::everything()]);
    let new = NewToken { name, rights, certificate: None, expires_at: None };
    let (_, secret) = tokens.create("", new).await?;
    secret.ok_or_else(|| Fault::Bug("a token without a secret was made".to_owned()))
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
    tracer: Option<&Arc<Tracer>>,
) -> Result<Vec<(String, App)>, ServeError> {
    let mut domains: BTreeMap<_, _> =
        domains.into_iter().map(|domain| (domain.name(), domain)).collect();
    let mut apps = Vec::new();
    for ledger in store.ledgers().map_err(ServeError::Store)? {
        let failed = |fault: Fault| ServeError::Ledger { ledger: ledger.clone(), fault };
        let app = observed(store.app(&ledger).map_err(failed)?, &ledger, tracer);
        let app = match domains.remove(ledger.as_str()) {
            Some(domain) => app.domain(domain).await,
            None => app.await,
        };
        apps.push((ledger.clone(), app.map_err(failed)?));
    }
    Ok(apps)
}
