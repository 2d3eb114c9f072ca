//! TLS: what is spoken over it, that nothing else is, and that a new certificate is shown without a
//! restart.

use std::{fs, net::SocketAddr, path::Path, sync::Arc};

use factum::App;
use factum_server::{Config, ServeError, Server, TlsFiles};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, Issuer, KeyPair, SanType};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsAcceptor, TlsConnector,
    client::TlsStream,
    rustls::{ClientConfig, RootCertStore, ServerConfig, crypto::ring},
};

use crate::{
    client::{Request, raw},
    world::World,
};

/// Who signs certificates.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    /// A certificate for these names, and its key.
    pub(crate) fn sign(&self, names: Vec<SanType>) -> (rcgen::Certificate, KeyPair) {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        self.sign_as(&params)
    }

    /// Its own certificate, as PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// What a server of this name receives connections with.
    pub(crate) fn acceptor(&self, name: &str) -> TlsAcceptor {
        let (certificate, key) =
            self.sign(vec![SanType::DnsName(name.try_into().expect("a name"))]);
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth();
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let config = builder.with_single_cert(chain, key).expect("fit together");
        TlsAcceptor::from(Arc::new(config))
    }

    /// A certificate as these say, and its key.
    pub(crate) fn sign_as(&self, params: &CertificateParams) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().expect("a key");
        let issuer: &Issuer<'_, KeyPair> = &self.0;
        (params.signed_by(&key, issuer).expect("is signed"), key)
    }

    /// Writes a certificate of the server for a name, and says where.
    pub(crate) fn files(&self, dir: &Path, name: &str) -> TlsFiles {
        let dns = SanType::DnsName(name.try_into().expect("a name"));
        let (certificate, key) = self.sign(vec![dns]);
        let files = TlsFiles {
            certificate: dir.join("server.pem"),
            key: dir.join("server.key"),
            client_ca: None,
        };
        fs::write(&files.certificate, certificate.pem()).expect("is written");
        fs::write(&files.key, key.serialize_pem()).expect("is written");
        files
    }

    /// A client that trusts it, and shows this certificate if there is one.
    pub(crate) fn client(
        &self,
        protocols: &[&str],
        shown: Option<(rcgen::Certificate, KeyPair)>,
    ) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("is a root");
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let certificate = CertificateDer::from(certificate.der().to_vec());
                let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
                builder.with_client_auth_cert(vec![certificate], key).expect("fit together")
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }
}

/// A connection to a server whose certificate is for `name`.
pub(crate) async fn connect(
    client: &TlsConnector,
    address: SocketAddr,
    name: &str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    client.connect(name, stream).await
}

#[tokio::test]
async fn http_is_spoken_over_tls_and_nothing_without_it() {
    let (dir, authority) = (tempfile::tempdir().expect("a directory"), Authority::new());
    let files = authority.files(dir.path(), "factum.example");
    let world = World::with(|config| config.tls = Some(files)).await;
    let client = authority.client(&["http/1.1"], None);
    let stream = connect(&client, world.address, "factum.example").await.expect("connects");
    // A name of the certificate is a name of the server, and its pages are at https.
    let request = Request::new("GET", "/v1/ledgers")
        .header("Host", "factum.example")
        .header("Origin", "https://factum.example");
    request.over(stream, world.address).await.ok();
    for (header, value, slug) in [
        ("Host", "evil.example", "host-not-allowed"),
        ("Origin", "http://factum.example", "origin-not-allowed"),
    ] {
        let stream = connect(&client, world.address, "factum.example").await.expect("connects");
        let request = Request::new("GET", "/v1/ledgers").header(header, value);
        request.over(stream, world.address).await.problem(slug);
    }
    assert!(connect(&client, world.address, "other.example").await.is_err());
    let stranger = Authority::new().client(&[], None);
    assert!(connect(&stranger, world.address, "factum.example").await.is_err());
    let plain = raw(world.address, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(!plain.starts_with(b"HTTP/"), "{plain:?}");
}

#[tokio::test]
async fn the_protocol_is_agreed_on_in_the_handshake() {
    let (dir, authority) = (tempfile::tempdir().expect("a directory"), Authority::new());
    let files = authority.files(dir.path(), "localhost");
    let world = World::with(|config| config.tls = Some(files)).await;
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let client = authority.client(offered, None);
        let stream = connect(&client, world.address, "localhost").await.expect("connects");
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed, "{offered:?}");
    }
    let client = authority.client(&["gopher"], None);
    assert!(connect(&client, world.address, "localhost").await.is_err());
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_restart_and_a_bad_one_changes_nothing() {
    let (dir, authority) = (tempfile::tempdir().expect("a directory"), Authority::new());
    let files = authority.files(dir.path(), "old.example");
    let mut config = Config::at(SocketAddr::from(([127, 0, 0, 1], 0)));
    config.tls = Some(files.clone());
    let server = Server::over(config, std::iter::empty::<(String, App)>()).await.expect("listens");
    let (address, reload) = (server.address(), server.reloading());
    assert_eq!(server.url(), format!("https://{address}"));
    tokio::spawn(server.serve(std::future::pending()));
    let client = authority.client(&[], None);
    connect(&client, address, "old.example").await.expect("connects");
    authority.files(dir.path(), "new.example");
    reload().expect("can be read");
    connect(&client, address, "new.example").await.expect("connects");
    assert!(connect(&client, address, "old.example").await.is_err());
    fs::write(&files.key, KeyPair::generate().expect("a key").serialize_pem()).expect("is written");
    assert!(reload().expect_err("another's key").contains("of no use together"));
    fs::write(&files.certificate, "nothing").expect("is written");
    assert!(reload().expect_err("no certificate").contains("no certificate in"));
    connect(&client, address, "new.example").await.expect("connects");
}

#[tokio::test]
async fn files_that_are_of_no_use_are_said_at_the_start() {
    let (dir, authority) = (tempfile::tempdir().expect("a directory"), Authority::new());
    let files = authority.files(dir.path(), "localhost");
    let start = async |tls: TlsFiles| {
        let mut config = Config::at(SocketAddr::from(([127, 0, 0, 1], 0)));
        config.tls = Some(tls);
        let refused = Server::over(config, std::iter::empty::<(String, App)>()).await.err();
        let refused = refused.expect("is refused");
        assert!(matches!(refused, ServeError::Tls(_)), "{refused}");
        refused.to_string()
    };
    let missing = dir.path().join("missing");
    assert!(start(TlsFiles { certificate: missing, ..files.clone() }).await.contains("missing"));
    let swapped = TlsFiles { key: files.certificate.clone(), ..files.clone() };
    assert!(start(swapped).await.contains("no private key"));
    let no_clients = TlsFiles { client_ca: Some(files.key.clone()), ..files };
    assert!(start(no_clients).await.contains("no certificate"));
}

#[tokio::test]
async fn with_tls_a_server_may_be_reached_from_elsewhere_and_then_wants_tokens() {
    let (dir, authority) = (tempfile::tempdir().expect("a directory"), Authority::new());
    let mut config = Config::at(SocketAddr::from(([0, 0, 0, 0], 0)));
    config.tls = Some(authority.files(dir.path(), "localhost"));
    let server = Server::over(config, std::iter::empty::<(String, App)>()).await;
    let mut server = server.expect("is safe");
    let first = server.take_first_token().expect("a token is needed, and there was none");
    let address = SocketAddr::from(([127, 0, 0, 1], server.address().port()));
    tokio::spawn(server.serve(std::future::pending()));
    let client = authority.client(&[], None);
    let ask = async |bearer: &str| {
        let stream = connect(&client, address, "localhost").await.expect("connects");
        Request::new("GET", "/v1/ledgers").bearer(bearer).over(stream, address).await
    };
    ask("").await.problem("unauthenticated");
    ask(&format!("Bearer {}", first.reveal())).await.ok();
}

/// Whoever doesn't shake hands loses the connection, and holds up nobody.
#[tokio::test]
async fn who_does_not_shake_hands_is_not_waited_for() {
    let (dir, authority) = (tempfile::tempdir().expect("a directory"), Authority::new());
    let files = authority.files(dir.path(), "localhost");
    let world = World::with(|config| {
        config.tls = Some(files);
        config.head_timeout = std::time::Duration::from_millis(200);
    })
    .await;
    let client = authority.client(&[], None);
    let silent = tokio::spawn(raw(world.address, b"\x16\x03\x01"));
    let stream = connect(&client, world.address, "localhost").await.expect("connects");
    Request::new("GET", "/health").over(stream, world.address).await.ok();
    silent.await.expect("the connection is closed");
}
