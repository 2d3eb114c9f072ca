//! `factum-client` and applications over real TLS: whom they believe, and who they are.

use factum::{App, Fault, RunError};
use serde_json::json;

use super::secure::{Secure, says};
use crate::{
    bank::{self, Account, AccountId, Open},
    tls::Authority,
};

fn account() -> AccountId {
    "a".parse().expect("an id")
}

fn url(secure: &Secure) -> String {
    format!("https://localhost:{}/bank", secure.server.world.address.port())
}

fn all() -> serde_json::Value {
    json!([{ "verbs": ["append", "read", "command"], "ledgers": ["bank"] }])
}

fn admin(secure: &Secure) -> String {
    secure.server.admin.trim_start_matches("Bearer ").to_owned()
}

#[tokio::test]
async fn an_application_runs_over_tls_with_a_token_or_a_certificate() {
    let secure = Secure::start().await;
    let (card, pem) = (secure.card(&says("edge")), secure.authority.pem());
    let opening = || App::open(url(&secure)).certificate_authority(&*pem).domain(bank::domain());
    let app = opening().token(admin(&secure)).await.expect("opens");
    let done = app.run(Open { account: account() }).key("k").await.expect("is accepted");
    secure.know("edge", "dns:edge.example", &all()).await;
    let app = opening().identity(&*card.certificate, &*card.key).await.expect("opens");
    let read = app.get::<Account>(account()).await.expect("is read");
    assert_eq!(read.position(), done.position());
    // Keys are those of who asks: this is somebody else, for whom the account is there already.
    match app.run(Open { account: account() }).key("k").await {
        Err(RunError::Refused(_)) => {}
        other => panic!("{:?}", other.map(|done| done.position())),
    }
}

#[tokio::test]
async fn who_is_not_known_or_not_believed_is_told_so_when_it_opens() {
    let secure = Secure::start().await;
    let (card, pem) = (secure.card(&says("edge")), secure.authority.pem());
    let unavailable = async |opening: factum::Opening, says: &str| {
        let fault = opening.await.err().expect("is refused");
        assert!(matches!(&fault, Fault::Unavailable(why) if why.contains(says)), "{fault}");
    };
    let opening = || App::open(url(&secure)).certificate_authority(&*pem);
    unavailable(opening(), "token").await;
    unavailable(opening().token("factum_wrong"), "token").await;
    unavailable(opening().identity(&*card.certificate, &*card.key), "token").await;
    let foreign = secure.foreign_card(&says("edge"));
    unavailable(opening().identity(&*foreign.certificate, &*foreign.key), "reached").await;
    // Somebody else's server, as far as this client can tell.
    let stranger = Authority::new().pem();
    let elsewhere = || App::open(url(&secure)).token(admin(&secure));
    unavailable(elsewhere().certificate_authority(stranger), "ertificate").await;
    unavailable(elsewhere(), "ertificate").await;
    let plain = url(&secure).replace("https", "http");
    unavailable(App::open(plain).token(admin(&secure)), "reached").await;
    let other = secure.card(&says("other"));
    let fault = opening().identity(&*card.certificate, &*other.key).await.err();
    assert!(matches!(fault, Some(Fault::Unsupported { .. })), "another's key: {fault:?}");
}
