//! [`Keys`]: the public keys of an issuer, as its JWK set has them. What is no key for signatures, or
//! of a kind that is not known, is left out; the others count.

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

use super::verify::ALGORITHMS;

/// Keys of one set.
const KEYS_MAX: usize = 64;

/// The keys of an issuer.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    keys: Vec<Key>,
}

/// A key, and what it may be used for.
#[derive(Clone, Debug)]
struct Key {
    id: Option<String>,
    algorithms: Vec<Algorithm>,
    key: DecodingKey,
}

/// The key that a token says it is signed with.
#[derive(Debug)]
pub(super) enum Found<'a> {
    Key(&'a DecodingKey),
    /// There is none of this name: perhaps it is newer than these.
    Unknown,
    /// It is not for this, or there are several and the token does not say which.
    No,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

impl Keys {
    /// Reads a JWK set.
    pub(super) fn parse(document: &[u8]) -> Result<Self, String> {
        let set: Set = serde_json::from_slice(document)
            .map_err(|error| format!("is no JWK set, {{\"keys\": […]}}: {error}"))?;
        if set.keys.len() > KEYS_MAX {
            return Err(format!("has {} keys; the limit is {KEYS_MAX}", set.keys.len()));
        }
        let jwks = set.keys.into_iter().filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
        Ok(Self { keys: jwks.filter_map(Key::of).collect() })
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key of this name, for this algorithm. A token that names none has the only one that fits.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Found<'_> {
        let fits = |key: &&Key| key.algorithms.contains(&algorithm);
        let Some(id) = id else {
            let mut fitting = self.keys.iter().filter(fits);
            return match (fitting.next(), fitting.next()) {
                (Some(key), None) => Found::Key(&key.key),
                (Some(_), Some(_)) => Found::No,
                (None, _) => Found::Unknown,
            };
        };
        let mut named = self.keys.iter().filter(|key| key.id.as_deref() == Some(id)).peekable();
        match (named.peek().is_some(), named.find(fits)) {
            (_, Some(key)) => Found::Key(&key.key),
            (true, None) => Found::No,
            (false, None) => Found::Unknown,
        }
    }
}

impl Key {
    fn of(jwk: Jwk) -> Option<Self> {
        let common = &jwk.common;
        let signs = common.public_key_use.as_ref().is_none_or(|it| *it == PublicKeyUse::Signature);
        let verifies =
            common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
        if !signs || !verifies {
            return None;
        }
        let of_its_kind: &[Algorithm] = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => &ALGORITHMS[..6],
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => &[Algorithm::ES256],
                EllipticCurve::P384 => &[Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(key) => match key.curve {
                EllipticCurve::Ed25519 => &[Algorithm::EdDSA],
                _ => return None,
            },
            _ => return None,
        };
        let said = |name: KeyAlgorithm| name.to_string().parse::<Algorithm>();
        let algorithms: Vec<_> = match common.key_algorithm.map(said) {
            None => of_its_kind.to_vec(),
            Some(Ok(one)) => of_its_kind.iter().copied().filter(|it| *it == one).collect(),
            Some(Err(_)) => return None,
        };
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        (!algorithms.is_empty()).then(|| Self { id: jwk.common.key_id, algorithms, key })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const X: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    fn keys(keys: &Value) -> Keys {
        Keys::parse(json!({ "keys": keys }).to_string().as_bytes()).expect("a set")
    }

    #[test]
    fn what_is_no_key_for_signatures_is_left_out() {
        let all = keys(&json!([
            { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": X },
            { "kty": "oct", "kid": "secret", "k": X, "alg": "HS256" },
            { "kty": "OKP", "crv": "Ed25519", "kid": "enc", "x": X, "use": "enc" },
            { "kty": "OKP", "crv": "Ed25519", "kid": "ops", "x": X, "key_ops": ["sign"] },
            { "kty": "OKP", "crv": "X25519", "kid": "dh", "x": X },
            { "kty": "EC", "crv": "P-521", "kid": "big", "x": X, "y": X },
            { "kty": "EC", "crv": "P-256", "kid": "hs", "x": X, "y": X, "alg": "HS256" },
            { "kty": "EC", "crv": "P-256", "kid": "ec", "x": X, "y": X, "alg": "ES256" },
            { "kty": "RSA", "kid": "rsa", "n": X, "e": "AQAB", "alg": "PS256", "use": "sig" },
            { "kty": "RSA", "kid": "oaep", "n": X, "e": "AQAB", "alg": "RSA-OAEP" },
            { "kty": "quantum", "kid": "new" },
            { "kid": 7 }, "nothing", null,
        ]));
        let names: Vec<_> = all.keys.iter().filter_map(|key| key.id.as_deref()).collect();
        assert_eq!(names, ["ed", "ec", "rsa"]);
        let found = |id, algorithm| matches!(all.find(Some(id), algorithm), Found::Key(_));
        assert!(found("ed", Algorithm::EdDSA) && found("ec", Algorithm::ES256));
        assert!(found("rsa", Algorithm::PS256) && !found("rsa", Algorithm::RS256));
        assert!(matches!(all.find(Some("rsa"), Algorithm::HS256), Found::No));
        assert!(matches!(all.find(Some("none"), Algorithm::PS256), Found::Unknown));
    }

    #[test]
    fn a_token_that_names_no_key_has_the_only_one_that_fits() {
        let ed = |id: &str| json!({ "kty": "OKP", "crv": "Ed25519", "kid": id, "x": X });
        assert!(matches!(keys(&json!([ed("a")])).find(None, Algorithm::EdDSA), Found::Key(_)));
        let two = keys(&json!([ed("a"), ed("b")]));
        assert!(matches!(two.find(None, Algorithm::EdDSA), Found::No));
        assert!(matches!(two.find(None, Algorithm::ES256), Found::Unknown));
    }

    #[test]
    fn what_is_no_set_is_refused() {
        for document in ["", "[]", "{}", r#"{"keys":{}}"#] {
            assert!(Keys::parse(document.as_bytes()).is_err(), "{document}");
        }
        let many = json!({ "keys": vec![json!({}); KEYS_MAX + 1] }).to_string();
        assert!(Keys::parse(many.as_bytes()).is_err_and(|problem| problem.contains("the limit")));
    }
}
