//! TLS by rustls: the certificate that the server shows, and the ones that it asks clients for. Both
//! are read again when their files change; what can't be used leaves the old ones in place.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use rustls::{
    RootCertStore, ServerConfig,
    client::verify_server_name,
    crypto::ring,
    server::{ParsedCertificate, WebPkiClientVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;

/// How often is looked whether a file has changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The files of TLS, as PEM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// The server's certificate, then those that it is signed by.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Certificates that those of clients are signed by. A client need not have one: it may come
    /// with a token instead.
    #[serde(default)]
    pub client_ca: Option<PathBuf>,
}

impl TlsFiles {
    /// Whether a server can show these.
    ///
    /// # Errors
    /// What can't be used, in words.
    pub fn check(&self) -> Result<(), String> {
        Loaded::load(self).map(drop)
    }
}

/// TLS, as it is now.
pub(crate) struct Tls {
    files: TlsFiles,
    current: ArcSwap<Loaded>,
    /// The files as they were when they were last tried.
    tried: Mutex<Stamp>,
}

struct Loaded {
    config: Arc<ServerConfig>,
    certificate: CertificateDer<'static>,
}

/// When each file was last written, and its length.
type Stamp = Vec<Option<(SystemTime, u64)>>;

impl Tls {
    pub(crate) fn load(files: &TlsFiles) -> Result<Self, String> {
        let tried = Mutex::new(stamp(files));
        let current = ArcSwap::from_pointee(Loaded::load(files)?);
        Ok(Self { files: files.clone(), current, tried })
    }

    /// What the next connection is received with.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.current.load().config))
    }

    /// Whether the server's certificate is for this name.
    pub(crate) fn is_for(&self, name: &str) -> bool {
        let current = self.current.load();
        let Ok(name) = ServerName::try_from(name) else { return false };
        ParsedCertificate::try_from(&current.certificate)
            .is_ok_and(|certificate| verify_server_name(&certificate, &name).is_ok())
    }

    /// Reads the files again.
    pub(crate) fn reload(&self) -> Result<(), String> {
        *self.tried.lock().unwrap_or_else(PoisonError::into_inner) = stamp(&self.files);
        let loaded = Loaded::load(&self.files)
            .inspect_err(|problem| tracing::warn!("the old certificates stay: {problem}"))?;
        self.current.store(Arc::new(loaded));
        tracing::info!("the certificates were read again");
        Ok(())
    }

    /// Reads the files again whenever one has changed.
    pub(crate) async fn follow(&self) {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let now = stamp(&self.files);
            if *self.tried.lock().unwrap_or_else(PoisonError::into_inner) != now {
                // What can't be used is in the log.
                let _ = self.reload();
            }
        }
    }
}

impl Loaded {
    fn load(files: &TlsFiles) -> Result<Self, String> {
        let chain = certificates(&files.certificate)?;
        let certificate = chain.first().cloned().ok_or_else(|| none_in(&files.certificate))?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|error| format!("{} has no private key: {error}", files.key.display()))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = match &files.client_ca {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for certificate in certificates(file)? {
                    roots.add(certificate).map_err(|e| format!("{}: {e}", file.display()))?;
                }
                if roots.is_empty() {
                    return Err(none_in(file));
                }
                let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
                let clients = clients.allow_unauthenticated().build();
                builder.with_client_cert_verifier(clients.map_err(|error| error.to_string())?)
            }
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| {
            let (certificate, key) = (files.certificate.display(), files.key.display());
            format!("{certificate} and {key} are of no use together: {error}")
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: Arc::new(config), certificate })
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let unreadable = |error| format!("{} can't be read: {error}", file.display());
    let read = CertificateDer::pem_file_iter(file).map_err(unreadable)?;
    read.collect::<Result<_, _>>().map_err(unreadable)
}

fn none_in(file: &Path) -> String {
    format!("there is no certificate in {}", file.display())
}

fn stamp(files: &TlsFiles) -> Stamp {
    let files = [Some(&files.certificate), Some(&files.key), files.client_ca.as_ref()];
    let stamp = |file: &PathBuf| {
        let about = std::fs::metadata(file).ok()?;
        Some((about.modified().ok()?, about.len()))
    };
    files.into_iter().flatten().map(stamp).collect()
}
