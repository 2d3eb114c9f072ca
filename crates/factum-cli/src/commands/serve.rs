//! `factum serve`: a data directory over HTTP, until it is asked to end.

use std::{future::Future, net::SocketAddr, path::PathBuf};

use clap::Args;
use factum::Store;
use factum_server::{Config, Secret, ServeError, Server, TlsFiles, is_system_ledger};
use serde_json::json;
use tracing_subscriber::EnvFilter;

use super::demo;
use crate::{
    failure::{Exit, Failure},
    open,
    output::Output,
};

/// Serve a data directory over HTTP.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum serve --demo                          the order system and its data
  factum serve --dir /var/lib/factum
  factum serve --listen 127.0.0.1:0            a free port; the address is printed

  factum serve --require-token                 nobody without a token; factum token makes them
  factum serve --listen 0.0.0.0:2113 --tls-certificate server.pem --tls-key server.key

It listens on this machine only, unless told otherwise; where others reach it, it wants TLS and tokens.
SIGHUP has the certificates read again. FACTUM_LOG=debug says more.")]
pub(crate) struct Serve {
    /// The data directory.
    #[arg(long, env = "FACTUM_DIR", value_name = "DIR")]
    #[arg(default_value_if("demo", "true", "retail-demo"), default_value = "factum-data")]
    dir: PathBuf,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:2113", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
    /// Put the order system in the ledger `retail`, with its data if they are missing.
    #[arg(long)]
    demo: bool,
    /// A further name that clients may call the server by; repeat it for more.
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// A site whose pages may ask too (CORS), such as https://app.example; repeat it for more.
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
    /// The certificate to show (PEM), then those that it is signed by.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// What the certificates of clients are signed by (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_client_ca: Option<PathBuf>,
    /// Who presents no token is a stranger, on this machine too.
    #[arg(long)]
    require_token: bool,
    /// Listen where other machines reach it though there is no TLS, or no --require-token: what is
    /// said can be read and changed on the way, and whoever comes may read and write everything.
    #[arg(long)]
    insecure_listen_beyond_loopback: bool,
}

impl Serve {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        log();
        // From here on: a signal that comes while the data are imported ends it too.
        let mut end = std::pin::pin!(asked_to_end()?);
        let (mut server, ledgers) = tokio::select! {
            ready = self.prepare() => ready?,
            () = &mut end => return Ok(()),
        };
        let url = server.url();
        let first_token = server.take_first_token();
        self.greet(&url, &ledgers, first_token.as_ref(), output)?;
        let reloading = reload_when_asked(server.reloading())?;
        tokio::select! {
            () = server.serve(end) => (),
            () = reloading => (),
        }
        Ok(())
    }

    fn tls(&self) -> Option<TlsFiles> {
        let (certificate, key) = (self.tls_certificate.clone()?, self.tls_key.clone()?);
        Some(TlsFiles { certificate, key, client_ca: self.tls_client_ca.clone() })
    }

    async fn prepare(&self) -> Result<(Server, Vec<String>), Failure> {
        let config = Config {
            insecure_listen_beyond_loopback: self.insecure_listen_beyond_loopback,
            require_token: self.require_token,
            hosts: self.hosts.clone(),
            origins: self.origins.clone(),
            tls: self.tls(),
            ..Config::at(self.listen)
        };
        let store = open::store(&self.dir)?;
        if self.demo {
            demo::import_into(&store).await?;
        }
        if own_ledgers(&store)?.is_empty() {
            open::create(&store, open::DEFAULT_LEDGER)?;
        }
        let names = own_ledgers(&store)?;
        let server = Server::bind(config, &store, [retail::domain()]).await.map_err(failure)?;
        Ok((server, names))
    }

    fn greet(
        &self,
        url: &str,
        ledgers: &[String],
        first_token: Option<&Secret>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        if !output.for_people() {
            let first_token = first_token.map(Secret::reveal);
            output.json(&json!({ "url": url, "ledgers": ledgers, "first_token": first_token }))?;
            return Ok(output.flush()?);
        }
        output.line(format!("{} is served on {url}", self.dir.display()))?;
        if let Some(secret) = first_token {
            output.line(
                "\nThere was no token, so this one was made. It may do everything, and is shown",
            )?;
            output.line("only now:")?;
            output.line(format!("\n  export FACTUM_TOKEN={}", secret.reveal()))?;
        }
        let header = match self.require_token {
            true => " -H \"Authorization: Bearer $FACTUM_TOKEN\"",
            false => "",
        };
        output.line("\nAsk it:")?;
        for path in paths_to_try(ledgers) {
            output.line(format!("  curl -s{header} '{url}{path}'"))?;
        }
        output.line("\nCtrl-C ends it.")?;
        Ok(output.flush()?)
    }
}

/// The ledgers that are not Factum's own.
fn own_ledgers(store: &Store) -> Result<Vec<String>, Failure> {
    let mut names = store.ledgers().map_err(open::failure)?;
    names.retain(|name| !is_system_ledger(name));
    Ok(names)
}

fn paths_to_try(ledgers: &[String]) -> [String; 3] {
    if ledgers.iter().any(|name| name == demo::LEDGER) {
        return [
            "/v1/ledgers/retail/views/shipping_queue?limit=3".to_owned(),
            "/v1/ledgers/retail/views/orders/%23W2611340?as_of=2000".to_owned(),
            "/v1/ledgers/retail/events?direction=backward&limit=3".to_owned(),
        ];
    }
    let ledger = ledgers.first().map_or("default", String::as_str);
    let events = format!("/v1/ledgers/{ledger}/events?direction=backward&limit=3");
    ["/".to_owned(), "/v1/ledgers".to_owned(), events]
}

/// Resolves at the first Ctrl-C or SIGTERM.
fn asked_to_end() -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let listen = |kind| {
        signal(kind).map_err(|error| {
            Failure::new(Exit::Unavailable, format!("can't wait for signals: {error}"), "")
        })
    };
    let (mut interrupt, mut terminate) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => (),
            _ = terminate.recv() => (),
        }
    })
}

/// Reads the certificates again at each SIGHUP, for ever.
fn reload_when_asked(
    reload: impl Fn() -> Result<(), String>,
) -> Result<impl Future<Output = ()>, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut asked = signal(SignalKind::hangup()).map_err(|error| {
        Failure::new(Exit::Unavailable, format!("can't wait for signals: {error}"), "")
    })?;
    Ok(async move {
        while asked.recv().await.is_some() {
            // What can't be used is in the log.
            let _ = reload();
        }
        std::future::pending().await
    })
}

fn log() {
    let filter = EnvFilter::try_from_env("FACTUM_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    let ansi = crate::output::coloured(&std::io::stderr());
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(ansi);
    // There can be only one; a second try would say so.
    let _ = subscriber.with_writer(std::io::stderr).try_init();
}

fn failure(error: ServeError) -> Failure {
    let what = error.to_string();
    match error {
        ServeError::Tls(_) => Failure::invalid(what, "files that belong together, as PEM"),
        ServeError::BeyondLoopback { .. } => Failure::invalid(what, "--listen 127.0.0.1:2113"),
        ServeError::Listen { .. } => Failure::new(Exit::Unavailable, what, "--listen 127.0.0.1:0"),
        ServeError::Store(fault) => open::failure(fault),
        ServeError::Ledger { fault, .. } => Failure { what, ..open::failure(fault) },
        _ => Failure::new(Exit::Unavailable, what, "FACTUM_LOG=debug says more"),
    }
}
