//! The decoders of what strangers say of themselves, for fuzzing: tokens, certificates, and what an
//! issuer says of its keys. Nothing that is made up opens anything.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rustls_pki_types::CertificateDer;

use super::{Identity, Right, Shown, jwt, secret::presented};
use crate::fuzzing::Target;

pub(crate) const TARGETS: &[Target] = &[
    ("access_token", token),
    ("access_right", right),
    ("access_certificate", certificate),
    ("access_jwt", jwt::fuzzing::token),
    ("access_jwt_claims", jwt::fuzzing::claims),
    ("access_jwks", jwt::fuzzing::keys),
];

/// A certificate with names of each kind.
const CERTIFICATE: &str = "MIIBszCCAVqgAwIBAgIUKOMJy+nWCF1fiVHm+JRoIPNbbw8wCgYIKoZIzj0EAwIwDzENMAs\
    GA1UEAwwEc2hvcDAgFw0yNjExMjExODQ1MjRaGA8yMTI2MTAyODE4NDUyNFowDzENMAsGA1UEAwwEc2hvcDBZMBMGByqGSM\
    49AgEGCCqGSM49AwEHA0IABOn6NYpWf+EM0LBtmg0fcvkL1kwLFtZUdW488f7qT2c1fop3/YXz0pWvyZuJL70yDVezYkyQK\
    /5m0yrCOgsR3W2jgZEwgY4wHQYDVR0OBBYEFAp+t0XD5J+J5lONlrPZS50saDihMB8GA1UdIwQYMBaAFAp+t0XD5J+J5lON\
    lrPZS50saDihMA8GA1UdEwEB/wQFMAMBAf8wOwYDVR0RBDQwMoIMc2hvcC5leGFtcGxlhhVzcGlmZmU6Ly9leGFtcGxlL3N\
    ob3CBC2FubkBleGFtcGxlMAoGCCqGSM49BAMCA0cAMEQCICHrbgvsgOL/DTLmdjbu+sdiAxm6+0WIWGVYm8pHDcdmAiBS9H\
    olT2u4xBPtBCZTjRNA8NiTpTzEBy431WppUZAcsQ==";

/// Inputs of a target that are whole, to begin with.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let texts: Vec<String> = match target {
        "access_token" => vec![format!("factum_0123456789abcdef_{}", "A".repeat(43))],
        "access_right" => vec!["append,read on shop-*,b types order.* tags tenant:7,u:*".into()],
        "access_certificate" => {
            return BASE64_STANDARD.decode(CERTIFICATE).into_iter().collect();
        }
        other => jwt::fuzzing::seeds(other),
    };
    texts.into_iter().map(String::into_bytes).collect()
}

fn token(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Some((id, _)) = presented(text) {
        assert!(text.starts_with(&format!("factum_{id}_")), "a token is written in one way");
    }
}

fn right(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(right) = text.parse::<Right>() else { return };
    assert_eq!(right.to_string().parse().ok().as_ref(), Some(&right), "it is read as written");
}

fn certificate(bytes: &[u8]) {
    let Some(shown) = Shown::of(&CertificateDer::from(bytes)) else { return };
    for identity in &shown.identities {
        assert_eq!(identity.to_string().parse::<Identity>().ok().as_ref(), Some(identity));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_whole() {
        let certificate = seeds("access_certificate").pop().expect("is base64");
        let shown = Shown::of(&CertificateDer::from(certificate)).expect("is a certificate");
        assert_eq!(shown.identities.len(), 5);
        for (name, target) in TARGETS {
            let seeds = seeds(name);
            assert!(!seeds.is_empty(), "{name}");
            seeds.iter().for_each(|seed| target(seed));
        }
    }
}
