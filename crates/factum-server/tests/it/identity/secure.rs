//! A server over TLS that believes the certificates of an authority, and its clients.

use factum_client::{Client, Connect};
use factum_server::Config;
use rcgen::{Certificate, CertificateParams, DnType, KeyPair, SanType};
use serde_json::{Value, json};

use crate::{
    client::{Answer, Request},
    guarded::{Guarded, text},
    tls::{Authority, connect},
};

/// A certificate and its key, as PEM.
pub(crate) struct Card {
    pub(crate) certificate: String,
    pub(crate) key: String,
    /// As openssl shows it.
    pub(crate) fingerprint: String,
}

impl Card {
    fn of((certificate, key): (Certificate, KeyPair)) -> Self {
        let digest = ring::digest::digest(&ring::digest::SHA256, certificate.der());
        let hex: Vec<_> = digest.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        Self {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            fingerprint: format!("sha256:{}", hex.join(":")),
        }
    }
}

/// What a certificate of somebody says.
pub(crate) fn says(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("{name} of us"));
    params.subject_alt_names = vec![
        SanType::DnsName(format!("{name}.example").try_into().expect("a name")),
        SanType::URI(format!("spiffe://example/{name}").try_into().expect("a name")),
        SanType::Rfc822Name(format!("{name}@example").try_into().expect("a name")),
    ];
    params
}

/// A server over TLS, and who signs for it and for its clients.
pub(crate) struct Secure {
    pub(crate) server: Guarded,
    pub(crate) authority: Authority,
    pub(crate) clients: Authority,
    _dir: tempfile::TempDir,
}

impl Secure {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let (authority, clients) = (Authority::new(), Authority::new());
        let dir = tempfile::tempdir().expect("a directory");
        let mut files = authority.files(dir.path(), "localhost");
        let file = dir.path().join("clients.pem");
        std::fs::write(&file, clients.pem()).expect("is written");
        files.client_ca = Some(file);
        let server = Guarded::with(|config| {
            config.tls = Some(files);
            change(config);
        });
        Self { server: server.await, authority, clients, _dir: dir }
    }

    /// A certificate that the server believes.
    pub(crate) fn card(&self, params: &CertificateParams) -> Card {
        Card::of(self.clients.sign_as(params))
    }

    /// A certificate that somebody else has signed.
    pub(crate) fn foreign_card(&self, params: &CertificateParams) -> Card {
        Card::of(Authority::new().sign_as(params))
    }

    fn url(&self) -> String {
        format!("https://{}", self.server.world.address)
    }

    /// A connection that is about to be made, by who believes the server.
    pub(crate) fn connection(&self) -> Connect {
        let connect = Client::to(self.url()).certificate_authority(self.authority.pem());
        connect.domain("localhost").retry_for(std::time::Duration::ZERO)
    }

    /// The same, showing this.
    pub(crate) fn showing(&self, card: &Card) -> Connect {
        self.connection().identity(&*card.certificate, &*card.key)
    }

    /// Asks over HTTP with this token.
    pub(crate) async fn ask(&self, request: Request<'_>) -> Answer {
        let address = self.server.world.address;
        let client = self.authority.client(&["http/1.1"], None);
        let stream = connect(&client, address, "localhost").await.expect("connects");
        request.over(stream, address).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        let (body, request) = (body.to_string(), Request::new("POST", path));
        let request = match self.server.admin.as_str() {
            "" => request,
            admin => request.bearer(admin),
        };
        self.ask(request.json(&body)).await
    }

    /// Has certificates of this identity be those of a name with these rights; says the token's id.
    pub(crate) async fn know(&self, name: &str, identity: &str, rights: &Value) -> String {
        let body = json!({ "name": name, "rights": rights, "certificate": identity });
        let made = self.post("/v1/tokens", &body).await.ok();
        assert!(made["secret"].is_null(), "{made}");
        text(&made, "id")
    }

    pub(crate) async fn revoke(&self, id: &str) {
        self.post(&format!("/v1/tokens/{id}/revoke"), &json!({})).await.ok();
    }
}
