//! [`Connect`]: where the server is, who asks, and what is believed of the other end.

use std::{sync::Arc, time::Duration};

use factum_proto::{Failure, v1::ListLedgersRequest};
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    service::{Interceptor, interceptor::InterceptedService},
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
};

use crate::{
    client::{Client, Inner},
    environment::Environment,
    runtime::Runtime,
};

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a connection in use is asked whether it is alive, and how long it may take to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// Bytes of one call, and of all, that the server may send ahead.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;
/// How long is tried again what may be tried again, unless said otherwise.
const RETRY_FOR: Duration = Duration::from_secs(5);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL is none that can be connected to.
    #[error("{url} is not a server's address: {problem}; it looks like http://HOST:PORT")]
    Url {
        /// The URL.
        url: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A certificate or a key can't be used.
    #[error("{what} can't be used: {problem}")]
    Certificate {
        /// Which.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The token can't be sent.
    #[error("the token has characters that no token has")]
    Token,
    /// The server can't be reached, or won't be talked to.
    #[error("{url} can't be reached: {problem}")]
    Unreachable {
        /// The URL.
        url: String,
        /// What is known.
        problem: String,
    },
}

/// A connection that is about to be made.
#[derive(Clone, Debug)]
#[must_use]
pub struct Connect {
    url: String,
    token: Option<String>,
    ca: Option<Vec<u8>>,
    identity: Option<(Vec<u8>, Vec<u8>)>,
    domain: Option<String>,
    retry_for: Duration,
}

impl Connect {
    pub(crate) fn to(url: String) -> Self {
        Self { url, token: None, ca: None, identity: None, domain: None, retry_for: RETRY_FOR }
    }

    /// Who asks: sent with each request. Over `http://` everybody on the way can read it.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The certificate, in PEM, of the authority that the server's is believed by, instead of those
    /// that the system believes.
    pub fn certificate_authority(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca = Some(pem.into());
        self
    }

    /// The client's own certificate and key, in PEM, for a server that wants them.
    pub fn identity(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Takes what was not said from the environment: the token from `FACTUM_TOKEN`, and for `https://`
    /// the files named by `FACTUM_CA`, `FACTUM_CLIENT_CERTIFICATE` and `FACTUM_CLIENT_KEY`. So an
    /// application runs against a server by another URL alone.
    ///
    /// # Errors
    /// [`ConnectError::Certificate`] for a file that can't be read, and for a certificate without a key.
    pub fn environment(self) -> Result<Self, ConnectError> {
        self.filled(Environment::of_process())
    }

    /// The same, of this environment.
    pub(crate) fn filled(mut self, environment: Environment) -> Result<Self, ConnectError> {
        if self.token.is_none() {
            self.token = environment.token.clone();
        }
        if !self.is_over_tls() {
            return Ok(self);
        }
        if self.ca.is_none() {
            self.ca = environment.ca()?;
        }
        if self.identity.is_none() {
            self.identity = environment.identity()?;
        }
        Ok(self)
    }

    fn is_over_tls(&self) -> bool {
        self.url.starts_with("https://")
    }

    /// The name that the server's certificate must have, when it is not the URL's host.
    pub fn domain(mut self, name: impl Into<String>) -> Self {
        self.domain = Some(name.into());
        self
    }

    /// How long is tried again what may be tried again: reads, and appends with a key, that lost
    /// their connection, and whatever the server was too busy for. 5 s.
    pub fn retry_for(mut self, span: Duration) -> Self {
        self.retry_for = span;
        self
    }

    /// Connects, and sees that the other end is a Factum that knows who asks.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn connect(self) -> Result<Client, ConnectError> {
        let url = self.url.clone();
        let client = self.lazily()?;
        let mut ledgers = client.ledgers();
        let asked = client
            .inner
            .runtime
            .run(async move { ledgers.list_ledgers(ListLedgersRequest {}).await.map(drop) });
        let problem = match asked.await {
            Ok(Ok(())) => return Ok(client),
            Ok(Err(status)) => problem(&status),
            Err(ended) => ended.to_string(),
        };
        Err(ConnectError::Unreachable { url, problem })
    }

    /// The same without a word to the server until something is asked of it.
    ///
    /// # Errors
    /// [`ConnectError::Url`], [`ConnectError::Certificate`], [`ConnectError::Token`].
    pub fn lazily(self) -> Result<Client, ConnectError> {
        let wrong = |problem: String| ConnectError::Url { url: self.url.clone(), problem };
        let endpoint = self.endpoint().map_err(|error| wrong(said(&error)))?;
        let endpoint = self.over_tls(endpoint)?;
        let token = self.token.as_deref().map(bearer).transpose()?;
        let runtime = Runtime::here().map_err(|error| wrong(error.to_string()))?;
        let channel = runtime.enter(|| endpoint.connect_lazy());
        let connection = InterceptedService::new(channel, Token(token));
        let retry_for = self.retry_for;
        Ok(Client { inner: Arc::new(Inner { connection, runtime, retry_for }) })
    }

    fn endpoint(&self) -> Result<Endpoint, tonic::transport::Error> {
        Ok(Endpoint::from_shared(self.url.clone())?
            .connect_timeout(CONNECT_TIMEOUT)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW))
    }

    fn over_tls(&self, endpoint: Endpoint) -> Result<Endpoint, ConnectError> {
        let unfit = |what: &str, problem: &str| ConnectError::Certificate {
            what: what.to_owned(),
            problem: problem.to_owned(),
        };
        if !self.is_over_tls() {
            return match self.ca.is_some() || self.identity.is_some() {
                true => Err(unfit("a certificate", "the URL is not https://")),
                false => Ok(endpoint),
            };
        }
        let mut tls = match &self.ca {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        if let Some((certificate, key)) = &self.identity {
            tls = tls.identity(Identity::from_pem(certificate, key));
        }
        if let Some(name) = &self.domain {
            tls = tls.domain_name(name);
        }
        endpoint
            .tls_config(tls)
            .map_err(|error| unfit("the authority, certificate or key", &said(&error)))
    }
}

/// Says who asks.
#[derive(Clone, Debug)]
pub struct Token(Option<MetadataValue<Ascii>>);

impl Interceptor for Token {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(bearer) = &self.0 {
            request.metadata_mut().insert("authorization", bearer.clone());
        }
        Ok(request)
    }
}

fn bearer(token: &str) -> Result<MetadataValue<Ascii>, ConnectError> {
    let mut value: MetadataValue<Ascii> =
        format!("Bearer {token}").parse().map_err(|_| ConnectError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

/// An error and what led to it.
pub(crate) fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// What a status says, and what led to it when it is the client's own.
pub(crate) fn problem(status: &Status) -> String {
    match std::error::Error::source(status) {
        Some(source) if status.code() != Code::Ok => said(source),
        _ => Failure::of(status).message,
    }
}
