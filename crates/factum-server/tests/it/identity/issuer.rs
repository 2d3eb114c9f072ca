//! An issuer of JWTs on this machine: it has keys, signs with them, and says over HTTP which they are.
//! It counts how often it is asked, and can be made to say nonsense.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use factum_server::JwtSettings;
use ring::{
    rand::SystemRandom,
    signature::{
        self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair as _, RsaKeyPair, RsaPublicKeyComponents,
    },
};
use rustls_pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::TlsAcceptor;

/// A key pair, by the algorithm that it signs with.
pub(crate) enum Key {
    Rsa(&'static str, RsaKeyPair),
    Ec(&'static str, EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Key {
    /// A new one; of RSA always the same, because making one takes long.
    pub(crate) fn new(algorithm: &'static str) -> Self {
        let random = SystemRandom::new();
        match algorithm {
            "EdDSA" => {
                let made = Ed25519KeyPair::generate_pkcs8(&random).expect("a key");
                Self::Ed(Ed25519KeyPair::from_pkcs8(made.as_ref()).expect("a key"))
            }
            "ES256" | "ES384" => {
                let by = match algorithm {
                    "ES256" => &ECDSA_P256_SHA256_FIXED_SIGNING,
                    _ => &ECDSA_P384_SHA384_FIXED_SIGNING,
                };
                let made = EcdsaKeyPair::generate_pkcs8(by, &random).expect("a key");
                let pair = EcdsaKeyPair::from_pkcs8(by, made.as_ref(), &random);
                Self::Ec(algorithm, pair.expect("a key"))
            }
            _ => {
                let pem = include_bytes!("rsa.pem");
                let der = PrivatePkcs8KeyDer::from_pem_slice(pem).expect("a key");
                let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()).expect("a key");
                Self::Rsa(algorithm, pair)
            }
        }
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Rsa(algorithm, _) | Self::Ec(algorithm, _) => algorithm,
            Self::Ed(_) => "EdDSA",
        }
    }

    /// The public key, as others get it.
    pub(crate) fn jwk(&self, id: &str) -> Value {
        let mut jwk = match self {
            Self::Rsa(_, pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public());
                let (n, e) = (encoded(&public.n), encoded(&public.e));
                json!({ "kty": "RSA", "n": n, "e": e })
            }
            Self::Ec(algorithm, pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if *algorithm == "ES256" { "P-256" } else { "P-384" };
                json!({ "kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y) })
            }
            Self::Ed(pair) => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key().as_ref()) })
            }
        };
        jwk["kid"] = json!(id);
        jwk
    }

    fn sign(&self, said: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ed(pair) => pair.sign(said).as_ref().to_vec(),
            Self::Ec(_, pair) => pair.sign(&random, said).expect("signs").as_ref().to_vec(),
            Self::Rsa(algorithm, pair) => {
                let by: &dyn signature::RsaEncoding = match *algorithm {
                    "RS256" => &signature::RSA_PKCS1_SHA256,
                    "RS384" => &signature::RSA_PKCS1_SHA384,
                    "RS512" => &signature::RSA_PKCS1_SHA512,
                    "PS256" => &signature::RSA_PSS_SHA256,
                    "PS384" => &signature::RSA_PSS_SHA384,
                    _ => &signature::RSA_PSS_SHA512,
                };
                let mut signed = vec![0; pair.public().modulus_len()];
                pair.sign(by, &random, said, &mut signed).expect("signs");
                signed
            }
        }
    }

    /// A token with this header and these claims.
    pub(crate) fn token(&self, header: &Value, claims: &Value) -> String {
        let said = unsigned(header, claims);
        let signed = encoded(self.sign(said.as_bytes()));
        format!("{said}.{signed}")
    }
}

/// The first two parts of a token.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()))
}

pub(crate) fn encoded(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Seconds since 1970, and some more.
pub(crate) fn in_seconds(more: i64) -> i64 {
    jiff::Timestamp::now().as_second() + more
}

/// What it answers with, and how often it was asked for keys.
#[derive(Default)]
struct Says {
    keys: Mutex<Vec<Value>>,
    /// What it says instead.
    nonsense: Mutex<Option<String>>,
    asked: AtomicUsize,
}

/// An issuer that listens.
pub(crate) struct Issuer {
    pub(crate) url: String,
    says: Arc<Says>,
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        Self::listening(None).await
    }

    /// The same over TLS, at `https://localhost`.
    pub(crate) async fn over_tls(acceptor: TlsAcceptor) -> Self {
        Self::listening(Some(acceptor)).await
    }

    async fn listening(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await;
        let listener = listener.expect("listens");
        let address = listener.local_addr().expect("an address");
        let url = match &tls {
            None => format!("http://{address}"),
            Some(_) => format!("https://localhost:{}", address.port()),
        };
        let says = Arc::new(Says::default());
        let issuer = Self { url: url.clone(), says: Arc::clone(&says) };
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                match &tls {
                    None => says.speak(connection, &url).await,
                    Some(tls) => {
                        if let Ok(connection) = tls.accept(connection).await {
                            says.speak(connection, &url).await;
                        }
                    }
                }
            }
        });
        issuer
    }

    /// From now on these are its keys.
    pub(crate) fn has(&self, keys: &[Value]) {
        *self.says.keys.lock().expect("no panic") = keys.to_vec();
    }

    /// From now on it says this and nothing else; `None` is to be itself again.
    pub(crate) fn says(&self, nonsense: Option<&str>) {
        *self.says.nonsense.lock().expect("no panic") = nonsense.map(str::to_owned);
    }

    /// How often it was asked for its keys.
    pub(crate) fn asked(&self) -> usize {
        self.says.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn settings(&self) -> JwtSettings {
        JwtSettings::new(&*self.url, "factum-tests")
    }

    /// Claims of somebody who has these rights for an hour.
    pub(crate) fn claims(&self, subject: &str, rights: &[&str]) -> Value {
        json!({
            "iss": self.url, "aud": "factum-tests", "sub": subject, "factum": rights,
            "exp": in_seconds(3_600), "iat": in_seconds(0),
        })
    }

    /// A header with a token of these.
    pub(crate) fn bearer(&self, key: &Key, id: &str, subject: &str, rights: &[&str]) -> String {
        let header = json!({ "alg": key.algorithm(), "kid": id, "typ": "JWT" });
        format!("Bearer {}", key.token(&header, &self.claims(subject, rights)))
    }
}

impl Says {
    async fn speak<S: AsyncRead + AsyncWrite + Unpin>(&self, mut connection: S, url: &str) {
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            if connection.read_buf(&mut asked).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let answer = self.answer(&String::from_utf8_lossy(&asked), url);
        let _ = connection.write_all(answer.as_bytes()).await;
        let _ = connection.shutdown().await;
    }

    fn answer(&self, asked: &str, url: &str) -> String {
        let path = asked.split(' ').nth(1).unwrap_or_default();
        let body = match path {
            "/keys" => {
                self.asked.fetch_add(1, Ordering::SeqCst);
                json!({ "keys": *self.keys.lock().expect("no panic") }).to_string()
            }
            _ => json!({ "issuer": url, "jwks_uri": format!("{url}/keys") }).to_string(),
        };
        let body = self.nonsense.lock().expect("no panic").clone().unwrap_or(body);
        let length = body.len();
        format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
    }
}
