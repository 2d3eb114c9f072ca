//! [`Book`]: the tokens there are, a fold of what the access ledger says of them.

use std::{collections::BTreeMap, fmt, str::FromStr};

use factum_store::{Invalid, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Identity, Shown, principal::Principal, rights::Right, secret::Hash};

/// What a token is called by: no secret, and never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TokenId(u64);

impl TokenId {
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        getrandom::u64().map(Self)
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for TokenId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let number = (text.len() == 16 && text.bytes().all(digit))
            .then(|| u64::from_str_radix(text, 16).ok())
            .flatten();
        number.map(Self).ok_or_else(|| Invalid::new("token", "is not an id of 16 digits 0-9a-f"))
    }
}

impl TryFrom<String> for TokenId {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<TokenId> for String {
    fn from(id: TokenId) -> Self {
        id.to_string()
    }
}

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// What it is called by.
    pub id: TokenId,
    /// Who has it: the principal's name in events, keys and the audit.
    pub name: String,
    /// What it allows.
    pub rights: Vec<Right>,
    /// The certificate that is shown instead of a secret.
    pub certificate: Option<Identity>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last got a new secret.
    pub rotated_at: Option<Timestamp>,
    /// From when on it is worth nothing.
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl Token {
    /// Whether it opens anything at this moment.
    #[must_use]
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}

/// What is recorded of tokens, as the data of events.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Entry {
    Created {
        token: TokenId,
        name: String,
        rights: Vec<Right>,
        /// What its secret is known by; a certificate is shown instead of one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hash: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        certificate: Option<Identity>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        expires_at_micros: Option<u64>,
        by: String,
    },
    Rotated {
        token: TokenId,
        hash: String,
        /// Until when the secret before it is good, too.
        until_micros: u64,
        by: String,
    },
    Revoked {
        token: TokenId,
        by: String,
    },
}

impl Entry {
    pub(crate) const CREATED: &str = "token.created";
    pub(crate) const ROTATED: &str = "token.rotated";
    pub(crate) const REVOKED: &str = "token.revoked";
    pub(crate) const TYPES: [&str; 3] = [Self::CREATED, Self::ROTATED, Self::REVOKED];

    pub(crate) fn event_type(&self) -> &'static str {
        match self {
            Self::Created { .. } => Self::CREATED,
            Self::Rotated { .. } => Self::ROTATED,
            Self::Revoked { .. } => Self::REVOKED,
        }
    }

    pub(crate) fn token(&self) -> TokenId {
        let (Self::Created { token, .. }
        | Self::Rotated { token, .. }
        | Self::Revoked { token, .. }) = self;
        *token
    }
}

/// A token and what its secrets are known by.
#[derive(Clone)]
struct Page {
    token: Token,
    /// Who presents it.
    principal: Principal,
    hash: Option<Hash>,
    /// The secret before the last rotation, and until when it is good.
    before: Option<(Hash, Timestamp)>,
}

impl Page {
    /// Whose it is, if it is worth something, until it ends or something else does.
    fn good(&self, now: Timestamp, until: Option<Timestamp>) -> Found {
        let ends = [self.token.expires_at, until].into_iter().flatten().min();
        match self.token.is_good(now) {
            true => Found::Good(
                self.principal.clone(),
                ends.unwrap_or(Timestamp::from_micros(u64::MAX)),
            ),
            false => Found::Worthless,
        }
    }
}

/// All tokens, by their ids.
#[derive(Clone, Default)]
pub(crate) struct Book {
    pages: BTreeMap<TokenId, Page>,
    certificates: BTreeMap<Identity, Vec<TokenId>>,
}

/// Whose something is.
#[derive(Debug)]
pub(crate) enum Found {
    /// Somebody's who is known, until this moment at the latest.
    Good(Principal, Timestamp),
    /// That of somebody who was known.
    Worthless,
    Nobody,
}

impl Book {
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &Token> + Clone {
        self.pages.values().map(|page| &page.token)
    }

    pub(crate) fn get(&self, id: TokenId) -> Option<&Token> {
        self.pages.get(&id).map(|page| &page.token)
    }

    /// Whose secret was presented. A secret of a token that is not there takes as long.
    pub(crate) fn of_secret(&self, id: TokenId, presented: &Hash, now: Timestamp) -> Found {
        let page = self.pages.get(&id);
        let hash = page.and_then(|page| page.hash).unwrap_or(*presented);
        let before = page.and_then(|page| page.before).filter(|(_, until)| now < *until);
        // Both are compared, whatever the first comparison says.
        let is_before = before.filter(|(hash, _)| presented.is(hash));
        let fits = presented.is(&hash);
        let Some(page) = page.filter(|page| page.hash.is_some()) else { return Found::Nobody };
        match (fits, is_before) {
            (true, _) => page.good(now, None),
            (false, Some((_, until))) => page.good(now, Some(until)),
            (false, None) => Found::Nobody,
        }
    }

    /// Whose certificate was shown. The most exact of its names that was ever given rights decides, be
    /// it good or not: so one certificate can be shut out whose other names are those of many.
    pub(crate) fn of_certificate(&self, shown: &Shown, now: Timestamp) -> Found {
        let mut named = shown.identities.iter().filter_map(|name| self.certificates.get(name));
        let Some(tokens) = named.next() else { return Found::Nobody };
        let mut pages = tokens.iter().filter_map(|id| self.pages.get(id));
        match pages.find(|page| page.token.is_good(now)) {
            Some(page) if shown.is_good(now) => page.good(now, Some(shown.ends)),
            _ => Found::Worthless,
        }
    }

    /// Takes in what was recorded at a moment. What can't be of use (a hash that is none, a token
    /// that is not there) opens nothing.
    pub(crate) fn heed(&mut self, entry: Entry, at: Timestamp) {
        match entry {
            Entry::Created {
                token: id,
                name,
                rights,
                hash,
                certificate,
                expires_at_micros,
                ..
            } => {
                let hash = hash.as_deref().and_then(Hash::from_hex);
                if hash.is_none() && certificate.is_none() {
                    return;
                }
                let expires_at = expires_at_micros.map(Timestamp::from_micros);
                let (rotated_at, revoked_at) = (None, None);
                let token = Token {
                    id,
                    name,
                    rights,
                    certificate,
                    created_at: at,
                    rotated_at,
                    expires_at,
                    revoked_at,
                };
                if let Some(identity) = token.certificate.clone() {
                    self.certificates.entry(identity).or_default().push(id);
                }
                let principal = Principal::new(token.name.clone(), token.rights.clone());
                self.pages.insert(id, Page { token, principal, hash, before: None });
            }
            Entry::Rotated { token, hash, until_micros, .. } => {
                let (Some(page), Some(hash)) = (self.pages.get_mut(&token), Hash::from_hex(&hash))
                else {
                    return;
                };
                if page.token.certificate.is_some() {
                    return;
                }
                page.before =
                    page.hash.replace(hash).map(|old| (old, Timestamp::from_micros(until_micros)));
                page.token.rotated_at = Some(at);
            }
            Entry::Revoked { token, .. } => {
                if let Some(page) = self.pages.get_mut(&token) {
                    page.token.revoked_at.get_or_insert(at);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::secret::{Secret, presented};

    const ID: &str = "0123456789abcdef";

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    fn created(expires: Option<u64>) -> (Book, Secret) {
        let token: TokenId = ID.parse().expect("an id");
        let (secret, hash) = Secret::new(token).expect("randomness");
        let (name, rights) = ("shop".to_owned(), vec![Right::everything()]);
        let expires_at_micros = expires.map(|seconds| at(seconds).micros);
        let (hash, certificate, by) = (Some(hash.to_hex()), None, String::new());
        let mut book = Book::default();
        let created =
            Entry::Created { token, name, rights, hash, certificate, expires_at_micros, by };
        book.heed(created, at(1));
        (book, secret)
    }

    fn opens(book: &Book, secret: &Secret, now: u64) -> bool {
        let (id, hash) = presented(secret.reveal()).expect("a token");
        matches!(book.of_secret(id, &hash, at(now)), Found::Good(..))
    }

    #[test]
    fn a_token_opens_until_it_expires_or_is_revoked() {
        let (mut book, secret) = created(Some(10));
        assert!(opens(&book, &secret, 9) && !opens(&book, &secret, 10));
        let token = ID.parse().expect("an id");
        book.heed(Entry::Revoked { token, by: String::new() }, at(5));
        assert!(!opens(&book, &secret, 6));
        assert_eq!(book.get(token).and_then(|token| token.revoked_at), Some(at(5)));
    }

    #[test]
    fn after_a_rotation_the_old_secret_opens_as_long_as_was_said() {
        let (mut book, old) = created(None);
        let token: TokenId = ID.parse().expect("an id");
        let mut rotate = |until: u64| {
            let (secret, hash) = Secret::new(token).expect("randomness");
            let (hash, until_micros, by) = (hash.to_hex(), at(until).micros, String::new());
            book.heed(Entry::Rotated { token, hash, until_micros, by }, at(20));
            (book.clone(), secret)
        };
        let (book, new) = rotate(30);
        assert!(opens(&book, &new, 21) && opens(&book, &old, 29) && !opens(&book, &old, 30));
        let (book, newest) = rotate(0);
        assert!(opens(&book, &newest, 21) && !opens(&book, &new, 21) && !opens(&book, &old, 21));
    }

    #[test]
    fn a_foreign_secret_opens_nothing() {
        let (book, _) = created(None);
        let (_, other) = created(None);
        assert!(!opens(&book, &other, 2));
        assert!(!opens(&Book::default(), &other, 2));
    }
}
