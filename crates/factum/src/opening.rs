//! [`Opening`]: an application is opened by path or URL, and is the same wherever its ledger is.

use std::{future::IntoFuture, path::PathBuf};

use factum_domain::Domain;
use factum_store::BoxFuture;

use crate::{App, Fault};

/// The ledger that is meant when none is named.
pub(crate) const DEFAULT_LEDGER: &str = "default";

/// [`App::open`] before it is awaited.
pub struct Opening {
    pub(crate) url: String,
    pub(crate) ledger: Option<String>,
    pub(crate) domain: Domain,
    pub(crate) record_commands: bool,
    pub(crate) token: Option<String>,
    pub(crate) certificate_authority: Option<Vec<u8>>,
    pub(crate) identity: Option<(Vec<u8>, Vec<u8>)>,
    pub(crate) views: Option<PathBuf>,
}

impl Opening {
    pub(crate) fn new(url: String) -> Self {
        Self {
            url,
            ledger: None,
            domain: Domain::new("app"),
            record_commands: true,
            token: None,
            certificate_authority: None,
            identity: None,
            views: None,
        }
    }

    /// The ledger, by default `default`, or the one that the URL of a server names. In a directory
    /// it is made if it is missing; on a server it has to be there.
    #[must_use]
    pub fn ledger(mut self, name: impl Into<String>) -> Self {
        self.ledger = Some(name.into());
        self
    }

    /// What the application is made of. Without it there are no views, and no commands by name.
    #[must_use]
    pub fn domain(mut self, domain: Domain) -> Self {
        self.domain = domain;
        self
    }

    /// Whether each command is recorded; see [`AppBuilder::record_commands`](crate::AppBuilder).
    #[must_use]
    pub fn record_commands(mut self, record: bool) -> Self {
        self.record_commands = record;
        self
    }

    /// Who asks, for a ledger of a server. Without it `FACTUM_TOKEN` of the environment says it.
    #[cfg(feature = "remote")]
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// The certificate, in PEM, of the authority that a server's is believed by, instead of those
    /// that the system believes. Without it `FACTUM_CA` of the environment names a file of it.
    #[cfg(feature = "remote")]
    #[must_use]
    pub fn certificate_authority(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.certificate_authority = Some(pem.into());
        self
    }

    /// The certificate to show a server that gives rights by it, and its key, in PEM. Without it
    /// `FACTUM_CLIENT_CERTIFICATE` and `FACTUM_CLIENT_KEY` of the environment name files of them.
    #[cfg(feature = "remote")]
    #[must_use]
    pub fn identity(mut self, certificate: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.identity = Some((certificate.into(), key.into()));
        self
    }

    /// Where the views and snapshots of a ledger of a server are kept on this machine. Without it
    /// they are in memory, and each start builds them anew from the ledger.
    #[cfg(all(feature = "remote", feature = "sqlite"))]
    #[must_use]
    pub fn views(mut self, dir: impl Into<PathBuf>) -> Self {
        self.views = Some(dir.into());
        self
    }

    async fn open(self) -> Result<App, Fault> {
        #[cfg(feature = "remote")]
        if crate::remote::is_server(&self.url) {
            return crate::remote::open(self).await;
        }
        self.open_local().await
    }

    #[cfg(all(feature = "embedded", feature = "sqlite"))]
    async fn open_local(self) -> Result<App, Fault> {
        let known = self.token.is_some() || self.identity.is_some();
        if known || self.certificate_authority.is_some() || self.views.is_some() {
            let problem =
                "it is no server; a token, certificates and a place for views are for those";
            return Err(Fault::Unsupported { url: self.url, problem: problem.to_owned() });
        }
        let store = crate::Store::open(&self.url)?;
        let ledger = self.ledger.unwrap_or_else(|| DEFAULT_LEDGER.to_owned());
        if !store.ledgers()?.contains(&ledger) {
            store.create(&ledger)?;
        }
        let app = store.app(&ledger)?.domain(self.domain);
        app.record_commands(self.record_commands).await
    }

    #[cfg(not(all(feature = "embedded", feature = "sqlite")))]
    async fn open_local(self) -> Result<App, Fault> {
        let problem = "this build opens ledgers of servers only, by http:// and https:// URLs";
        Err(Fault::Unsupported { url: self.url, problem: problem.to_owned() })
    }
}

impl IntoFuture for Opening {
    type Output = Result<App, Fault>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.open())
    }
}
