//! Rights by a client's certificate: what it is known by, which rights it has, and what it opens when
//! nobody knows it, when another authority has signed it, when it has ended, and when it is revoked.

use factum_client::Client;
use factum_proto::{
    Failure, Reason,
    v1::{HeadRequest, ListLedgersRequest, ListLedgersResponse},
};
use rcgen::date_time_ymd;
use serde_json::json;
use tonic::{Response, Status};

use super::secure::{Card, Secure, says};
use crate::{client::Request, grpc::one, guarded::reads};

async fn listed(client: &Client) -> Result<Response<ListLedgersResponse>, Status> {
    client.ledgers().list_ledgers(ListLedgersRequest {}).await
}

/// Whether somebody who shows this reads the ledger; otherwise why not.
async fn reads_with(secure: &Secure, card: &Card) -> Result<(), Reason> {
    let client = secure.showing(card).lazily().expect("can be used");
    let head = client.ledgers().head(HeadRequest { ledger: "bank".into() }).await;
    head.map(drop).map_err(|status| Failure::of(&status).reason)
}

#[tokio::test]
async fn each_name_of_a_certificate_can_have_rights() {
    let secure = Secure::start().await;
    for (n, kind) in ["sha256", "uri", "dns", "email", "cn"].into_iter().enumerate() {
        let name = format!("edge-{n}");
        let card = secure.card(&says(&name));
        let identity = match kind {
            "sha256" => card.fingerprint.clone(),
            "uri" => format!("uri:spiffe://example/{name}"),
            "dns" => format!("dns:{}.EXAMPLE", name.to_uppercase()),
            "email" => format!("email:{name}@example"),
            _ => format!("cn:{name} of us"),
        };
        assert_eq!(reads_with(&secure, &card).await, Err(Reason::Unauthenticated), "{kind}");
        let id = secure.know(&name, &identity, &reads()).await;
        assert_eq!(reads_with(&secure, &card).await, Ok(()), "{kind}");
        let client = secure.showing(&card).connect().await.expect("is known");
        let refused = client.ledgers().append(one("a", "t:1")).await.expect_err("only reads");
        assert_eq!(Failure::of(&refused).reason, Reason::Forbidden);
        assert!(refused.message().contains(&name), "{refused:?}");
        let other = secure.card(&says("other"));
        assert_eq!(reads_with(&secure, &other).await, Err(Reason::Unauthenticated), "{kind}");
        secure.revoke(&id).await;
        assert_eq!(reads_with(&secure, &card).await, Err(Reason::Unauthenticated), "{kind}");
    }
}

/// Who is known by the fingerprint is that one; the name is what many may have.
#[tokio::test]
async fn the_most_exact_name_decides_and_shuts_out_too() {
    let secure = Secure::start().await;
    let (one, other) = (secure.card(&says("edge")), secure.card(&says("edge")));
    secure.know("edges", "dns:edge.example", &reads()).await;
    let id = secure.know("one", &one.fingerprint, &reads()).await;
    assert_eq!(
        (reads_with(&secure, &one).await, reads_with(&secure, &other).await),
        (Ok(()), Ok(()))
    );
    secure.revoke(&id).await;
    assert_eq!(reads_with(&secure, &one).await, Err(Reason::Unauthenticated));
    assert_eq!(reads_with(&secure, &other).await, Ok(()));
    // Who was revoked can be let in again, by another token.
    secure.know("one", &one.fingerprint, &reads()).await;
    assert_eq!(reads_with(&secure, &one).await, Ok(()));
}

#[tokio::test]
async fn a_connection_that_stays_open_opens_nothing_once_its_certificate_is_revoked() {
    let secure = Secure::start().await;
    let card = secure.card(&says("edge"));
    let id = secure.know("edge", "uri:spiffe://example/edge", &reads()).await;
    let client = secure.showing(&card).connect().await.expect("is known");
    assert_eq!(listed(&client).await.expect("may").into_inner().ledgers.len(), 1);
    secure.revoke(&id).await;
    let refused = listed(&client).await.expect_err("is revoked");
    assert_eq!(Failure::of(&refused).reason, Reason::Unauthenticated, "{refused:?}");
}

#[tokio::test]
async fn what_another_authority_signed_or_what_has_ended_does_not_get_in() {
    let secure = Secure::start().await;
    secure.know("edge", "dns:edge.example", &reads()).await;
    assert_eq!(reads_with(&secure, &secure.card(&says("edge"))).await, Ok(()));
    let foreign = secure.foreign_card(&says("edge"));
    let mut ended = says("edge");
    (ended.not_before, ended.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 2, 1));
    let mut early = says("edge");
    (early.not_before, early.not_after) = (date_time_ymd(2200, 1, 1), date_time_ymd(2201, 1, 1));
    for card in [foreign, secure.card(&ended), secure.card(&early)] {
        // TLS ends before anything can be asked.
        let refused = reads_with(&secure, &card).await.expect_err("is not believed");
        assert!(matches!(refused, Reason::Unavailable | Reason::OutcomeUnknown), "{refused:?}");
        let refused = secure.showing(&card).connect().await.err().expect("is not believed");
        assert!(refused.to_string().contains("can't be reached"), "{refused}");
    }
}

/// Who shows a certificate and says a token is whose token it is: a wrong one is not made good by it.
#[tokio::test]
async fn a_token_is_more_than_a_certificate() {
    let secure = Secure::start().await;
    let card = secure.card(&says("edge"));
    secure.know("edge", "dns:edge.example", &reads()).await;
    let admin = secure.server.admin.trim_start_matches("Bearer ").to_owned();
    let client = secure.showing(&card).token(admin).connect().await.expect("is known");
    client.ledgers().append(one("a", "t:1")).await.expect("may all");
    let refused = secure.showing(&card).token("x").connect().await.err().expect("is wrong");
    assert!(refused.to_string().contains("can't be reached"), "{refused}");
}

#[tokio::test]
async fn what_is_no_certificate_to_know_is_said() {
    let secure = Secure::start().await;
    secure.know("edge", "dns:edge.example", &reads()).await;
    for identity in ["edge.example", "ip:10.0.0.1", "dns:", "sha256:00", "dns:EDGE.example"] {
        let body = json!({ "name": "x", "rights": reads(), "certificate": identity });
        let refused = secure.post("/v1/tokens", &body).await.problem("invalid");
        assert_eq!(refused["field"], "certificate", "{identity}: {refused}");
    }
    let tokens = Request::new("GET", "/v1/tokens").bearer(&secure.server.admin);
    let tokens = secure.ask(tokens).await.ok();
    let edge = &tokens["tokens"][1];
    assert_eq!((&edge["name"], &edge["certificate"]), (&json!("edge"), &json!("dns:edge.example")));
    let id = edge["id"].as_str().expect("an id");
    let refused = secure.post(&format!("/v1/tokens/{id}/rotate"), &json!({})).await;
    assert_eq!(refused.problem("invalid")["field"], "token");
}

/// Where nobody has to say who they are, a certificate that is not known is like none; one that is, or
/// was, says who asks.
#[tokio::test]
async fn where_nobody_has_to_say_who_they_are_a_certificate_is_still_heeded() {
    let secure = Secure::with(|config| config.require_token = false).await;
    let card = secure.card(&says("edge"));
    let append = async || {
        let client = secure.showing(&card).lazily().expect("can be used");
        let appended = client.ledgers().append(one("a", "t:1")).await;
        appended.map(drop).map_err(|status| Failure::of(&status).reason)
    };
    assert_eq!(append().await, Ok(()));
    let id = secure.know("edge", "dns:edge.example", &reads()).await;
    assert_eq!(append().await, Err(Reason::Forbidden));
    secure.revoke(&id).await;
    assert_eq!(append().await, Err(Reason::Unauthenticated));
}
