//! TLS and API keys: a key is a token of the server's.

use umadb_client::{AsyncUmaDbClient, UmaDbClient};
use umadb_dcb::{DcbError, DcbEventStoreAsync, DcbResult};

use super::event;
use crate::world::World;

/// A server that asks everybody for a token, over TLS, and what it is known by.
struct Guarded {
    world: World,
    url: String,
    certificate: String,
    tokens: [String; 2],
}

impl Guarded {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let signed = signed.expect("a certificate");
        let file = |name: &str, text: String| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).expect("is written");
            path.to_str().expect("a path").to_owned()
        };
        let certificate = file("certificate.pem", signed.cert.pem());
        let key = file("key.pem", signed.signing_key.serialize_pem());
        let data = dir.path().join("data");
        let tokens = [("writer", "append,read on default"), ("other", "read on another")]
            .map(|(name, right)| World::token(&data, name, right));
        let args = ["--tls-certificate", &certificate, "--tls-key", &key, "--require-token"];
        let world = World::within(dir, "data", &args);
        let port = world.url.rsplit(':').next().expect("a port").to_owned();
        Self { world, url: format!("https://localhost:{port}"), certificate, tokens }
    }

    async fn client(&self, key: Option<&str>) -> AsyncUmaDbClient {
        let client = UmaDbClient::new(self.url.clone()).ca_path(self.certificate.clone());
        let client = match key {
            Some(key) => client.api_key(key.to_owned()),
            None => client,
        };
        client.connect_async().await.expect("connects")
    }
}

fn assert_stranger<T: std::fmt::Debug>(answer: DcbResult<T>) -> String {
    match answer {
        Err(DcbError::AuthenticationError(said)) => said,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_server_knows_opens_what_it_may_and_nothing_else() {
    let guarded = Guarded::start();
    assert!(guarded.world.url.starts_with("https://"), "{}", guarded.world.url);
    let [writer, other] = &guarded.tokens;
    let client = guarded.client(Some(writer)).await;
    assert_eq!(client.append(vec![event("a", &[])], None, None).await.expect("may"), 1);
    assert_eq!(client.head().await.expect("may"), Some(1));

    let mut said = Vec::new();
    for key in [None, Some("wrong"), Some("")] {
        let client = guarded.client(key).await;
        said.push(assert_stranger(client.head().await));
        said.push(assert_stranger(client.append(vec![event("a", &[])], None, None).await));
        said.push(assert_stranger(client.get_tracking_info("s").await));
        said.push(assert_stranger(client.read(None, None, false, None).await.map(drop)));
        said.push(assert_stranger(client.subscribe(None, None).await.map(drop)));
    }
    said.dedup();
    assert_eq!(said.len(), 1, "a stranger is told the same whatever is wrong: {said:?}");

    // A key that opens another ledger: this one is not there for it.
    let client = guarded.client(Some(other)).await;
    let refused = client.head().await;
    assert!(matches!(refused, Err(DcbError::InvalidArgument(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_is_said_by_service() {
    let world = World::start();
    let client = world.client().await;
    for service in ["", "umadb.v1.DCB"] {
        let health = client.check_health(service).await.expect("an answer");
        assert_eq!(health, umadb_client::ServingStatus::Serving, "{service:?}");
    }
    assert!(client.check_health("nobody").await.is_err());
    let mut watch = client.watch_health("umadb.v1.DCB").await.expect("is watched");
    let first = watch.next().await.expect("an answer");
    assert_eq!(first, Some(umadb_client::ServingStatus::Serving));
}
