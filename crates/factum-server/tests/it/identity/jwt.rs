//! JWTs: what opens, what does not and looks like any other "no", and how the server goes about the
//! issuer's keys.

use std::time::{Duration, Instant};

use factum_server::{Config, JwtSettings, ServeError, Server};
use ring::hmac;
use serde_json::{Value, json};

use super::issuer::{Issuer, Key, encoded, in_seconds, unsigned};
use crate::{
    guarded::{EVENTS, Guarded, learnt, one_event, reopened},
    tls::Authority,
};

/// A server that believes an issuer, which has this key.
async fn believing(key: &Key, change: impl FnOnce(&mut JwtSettings)) -> (Guarded, Issuer) {
    let issuer = Issuer::start().await;
    issuer.has(&[key.jwk("one")]);
    let mut settings = issuer.settings();
    change(&mut settings);
    (Guarded::with(|config| config.jwt = Some(settings)).await, issuer)
}

/// Waits until the issuer was asked for its keys so often.
async fn asked(issuer: &Issuer, times: usize) {
    while issuer.asked() < times {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_token_of_the_issuer_opens_what_its_claim_says() {
    let algorithms =
        ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];
    let issuer = Issuer::start().await;
    let keys = algorithms.map(Key::new);
    issuer.has(&keys.each_ref().map(|key| key.jwk(key.algorithm())));
    let settings = issuer.settings();
    let server = Guarded::with(|config| config.jwt = Some(settings)).await;
    for key in &keys {
        let ann = issuer.bearer(key, key.algorithm(), "ann", &["read on bank", "read on other-*"]);
        server.get(&ann, EVENTS).await.ok();
        server.post(&ann, EVENTS, &one_event()).await.problem("forbidden");
        server.get(&ann, "/v1/tokens").await.problem("forbidden");
        let nobody = issuer.bearer(key, key.algorithm(), "bob", &[]);
        server.get(&nobody, EVENTS).await.problem("unknown-ledger");
        assert_eq!(server.get(&nobody, "/v1/ledgers").await.ok(), json!({ "ledgers": [] }));
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn who_asks_has_the_name_of_subject_and_issuer() {
    let (key, dir) = (Key::new("EdDSA"), tempfile::tempdir().expect("a directory"));
    let issuer = Issuer::start().await;
    issuer.has(&[key.jwk("one")]);
    let (dir, settings) = (dir.path(), issuer.settings());
    let server = Guarded::of(reopened(dir, |config| config.jwt = Some(settings)).await);
    let ann = issuer.bearer(&key, "one", "ann", &["read,command on bank"]);
    let open = json!({ "account": "a" });
    server.post(&ann, "/v1/ledgers/bank/commands/open", &open).await.ok();
    let events = server.get(&ann, EVENTS).await.ok();
    let name = format!("ann@{}", issuer.url);
    assert_eq!(events["events"][0]["actor"], name.as_str(), "{events}");
    for _ in 0..2 {
        server.post(&ann, EVENTS, &one_event()).await.problem("forbidden");
    }
    let admin = server.admin;
    server.world.stop().await;
    let server = Guarded { world: reopened(dir, |_| {}).await, admin };
    assert_eq!(server.told().await, [(format!("right.refused {name} append bank"), 2)]);
}

/// The claims, changed.
fn but(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    match value {
        Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
        value => claims[name] = value,
    }
    claims
}

/// Tokens that are not the issuer's, or not for this server, or not for this moment.
fn worthless(issuer: &Issuer, key: &Key, rsa: &Key) -> Vec<(&'static str, String)> {
    let header = json!({ "alg": "ES256", "kid": "one" });
    let claims = issuer.claims("ann", &["read on bank"]);
    let with = |name: &str, value: Value| key.token(&header, &but(&claims, name, value));
    let headed = |header: &Value| key.token(header, &claims);
    let good = key.token(&header, &claims);
    let (said, signed) = good.rsplit_once('.').expect("has parts");
    let (head, _) = said.split_once('.').expect("has parts");
    let more = encoded(but(&claims, "factum", json!(["admin on *"])).to_string());
    let mut found = vec![
        ("another audience", with("aud", json!("others"))),
        ("other audiences", with("aud", json!(["others", "factum"]))),
        ("no audience", with("aud", Value::Null)),
        ("another issuer", with("iss", json!("https://evil.example"))),
        ("several issuers", with("iss", json!([issuer.url, "https://evil.example"]))),
        ("no issuer", with("iss", Value::Null)),
        ("expired", with("exp", json!(in_seconds(-120)))),
        ("no end", with("exp", Value::Null)),
        ("an end that is none", with("exp", json!("never"))),
        ("an end before all time", with("exp", json!(-1))),
        ("not yet", with("nbf", json!(in_seconds(600)))),
        ("a beginning that is none", with("nbf", json!("soon"))),
        ("nobody", with("sub", Value::Null)),
        ("an empty name", with("sub", json!(""))),
        ("a name for another", with("sub", json!("ann\u{1}bob"))),
        ("a long name", with("sub", json!("x".repeat(256)))),
        ("a large token", with("more", json!("x".repeat(20_000)))),
        ("what is not understood", headed(&json!({ "alg": "ES256", "kid": "one", "crit": ["b"] }))),
        ("another algorithm", headed(&json!({ "alg": "ES384", "kid": "one" }))),
        ("no algorithm", headed(&json!({ "kid": "one" }))),
        ("another's key", Key::new("ES256").token(&header, &claims)),
        ("a key for another use", rsa.token(&json!({ "alg": "PS256", "kid": "two" }), &claims)),
        ("other claims", format!("{head}.{more}.{signed}")),
        ("no signature", format!("{said}.")),
        ("two parts", said.to_owned()),
        ("four parts", format!("{good}.{signed}")),
        ("half a signature", good[..good.len() - 43].to_owned()),
        ("no claims", key.token(&header, &json!("text"))),
        ("claims twice", {
            let twice = claims.to_string().replacen('{', r#"{"exp":1,"#, 1);
            let said = format!("{head}.{}", encoded(twice));
            format!("{said}.{signed}")
        }),
    ];
    let own = json!({ "alg": "EdDSA", "jwk": Key::new("EdDSA").jwk("one"), "kid": "one" });
    found.push(("a key that it brings", Key::new("EdDSA").token(&own, &claims)));
    for none in ["none", "None", "NONE", "nOnE"] {
        let said = unsigned(&json!({ "alg": none, "kid": "one" }), &claims);
        found.push(("no algorithm at all", format!("{said}.")));
        found.push(("no algorithm, signed", format!("{said}.{signed}")));
    }
    for (id, jwk) in [("one", key.jwk("one")), ("two", rsa.jwk("two"))] {
        let public = ["x", "y", "n"].iter().filter_map(|part| jwk[part].as_str());
        let secrets = public.flat_map(|part| [part.to_owned(), jwk.to_string()]);
        for (secret, algorithm) in secrets.zip(["HS256", "HS384", "HS512"].iter().cycle()) {
            let said = unsigned(&json!({ "alg": algorithm, "kid": id }), &claims);
            let by = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            let signed = encoded(hmac::sign(&by, said.as_bytes()));
            found.push(("the public key as a secret", format!("{said}.{signed}")));
        }
    }
    found
}

#[tokio::test]
async fn whatever_is_wrong_is_a_stranger_like_any_other() {
    let (key, rsa) = (Key::new("ES256"), Key::new("RS256"));
    let (server, issuer) = believing(&key, |_| {}).await;
    let mut signs_otherwise = rsa.jwk("two");
    signs_otherwise["alg"] = json!("RS256");
    issuer.has(&[key.jwk("one"), signs_otherwise]);
    let good = issuer.bearer(&key, "one", "ann", &["read on bank"]);
    server.get(&good, EVENTS).await.ok();
    let header = json!({ "alg": "ES256", "kid": "one" });
    let late = but(&issuer.claims("ann", &["read on bank"]), "exp", json!(in_seconds(-30)));
    let late = format!("Bearer {}", key.token(&header, &late));
    server.get(&late, EVENTS).await.ok();
    let nobody = learnt(&server.get("", EVENTS).await);
    assert_eq!(nobody.0, 401);
    for (what, token) in worthless(&issuer, &key, &rsa) {
        let bearer = format!("Bearer {token}");
        for path in [EVENTS, "/v1/ledgers/none", "/v1/tokens"] {
            assert_eq!(learnt(&server.get(&bearer, path).await), nobody, "{what}: {token}");
        }
    }
    server.get(&good, EVENTS).await.ok();
}

/// Whoever sends keys' names that nobody knows can't have the issuer asked for each.
#[tokio::test]
async fn unknown_keys_have_the_issuer_asked_once_in_a_while() {
    let key = Key::new("EdDSA");
    let (server, issuer) =
        believing(&key, |jwt| jwt.refresh_pause = Duration::from_secs(3_600)).await;
    let ann = issuer.bearer(&key, "one", "ann", &["read on bank"]);
    server.get(&ann, EVENTS).await.ok();
    for n in 0..300 {
        let unknown = issuer.bearer(&key, &format!("key-{n}"), "ann", &["read on bank"]);
        server.get(&unknown, EVENTS).await.problem("unauthenticated");
    }
    assert_eq!(issuer.asked(), 1);

    let pause = Duration::from_millis(200);
    let begun = Instant::now();
    let (server, issuer) = believing(&key, |jwt| jwt.refresh_pause = pause).await;
    asked(&issuer, 1).await;
    tokio::time::sleep(pause).await;
    let flood = (0..300).map(|n| {
        let unknown = issuer.bearer(&key, &format!("key-{n}"), "ann", &["read on bank"]);
        let address = server.world.address;
        tokio::spawn(async move {
            let request = crate::client::Request::new("GET", EVENTS).bearer(&unknown);
            request.send(address).await.status
        })
    });
    for one in flood.collect::<Vec<_>>() {
        assert_eq!(one.await.expect("no panic"), 401);
    }
    let most = 1 + begun.elapsed().as_millis() / pause.as_millis();
    let times = issuer.asked();
    assert!(times >= 2 && times as u128 <= most, "{times} times, and {most} at most");
}

#[tokio::test]
async fn a_new_key_is_found_and_an_old_one_forgotten() {
    let (old, new) = (Key::new("ES256"), Key::new("EdDSA"));
    let pause = Duration::from_millis(50);
    let (server, issuer) = believing(&old, |jwt| jwt.refresh_pause = pause).await;
    let before = issuer.bearer(&old, "one", "ann", &["read on bank"]);
    server.get(&before, EVENTS).await.ok();
    issuer.has(&[old.jwk("one"), new.jwk("two")]);
    tokio::time::sleep(pause).await;
    // The first request that comes with it is answered: it waits for the key.
    let after = issuer.bearer(&new, "two", "ann", &["read on bank"]);
    server.get(&after, EVENTS).await.ok();
    server.get(&before, EVENTS).await.ok();
    issuer.has(&[new.jwk("two")]);
    let unknown = issuer.bearer(&new, "three", "ann", &["read on bank"]);
    tokio::time::sleep(pause).await;
    server.get(&unknown, EVENTS).await.problem("unauthenticated");
    server.get(&before, EVENTS).await.problem("unauthenticated");
    server.get(&after, EVENTS).await.ok();
}

#[tokio::test]
async fn keys_stay_when_the_issuer_talks_nonsense_and_come_when_it_recovers() {
    let key = Key::new("EdDSA");
    let pause = Duration::from_millis(20);
    let (server, issuer) = believing(&key, |jwt| jwt.refresh_pause = pause).await;
    let ann = issuer.bearer(&key, "one", "ann", &["read on bank"]);
    server.get(&ann, EVENTS).await.ok();
    let large = format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300 << 10));
    let elsewhere = r#"{"issuer":"https://evil.example","jwks_uri":"https://evil.example/"}"#;
    for nonsense in ["", "[]", "{}", r#"{"keys":7}"#, elsewhere, &large] {
        issuer.says(Some(nonsense));
        let unknown = issuer.bearer(&key, "other", "ann", &["read on bank"]);
        tokio::time::sleep(pause).await;
        server.get(&unknown, EVENTS).await.problem("unauthenticated");
        server.get(&ann, EVENTS).await.ok();
    }
    issuer.has(&[key.jwk("one"), key.jwk("other")]);
    issuer.says(None);
    let other = issuer.bearer(&key, "other", "ann", &["read on bank"]);
    while server.get(&other, EVENTS).await.status == 401 {
        tokio::time::sleep(pause).await;
    }
}

/// A server starts though its issuer does not answer; nobody gets in by a JWT, everybody else does.
#[tokio::test]
async fn an_issuer_that_is_down_is_no_reason_not_to_start() {
    let (key, issuer) = (Key::new("EdDSA"), Issuer::start().await);
    let mut settings = issuer.settings();
    // Nobody listens there.
    settings.jwks = Some("http://127.0.0.1:9/keys".to_owned());
    let server = Guarded::with(|config| config.jwt = Some(settings)).await;
    let ann = issuer.bearer(&key, "one", "ann", &["read on bank"]);
    server.get(&ann, EVENTS).await.problem("unauthenticated");
    server.get(&server.admin, EVENTS).await.ok();
    assert_eq!(server.get("", "/health").await.status, 200);
}

#[tokio::test]
async fn keys_can_be_in_a_file_and_roles_in_a_claim() {
    let (key, issuer) = (Key::new("ES384"), Issuer::start().await);
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("keys.json");
    std::fs::write(&file, json!({ "keys": [key.jwk("one")] }).to_string()).expect("is written");
    let mut settings = JwtSettings::new(&*issuer.url, "factum-tests");
    settings.jwks = Some(file.to_str().expect("a path").to_owned());
    settings.claim = "/realm/roles".to_owned();
    settings.roles.insert("teller".into(), vec!["read,append on bank".into()]);
    let server = Guarded::with(|config| config.jwt = Some(settings)).await;
    let header = json!({ "alg": "ES384", "kid": "one" });
    let bearer = |roles: Value| {
        let claims =
            but(&issuer.claims("ann", &["admin on *"]), "realm", json!({ "roles": roles }));
        format!("Bearer {}", key.token(&header, &claims))
    };
    server.post(&bearer(json!(["teller"])), EVENTS, &one_event()).await.ok();
    server.get(&bearer(json!(["read on bank"])), EVENTS).await.problem("unknown-ledger");
    assert_eq!(issuer.asked(), 0);
}

/// Keys over TLS are those of whom the settings believe, and of nobody else.
#[tokio::test]
async fn an_issuer_over_tls_is_believed_by_its_certificate() {
    let (key, authority) = (Key::new("EdDSA"), Authority::new());
    let issuer = Issuer::over_tls(authority.acceptor("localhost")).await;
    issuer.has(&[key.jwk("one")]);
    let dir = tempfile::tempdir().expect("a directory");
    let opened = async |authority: &Authority, name: &str| {
        let ca = dir.path().join(name);
        std::fs::write(&ca, authority.pem()).expect("is written");
        let mut settings = issuer.settings();
        settings.ca = Some(ca);
        let server = Guarded::with(|config| config.jwt = Some(settings)).await;
        let ann = issuer.bearer(&key, "one", "ann", &["read on bank"]);
        server.get(&ann, EVENTS).await.status
    };
    assert!(issuer.url.starts_with("https://"));
    assert_eq!(opened(&authority, "ours.pem").await, 200);
    assert_eq!(issuer.asked(), 1);
    assert_eq!(opened(&Authority::new(), "other.pem").await, 401);
    assert_eq!(issuer.asked(), 1, "nobody else's keys are asked for");
}

#[tokio::test]
async fn settings_that_are_of_no_use_are_said_at_the_start() {
    let start = async |change: &dyn Fn(&mut JwtSettings)| {
        let mut settings = JwtSettings::new("https://login.example", "factum");
        change(&mut settings);
        let mut config = Config::at(std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
        config.jwt = Some(settings);
        let none = std::iter::empty::<(String, factum::App)>();
        let refused = Server::over(config, none).await.err().expect("is refused");
        assert!(matches!(refused, ServeError::Jwt(_)), "{refused}");
        refused.to_string()
    };
    assert!(start(&|jwt| jwt.issuer = "http://login.example".into()).await.contains("forged"));
    assert!(start(&|jwt| jwt.jwks = Some("/none/keys.json".into())).await.contains("keys.json"));
    assert!(start(&|jwt| jwt.audience.clear()).await.contains("audience"));
    let wrong = |jwt: &mut JwtSettings| {
        jwt.roles.insert("a".into(), vec!["write on *".into()]);
    };
    assert!(start(&wrong).await.contains("role a"));
}
