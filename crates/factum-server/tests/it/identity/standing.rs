//! What was opened in time ends in time: a stream stops when the token, the certificate or the JWT that
//! it was opened with is worth nothing any more, and nobody else's does.

use factum_client::{Client, Pipeline};
use factum_proto::v1::{SubscribeRequest, SubscribeResponse};
use factum_store::{Append, EventType, NewEvent};
use serde_json::{Value, json};
use tonic::{Code, Streaming};

use super::{
    issuer::{Issuer, Key, in_seconds},
    secure::{Secure, says},
};
use crate::{
    client::{Request, Sse},
    guarded::{EVENTS, Guarded, one_event, reads, text},
};

/// A stream of events that has told all there is.
async fn follow(server: &Guarded, bearer: &str) -> Sse {
    let request = Request::new("GET", EVENTS).bearer(bearer);
    let mut stream = request.stream(server.world.address).await;
    while stream.next().await.expect("goes on").event != "caught-up" {}
    stream
}

async fn client(server: &Guarded, bearer: &str) -> Client {
    let token = bearer.trim_start_matches("Bearer ");
    let url = format!("http://{}", server.world.address);
    Client::to(url).token(token).connect().await.expect("connects")
}

fn event() -> Append {
    Append::new([NewEvent::new(EventType::new("a").expect("a name"), "1")])
}

/// What ends a stream over gRPC.
async fn end<T>(stream: &mut Streaming<T>) -> Code {
    loop {
        match stream.message().await {
            Ok(Some(_)) => {}
            Ok(None) => return Code::Ok,
            Err(status) => return status.code(),
        }
    }
}

async fn subscribed(client: &Client) -> Streaming<SubscribeResponse> {
    let request = SubscribeRequest { ledger: "bank".into(), ..SubscribeRequest::default() };
    client.ledgers().subscribe(request).await.expect("may").into_inner()
}

#[tokio::test]
async fn a_stream_ends_when_its_token_is_revoked_and_others_go_on() {
    let server = Guarded::start().await;
    let (id, reader) = server.token("reader", &reads()).await;
    let (_, other) = server.token("other", &reads()).await;
    let (mut theirs, mut others) = (follow(&server, &reader).await, follow(&server, &other).await);
    let client = client(&server, &reader).await;
    let mut over_grpc = subscribed(&client).await;
    over_grpc.message().await.expect("goes on").expect("goes on");
    server.post(&server.admin, &format!("/v1/tokens/{id}/revoke"), &json!({})).await.ok();
    server.post(&server.admin, EVENTS, &one_event()).await.ok();
    assert_eq!(theirs.next().await, None);
    assert_eq!(end(&mut over_grpc).await, Code::Unauthenticated);
    assert_eq!(others.next().await.and_then(|frame| frame.id), Some(1));
}

#[tokio::test]
async fn appends_on_a_stream_end_with_the_token() {
    let server = Guarded::start().await;
    let appends = json!([{ "verbs": ["append", "read"], "ledgers": ["bank"] }]);
    let (id, writer) = server.token("writer", &appends).await;
    let pipeline: Pipeline = client(&server, &writer).await.ledger("bank").pipeline();
    pipeline.append(event()).await.await.expect("may");
    server.post(&server.admin, &format!("/v1/tokens/{id}/revoke"), &json!({})).await.ok();
    pipeline.append(event()).await.await.expect_err("is revoked");
    let events = server.get(&server.admin, EVENTS).await.ok();
    assert_eq!(events["events"].as_array().map(Vec::len), Some(1), "{events}");
}

#[tokio::test]
async fn a_rotation_ends_the_streams_of_the_old_secret_after_the_grace() {
    let server = Guarded::start().await;
    let (id, reader) = server.token("reader", &reads()).await;
    let rotate = async |grace: Value| {
        let path = format!("/v1/tokens/{id}/rotate");
        let rotated = server.post(&server.admin, &path, &grace).await.ok();
        format!("Bearer {}", text(&rotated, "secret"))
    };
    let mut stream = follow(&server, &reader).await;
    let new = rotate(json!({ "grace_seconds": 3600 })).await;
    server.post(&server.admin, EVENTS, &one_event()).await.ok();
    assert_eq!(stream.next().await.and_then(|frame| frame.id), Some(1));
    let mut newer = follow(&server, &new).await;
    let newest = rotate(json!({ "grace_seconds": 1 })).await;
    // The first secret is not the one before any more; the second one is, for a second.
    while stream.next().await.is_some() {}
    while newer.next().await.is_some() {}
    follow(&server, &newest).await;
}

#[tokio::test]
async fn a_stream_ends_when_its_token_does() {
    let key = Key::new("EdDSA");
    let issuer = Issuer::start().await;
    issuer.has(&[key.jwk("one")]);
    let mut settings = issuer.settings();
    settings.leeway = std::time::Duration::ZERO;
    let server = Guarded::with(|config| config.jwt = Some(settings)).await;
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
    let body = json!({ "name": "short", "rights": reads(), "expires_at": soon.to_string() });
    let made = server.post(&server.admin, "/v1/tokens", &body).await.ok();
    let mut claims = issuer.claims("ann", &["read on bank"]);
    claims["exp"] = json!(in_seconds(3));
    let jwt = key.token(&json!({ "alg": "EdDSA", "kid": "one" }), &claims);
    for bearer in [format!("Bearer {}", text(&made, "secret")), format!("Bearer {jwt}")] {
        let mut stream = follow(&server, &bearer).await;
        assert_eq!(stream.next().await, None);
        server.get(&bearer, EVENTS).await.problem("unauthenticated");
    }
}

#[tokio::test]
async fn a_stream_ends_when_its_certificate_is_revoked() {
    let secure = Secure::start().await;
    let card = secure.card(&says("edge"));
    let id = secure.know("edge", "dns:edge.example", &reads()).await;
    let client = secure.showing(&card).connect().await.expect("is known");
    let mut stream = subscribed(&client).await;
    stream.message().await.expect("goes on").expect("goes on");
    secure.revoke(&id).await;
    assert_eq!(end(&mut stream).await, Code::Unauthenticated);
    let pipeline = client.ledger("bank").pipeline();
    pipeline.append(event()).await.await.expect_err("is revoked");
}
