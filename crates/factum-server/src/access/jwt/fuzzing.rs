//! The decoders of JWTs, for fuzzing: whatever is sent, nobody gets in without a key.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Judge, Judged, JwtSettings, Keys, verify};

/// A public key, of which nobody has the private one.
const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

pub(in crate::access) fn seeds(target: &str) -> Vec<String> {
    let claims = json!({
        "iss": "https://a", "aud": ["b"], "sub": "ann", "exp": 4e9, "factum": ["read on *"],
    });
    match target {
        "access_jwt" => vec![
            "eyJhbGciOiJFZERTQSIsImtpZCI6Im9uZSJ9.eyJpc3MiOiJodHRwczovL2EifQ.AAAA".into(),
            "eyJhbGciOiJub25lIn0.e30.".into(),
        ],
        "access_jwt_claims" => vec![claims.to_string()],
        "access_jwks" => vec![set()],
        _ => Vec::new(),
    }
}

fn set() -> String {
    let keys = json!([
        { "kty": "OKP", "crv": "Ed25519", "kid": "one", "x": X },
        { "kty": "EC", "crv": "P-256", "kid": "two", "x": X, "y": X, "alg": "ES256" },
        { "kty": "RSA", "kid": "three", "n": X, "e": "AQAB", "use": "sig", "key_ops": ["verify"] },
    ]);
    json!({ "keys": keys }).to_string()
}

fn judge() -> Judge {
    let settings = JwtSettings::new("https://a", "b");
    Judge { settings, roles: BTreeMap::new() }
}

pub(in crate::access) fn token(bytes: &[u8]) {
    verify::install();
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let keys = Keys::parse(set().as_bytes()).expect("is a set");
    let judged = judge().judge(text, &keys);
    assert!(!matches!(judged, Judged::Known(..)), "a forged token opens something");
}

pub(in crate::access) fn claims(bytes: &[u8]) {
    let Ok(claims) = serde_json::from_slice::<Map<String, Value>>(bytes) else { return };
    let judge = judge();
    assert!(judge.rights(&claims).len() <= super::RIGHTS_MAX);
    let _ = judge.end(&claims);
    if let Some(principal) = judge.principal(&claims) {
        assert!(principal.name().ends_with("@https://a") && principal.name().len() > 10);
    }
}

pub(in crate::access) fn keys(bytes: &[u8]) {
    let _ = Keys::parse(bytes);
}
