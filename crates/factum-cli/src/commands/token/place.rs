//! Where tokens are changed: in a data directory, or through the server that holds it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use clap::Args;
use factum::store::Timestamp;
use factum_server::{NewToken, Right, TokenId, Tokens, json};
use serde_json::{Value, json};
use ureq::{
    Agent,
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
};

use crate::{
    failure::{Exit, Failure},
    open,
};

/// Where the tokens are.
#[derive(Args, Debug)]
pub(super) struct Place {
    /// The data directory.
    #[arg(long, env = "FACTUM_DIR", default_value = "factum-data", value_name = "DIR")]
    dir: PathBuf,
    /// The server that holds it.
    #[arg(long, env = "FACTUM_URL", value_name = "URL")]
    url: Option<String>,
    /// A token that may administer every ledger; better in the environment than in a history.
    #[arg(long, env = "FACTUM_TOKEN", value_name = "TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// The certificates (PEM) that the server's is to be signed by.
    #[arg(long, env = "FACTUM_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// What is asked for.
pub(super) enum Asked {
    Create { name: String, rights: Vec<Right>, expires: Option<Timestamp> },
    List,
    Rotate { id: TokenId, grace: Duration },
    Revoke { id: TokenId },
}

impl Place {
    /// The answer, in the words of the HTTP interface.
    pub(super) async fn ask(self, asked: Asked) -> Result<Value, Failure> {
        match &self.url {
            Some(url) => self.ask_server(url.trim_end_matches('/'), &asked),
            None => self.ask_directory(asked).await,
        }
    }

    async fn ask_directory(&self, asked: Asked) -> Result<Value, Failure> {
        let store = open::store(&self.dir)?;
        let tokens = Tokens::open(&store).await.map_err(open::failure)?;
        // Whoever may write the directory may do everything to it already.
        let by = "directory";
        match asked {
            Asked::Create { name, rights, expires } => {
                let new = NewToken { name, rights, expires_at: expires };
                let made = tokens.create(by, new).await;
                made.map(|(token, secret)| json!(json::made(&token, &secret)))
            }
            Asked::List => {
                let all = tokens.list();
                Ok(json!({ "tokens": all.iter().map(json::token).collect::<Vec<_>>() }))
            }
            Asked::Rotate { id, grace } => {
                let rotated = tokens.rotate(by, id, grace).await;
                rotated.map(|(token, secret)| json!(json::made(&token, &secret)))
            }
            Asked::Revoke { id } => {
                tokens.revoke(by, id).await.map(|token| json!(json::token(&token)))
            }
        }
        .map_err(open::failure)
    }

    fn ask_server(&self, url: &str, asked: &Asked) -> Result<Value, Failure> {
        let agent = self.agent()?;
        let (path, body) = asked.request();
        let path = format!("{url}{path}");
        let bearer = self.token.as_ref().map(|token| format!("Bearer {token}"));
        let sent = match body {
            None => {
                let request = agent.get(&path);
                match &bearer {
                    Some(bearer) => request.header("Authorization", bearer).call(),
                    None => request.call(),
                }
            }
            Some(body) => {
                let request = agent.post(&path).content_type("application/json");
                match &bearer {
                    Some(bearer) => request.header("Authorization", bearer).send(body.to_string()),
                    None => request.send(body.to_string()),
                }
            }
        };
        let mut answer = sent.map_err(|error| unreachable(url, &error))?;
        let text = answer.body_mut().read_to_string().map_err(|error| unreachable(url, &error))?;
        let document: Value = serde_json::from_str(&text).unwrap_or_default();
        match answer.status().is_success() {
            true => Ok(document),
            false => Err(refused(url, answer.status().as_u16(), &document)),
        }
    }

    /// A client of the server, which trusts the certificates that were named.
    fn agent(&self) -> Result<Agent, Failure> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
        let tls = match &self.ca {
            Some(file) => tls.root_certs(RootCerts::new_with_certs(&certificates(file)?)),
            None => tls.root_certs(RootCerts::new_with_certs(&[])),
        };
        let config = Agent::config_builder().tls_config(tls.build()).http_status_as_error(false);
        Ok(config.max_redirects(0).timeout_global(Some(Duration::from_secs(60))).build().into())
    }
}

impl Asked {
    fn request(&self) -> (String, Option<Value>) {
        match self {
            Self::List => ("/v1/tokens".into(), None),
            Self::Create { name, rights, expires } => {
                let expires_at = expires.map(json::time);
                let body = json!({ "name": name, "rights": rights, "expires_at": expires_at });
                ("/v1/tokens".into(), Some(body))
            }
            Self::Rotate { id, grace } => {
                let body = json!({ "grace_seconds": grace.as_secs() });
                (format!("/v1/tokens/{id}/rotate"), Some(body))
            }
            Self::Revoke { id } => (format!("/v1/tokens/{id}/revoke"), Some(json!({}))),
        }
    }
}

fn certificates(file: &PathBuf) -> Result<Vec<Certificate<'static>>, Failure> {
    let failed = |problem: String| {
        let what = format!("{} can't be used: {problem}", file.display());
        Failure::invalid(what, "--ca with a file of certificates as PEM")
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

fn unreachable(url: &str, error: &ureq::Error) -> Failure {
    let what = format!("{url} can't be asked: {error}");
    Failure::new(Exit::Unavailable, what, "--url of a server that runs; --ca for https")
}

/// What the server said, as a failure of the command.
fn refused(url: &str, status: u16, document: &Value) -> Failure {
    let said = document["detail"].as_str().or(document["title"].as_str()).unwrap_or("it says no");
    let what = format!("{url} answered {status}: {said}");
    let failure = match status {
        401 => Failure::new(Exit::Refused, what, "FACTUM_TOKEN with a token that is good"),
        403 => Failure::new(Exit::Refused, what, "a token that has the right admin on *"),
        404 => Failure::not_found(what, "factum token list"),
        400..=499 => Failure::invalid(what, "factum help token"),
        _ => Failure::new(Exit::Unavailable, what, "run it again"),
    };
    failure.with(document.clone())
}
