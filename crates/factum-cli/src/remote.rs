//! [`Remote`]: a running server, and how it is asked over HTTP. What it answers with "no" becomes a
//! [`Failure`] with the server's own words.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use serde_json::Value;
use ureq::{
    Agent,
    tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem},
};

use crate::failure::{Exit, Failure};

/// How long a whole request may take: longer than anybody may wait for events.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// A running server.
#[derive(Args, Clone, Debug)]
pub(crate) struct Remote {
    /// The server.
    #[arg(long, env = "FACTUM_URL", default_value = "http://127.0.0.1:2113", value_name = "URL")]
    url: String,
    #[command(flatten)]
    asker: Asker,
}

/// Who asks a server, and whom they believe.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Asker {
    /// The token to ask with; better in the environment than in a history.
    #[arg(long, env = "FACTUM_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The certificates (PEM) that the server's is to be signed by.
    #[arg(long, env = "FACTUM_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The certificate (PEM) to show, and those that it is signed by.
    #[arg(long, env = "FACTUM_CLIENT_CERTIFICATE", value_name = "FILE", requires = "client_key")]
    client_certificate: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, env = "FACTUM_CLIENT_KEY", value_name = "FILE")]
    client_key: Option<PathBuf>,
    /// Whether it is on this machine and only asked how it is: any certificate will do.
    #[arg(skip)]
    here: bool,
}

impl Asker {
    /// The server at a URL, as these ask it.
    pub(crate) fn at(&self, url: &str) -> Remote {
        Remote { url: url.to_owned(), asker: self.clone() }
    }
}

impl Remote {
    /// This server, asked without a token.
    pub(crate) fn of(url: String, ca: Option<PathBuf>) -> Self {
        let asker = Asker { ca, ..Asker::default() };
        Self { url, asker }
    }

    /// The server of this machine, asked how it is.
    pub(crate) fn here(url: String) -> Self {
        Self { url, asker: Asker { here: true, ..Asker::default() } }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn get(&self, path: &str) -> Result<Value, Failure> {
        self.ask(path, None)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.ask(path, Some(body))
    }

    fn ask(&self, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let (agent, server) = (self.asker.agent()?, self.url.trim_end_matches('/'));
        let url = format!("{server}{path}");
        let bearer = self.asker.token.iter().map(|token| format!("Bearer {token}"));
        let sent = match body {
            None => bearer.fold(agent.get(&url), |ask, it| ask.header("Authorization", it)).call(),
            Some(body) => {
                let ask = agent.post(&url).content_type("application/json");
                bearer.fold(ask, |ask, it| ask.header("Authorization", it)).send(body.to_string())
            }
        };
        let unreachable = |error: ureq::Error| {
            let what = format!("{server} can't be asked: {error}");
            Failure::new(Exit::Unavailable, what, "--url of a server that runs; --ca for https")
        };
        let mut answer = sent.map_err(unreachable)?;
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_string();
        let document: Value = serde_json::from_str(&text.map_err(unreachable)?).unwrap_or_default();
        match answer.status().is_success() {
            true => Ok(document),
            false => Err(refused(server, answer.status().as_u16(), document)),
        }
    }
}

impl Asker {
    fn agent(&self) -> Result<Agent, Failure> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trusted = self.ca.as_ref().map(certificates).transpose()?.unwrap_or_default();
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(provider)
            .disable_verification(self.here)
            .root_certs(RootCerts::new_with_certs(&trusted))
            .client_cert(self.shown()?);
        let config = Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(PATIENCE));
        Ok(config.build().into())
    }

    /// The certificate to show.
    fn shown(&self) -> Result<Option<ClientCert>, Failure> {
        let (Some(certificate), Some(key)) = (&self.client_certificate, &self.client_key) else {
            return Ok(None);
        };
        let failed = |problem: String| {
            let what = format!("{} can't be used: {problem}", key.display());
            Failure::invalid(what, "--client-key with a private key as PEM")
        };
        let pem = std::fs::read(key).map_err(|error| failed(error.to_string()))?;
        let key = PrivateKey::from_pem(&pem).map_err(|error| failed(error.to_string()))?;
        Ok(Some(ClientCert::new_with_certs(&certificates(certificate)?, key)))
    }
}

fn certificates(file: &PathBuf) -> Result<Vec<Certificate<'static>>, Failure> {
    let failed = |problem: String| {
        let what = format!("{} can't be used: {problem}", file.display());
        Failure::invalid(what, "a file of certificates as PEM")
    };
    let pem = std::fs::read(file).map_err(|error| failed(error.to_string()))?;
    let items = parse_pem(&pem).filter_map(|item| match item {
        Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
        Ok(_) => None,
        Err(error) => Some(Err(failed(error.to_string()))),
    });
    let certificates = items.collect::<Result<Vec<_>, _>>()?;
    match certificates.is_empty() {
        true => Err(failed("there is no certificate in it".to_owned())),
        false => Ok(certificates),
    }
}

/// What the server said, as a failure of the command.
fn refused(server: &str, status: u16, document: Value) -> Failure {
    let said = document["detail"].as_str().or(document["title"].as_str());
    let what = match said {
        Some(said) => format!("{server} answered {status}: {said}"),
        None => format!("{server} answered {status}"),
    };
    let failure = match status {
        401 => Failure::new(Exit::Refused, what, "FACTUM_TOKEN with a token that is good"),
        403 => Failure::new(Exit::Refused, what, "a token that has the right to do this"),
        404 | 410 => Failure::not_found(what, "factum help COMMAND; `list` says what there is"),
        409 | 422 => Failure::new(Exit::Refused, what, "look at what is there, and decide again"),
        400..=499 => Failure::invalid(what, "factum help COMMAND has examples"),
        507 => Failure::new(Exit::Full, what, "make room on the server's disk"),
        _ => Failure::new(Exit::Unavailable, what, "run it again"),
    };
    failure.with(document)
}
