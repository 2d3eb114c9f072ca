//! `factum serve`: a data directory over HTTP, until it is asked to end.

use std::{
    future::Future,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::Args;
use factum::Store;
use factum_server::{Logs, Secret, ServeError, Server, is_system_ledger};
use serde_json::{Value, json};
use tracing_subscriber::{
    EnvFilter, Layer as _, fmt, layer::SubscriberExt as _, registry, util::SubscriberInitExt as _,
};

use super::{config::Asked, demo};
use crate::{
    failure::{Exit, Failure},
    open,
    output::Output,
    service,
    settings::{LogFormat, Program, Said, Settings, Source},
};

/// Serve a data directory over HTTP.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum serve --demo                          the order system and its data
  factum serve --dir /var/lib/factum
  factum serve --listen 127.0.0.1:0            a free port; the address is printed
  factum serve --config /etc/factum/factum.toml --set queries_max=64

  factum serve --require-token                 nobody without a token; factum token makes them
  factum serve --listen 0.0.0.0:2113 --tls-certificate server.pem --tls-key server.key

It listens on this machine only, unless told otherwise; where others reach it, it wants TLS and tokens.
SIGHUP has the certificates read again. FACTUM_LOG=debug says more. Each setting can also be said in a
file and in the environment: factum help config.")]
pub(crate) struct Serve {
    /// The data directory [env: FACTUM_DIR] [default: factum-data].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Where to listen; port 0 takes a free one [default: 127.0.0.1:2113].
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Put the order system in the ledger `retail`, with its data if they are missing.
    #[arg(long)]
    demo: bool,
    /// A further name that clients may call the server by; repeat it for more.
    #[arg(long = "host", value_name = "NAME")]
    hosts: Vec<String>,
    /// A site whose pages may ask too (CORS), such as `https://app.example`; repeat it for more.
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
    #[command(flatten)]
    asked: Asked,
}

impl Serve {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        let settings = self.settings()?;
        let logs = Logs::start(&settings.server).map_err(failure)?;
        log(&settings.program, logs.as_ref())?;
        let ended = self.until_asked_to_end(settings, logs.as_ref(), output).await;
        if let Some(logs) = logs {
            logs.close().await;
        }
        ended
    }

    async fn until_asked_to_end(
        self,
        settings: Settings,
        logs: Option<&Logs>,
        output: &mut Output,
    ) -> Result<(), Failure> {
        for name in &settings.unused {
            tracing::warn!(name, "this variable looks like a setting and is none: factum config");
        }
        // From here on: a signal that comes while the data are imported ends it too.
        let mut end = std::pin::pin!(asked_to_end()?);
        let dir = settings.program.dir.clone();
        let require_token = settings.server.require_token;
        let (mut server, ledgers) = tokio::select! {
            ready = self.prepare(settings) => ready?,
            () = &mut end => return Ok(()),
        };
        if let Some(logs) = logs {
            server = server.with_logs(logs);
        }
        let greeting = Greeting {
            dir: &dir,
            url: server.url(),
            ledgers: &ledgers,
            first_token: server.take_first_token(),
            require_token,
        };
        greeting.say(output)?;
        let reloading = reload_when_asked(server.reloading())?;
        service::ready(&format!("serving on {}", server.url()));
        let end = async {
            end.await;
            service::stopping();
        };
        tokio::select! {
            () = server.serve(end) => Ok(()),
            () = reloading => Ok(()),
            never = service::alive() => match never {},
        }
    }

    fn settings(&self) -> Result<Settings, Failure> {
        let mut settings = Settings::load(&Said { flags: self.flags(), ..self.asked.said() })?;
        if self.demo && settings.values["dir"].1 == Source::Default {
            settings.program.dir = demo::DIR.into();
            let said = (json!(demo::DIR), Source::Flag("--demo".to_owned()));
            settings.values.insert("dir".to_owned(), said);
        }
        Ok(settings)
    }

    /// The flags that are settings.
    fn flags(&self) -> Vec<(String, String, Value)> {
        let mut flags = Vec::new();
        let mut flag = |flag: &str, key: &str, value: Value| {
            flags.push((flag.to_owned(), key.to_owned(), value));
        };
        if let (Some(certificate), Some(key)) = (&self.tls_certificate, &self.tls_key) {
            let files = json!({
                "certificate": certificate, "key": key, "client_ca": self.tls_client_ca,
            });
            flag("--tls-certificate", "tls", files);
        }
        if !self.origins.is_empty() {
            flag("--origin", "origins", json!(self.origins));
        }
        if self.require_token {
            flag("--require-token", "require_token", json!(true));
        }
        if let Some(dir) = &self.dir {
            flag("--dir", "dir", json!(dir));
        }
        if let Some(listen) = &self.listen {
            flag("--listen", "listen", json!(listen));
        }
        if !self.hosts.is_empty() {
            flag("--host", "hosts", json!(self.hosts));
        }
        if self.insecure_listen_beyond_loopback {
            let name = "insecure_listen_beyond_loopback";
            flag("--insecure-listen-beyond-loopback", name, json!(true));
        }
        flags
    }

    async fn prepare(&self, settings: Settings) -> Result<(Server, Vec<String>), Failure> {
        let store = open::store_with(&settings.program.dir, settings.program.store())?;
        if self.demo {
            demo::import_into(&store).await?;
        }
        if own_ledgers(&store)?.is_empty() {
            open::create(&store, open::DEFAULT_LEDGER)?;
        }
        let (names, said) = (own_ledgers(&store)?, settings.said());
        let server = Server::bind(settings.server, &store, [retail::domain()]).await;
        Ok((server.map_err(failure)?.with_settings(said), names))
    }
}

/// What is said when the server answers.
struct Greeting<'a> {
    dir: &'a Path,
    url: String,
    ledgers: &'a [String],
    first_token: Option<Secret>,
    require_token: bool,
}

impl Greeting<'_> {
    fn say(&self, output: &mut Output) -> Result<(), Failure> {
        let Self { dir, url, ledgers, first_token, require_token } = self;
        if !output.for_people() {
            let first_token = first_token.as_ref().map(Secret::reveal);
            output.json(&json!({ "url": url, "ledgers": ledgers, "first_token": first_token }))?;
            return Ok(output.flush()?);
        }
        output.line(format!("{} is served on {url}", dir.display()))?;
        if let Some(secret) = first_token {
            output.line(
                "\nThere was no token, so this one was made. It may do everything, and is shown",
            )?;
            output.line("only now:")?;
            output.line(format!("\n  export FACTUM_TOKEN={}", secret.reveal()))?;
        }
        let header = match require_token {
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
            service::reloading();
            // What can't be used is in the log.
            let _ = reload();
            service::reloaded();
        }
        std::future::pending().await
    })
}

/// Logs to stderr, as the settings say, and to a collector if there is one.
fn log(program: &Program, collected: Option<&Logs>) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&program.log)
        .map_err(|error| Failure::invalid(format!("the setting log: {error}"), "log = \"info\""))?;
    let ansi = crate::output::coloured(&std::io::stderr());
    // There can be only one; a second try would say so. Without a collector there are no layers: they
    // cost every request a tenth.
    let _ = match (collected, program.log_format) {
        (None, format) => {
            let lines = fmt().with_env_filter(filter).with_writer(std::io::stderr);
            match format {
                LogFormat::Text => lines.with_ansi(ansi).try_init(),
                LogFormat::Json => lines.json().flatten_event(true).try_init(),
            }
        }
        (Some(logs), format) => {
            let lines = fmt::layer().with_writer(std::io::stderr);
            let lines = match format {
                LogFormat::Text => lines.with_ansi(ansi).boxed(),
                LogFormat::Json => lines.json().flatten_event(true).boxed(),
            };
            let all = registry().with(filter).with(lines).with(logs.layer());
            all.try_init().map_err(Into::into)
        }
    };
    Ok(())
}

fn failure(error: ServeError) -> Failure {
    let what = error.to_string();
    match error {
        ServeError::Tls(_) => Failure::invalid(what, "files that belong together, as PEM"),
        ServeError::BeyondLoopback { .. } => Failure::invalid(what, "--listen 127.0.0.1:2113"),
        ServeError::Listen { .. } => Failure::new(Exit::Unavailable, what, "--listen 127.0.0.1:0"),
        ServeError::Otlp(_) => Failure::invalid(what, "--set otlp_endpoint=http://localhost:4317"),
        ServeError::Store(fault) => open::failure(fault),
        ServeError::Ledger { fault, .. } => Failure { what, ..open::failure(fault) },
        _ => Failure::new(Exit::Unavailable, what, "FACTUM_LOG=debug says more"),
    }
}
