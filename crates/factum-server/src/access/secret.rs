//! [`Secret`]: a token as its owner has it. 256 random bits, of which only a hash is kept.
//!
//! The hash is plain BLAKE3 under a name of its own, and needs no key and no slow function: those
//! protect what can be guessed. Nobody guesses 256 random bits, and a key would have to lie beside
//! the hashes, or be missing when a backup is restored.

use std::fmt;

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use subtle::ConstantTimeEq;

use super::book::TokenId;

/// What says that a text is a token of Factum, to people and to scanners for leaked secrets.
const PREFIX: &str = "factum_";
const BYTES: usize = 32;

/// A token, to be shown once: `factum_<id>_<secret>`. It is not shown by accident (`Debug`).
pub struct Secret(String);

/// What is kept of a secret.
#[derive(Clone, Copy)]
pub(crate) struct Hash([u8; 32]);

impl Secret {
    /// The token as text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A new one, and what is to be kept of it.
    pub(crate) fn new(id: TokenId) -> Result<(Self, Hash), getrandom::Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        let text = format!("{PREFIX}{id}_{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
        Ok((Self(text), Hash::of(&bytes)))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The id and the hash of what somebody presents; `None` when it does not look like a token at all.
pub(crate) fn presented(text: &str) -> Option<(TokenId, Hash)> {
    let (id, secret) = text.strip_prefix(PREFIX)?.split_once('_')?;
    let mut bytes = [0; BYTES];
    let decoded = BASE64_URL_SAFE_NO_PAD.decode_slice(secret, &mut bytes).ok()?;
    (decoded == BYTES).then_some((id.parse().ok()?, Hash::of(&bytes)))
}

impl Hash {
    fn of(secret: &[u8; BYTES]) -> Self {
        Self(blake3::derive_key("factum access token, version 1", secret))
    }

    /// Whether it is the same, in a time that does not tell where they differ.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    pub(crate) fn to_hex(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }

    pub(crate) fn from_hex(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_known_by_its_hash_and_not_shown_by_accident() {
        let id: TokenId = "0123456789abcdef".parse().expect("an id");
        let (secret, kept) = Secret::new(id).expect("randomness");
        assert_eq!(secret.reveal().len(), PREFIX.len() + 16 + 1 + 43);
        let (found, hash) = presented(secret.reveal()).expect("a token");
        assert!(found == id && hash.is(&kept));
        assert!(Hash::from_hex(&kept.to_hex()).is_some_and(|again| again.is(&kept)));
        assert!(!format!("{secret:?}").contains(&secret.reveal()[24..]));
        let (other, _) = Secret::new(id).expect("randomness");
        assert!(presented(other.reveal()).is_some_and(|(_, hash)| !hash.is(&kept)));
    }

    #[test]
    fn what_is_no_token_is_none() {
        let id = "0123456789abcdef";
        let secret = "A".repeat(43);
        assert!(presented(&format!("factum_{id}_{secret}")).is_some());
        for text in [
            String::new(),
            "factum_".into(),
            format!("factum_{id}"),
            format!("factum_{id}_"),
            format!("factum_{id}_{}", "A".repeat(42)),
            format!("factum_{id}_{}", "A".repeat(44)),
            format!("factum_{id}_{}B", "A".repeat(42)),
            format!("factum_{id}_{secret}="),
            format!("factum_{id}_{}", "A".repeat(10_000)),
            format!("factum_{}_{secret}", id.to_uppercase()),
            format!("Factum_{id}_{secret}"),
            format!("factum_{id}x_{secret}"),
        ] {
            assert!(presented(&text).is_none(), "{text}");
        }
    }
}
