//! JWTs: tokens that somebody else issues, and this server only judges. What is believed is a
//! signature by a key of the one issuer, for this audience, at this time; everything else is a
//! stranger, in the same words as for any other token.

mod fetch;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod keyring;
mod keys;
mod settings;
mod verify;

use std::{collections::BTreeMap, sync::Arc};

use factum_store::Timestamp;
use jsonwebtoken::{Validation, decode, decode_header};
use serde_json::{Map, Value};
use tokio::sync::watch;

use self::{
    keyring::Keyring,
    keys::{Found, Keys},
    verify::ALGORITHMS,
};
use super::{Principal, Right, tokens::now};

pub use self::settings::JwtSettings;

/// Bytes of a token.
const BYTES_MAX: usize = 16 << 10;
/// Bytes of a principal's name: a key, and the actor of an event, have room for it.
const NAME_BYTES_MAX: usize = 192;
/// Rights of one token.
const RIGHTS_MAX: usize = 64;

/// Judges JWTs.
pub(crate) struct Jwt {
    ring: Arc<Keyring>,
    judge: Judge,
}

/// What a token is judged by, besides a key.
struct Judge {
    settings: JwtSettings,
    roles: BTreeMap<String, Vec<Right>>,
}

/// What was found of a token.
pub(crate) enum Judged {
    /// Until this moment.
    Known(Principal, Timestamp),
    Stranger,
    /// It is signed with a key that is not known. Perhaps the issuer has a new one.
    KeyUnknown,
}

impl Jwt {
    /// # Errors
    /// What can't be used of the settings, in words.
    pub(crate) fn open(settings: JwtSettings) -> Result<Self, String> {
        verify::install();
        let roles = settings.rights_of_roles()?;
        let ring = Arc::new(Keyring::open(settings.clone())?);
        Ok(Self { ring, judge: Judge { settings, roles } })
    }

    /// Whose token this is, if it is worth something at this moment.
    pub(crate) fn judge(&self, token: &str) -> Judged {
        self.judge.judge(token, &self.ring.keys())
    }

    /// Until newer keys are there, if it is time to look for them.
    pub(crate) fn newer_keys(&self) -> Option<impl Future<Output = ()> + Send + 'static + use<>> {
        self.ring.newer()
    }

    /// Has the keys follow the issuer's, until the server stops.
    pub(crate) fn follow(
        &self,
        stopping: watch::Receiver<bool>,
    ) -> impl Future<Output = ()> + Send + 'static + use<> {
        Arc::clone(&self.ring).follow(stopping)
    }
}

/// Whether a text looks like a JWT: three parts, the first a JSON object.
pub(crate) fn looks_like_one(token: &str) -> bool {
    token.starts_with("ey") && token.bytes().filter(|byte| *byte == b'.').count() == 2
}

impl Judge {
    fn judge(&self, token: &str, keys: &Keys) -> Judged {
        if token.len() > BYTES_MAX {
            return Judged::Stranger;
        }
        let Ok(header) = decode_header(token) else { return Judged::Stranger };
        let understood = header.crit.is_none() && header.enc.is_none() && header.zip.is_none();
        if !understood || !ALGORITHMS.contains(&header.alg) {
            return Judged::Stranger;
        }
        let key = match keys.find(header.kid.as_deref(), header.alg) {
            Found::Key(key) => key,
            Found::Unknown => return Judged::KeyUnknown,
            Found::No => return Judged::Stranger,
        };
        let mut validation = Validation::new(header.alg);
        validation.leeway = self.settings.leeway.as_secs();
        validation.validate_nbf = true;
        validation.set_audience(&[&self.settings.audience]);
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        match decode::<Map<String, Value>>(token, key, &validation) {
            Ok(token) => match (self.principal(&token.claims), self.end(&token.claims)) {
                // The library's clock has whole seconds only.
                (Some(principal), Some(end)) if now() < end => Judged::Known(principal, end),
                _ => Judged::Stranger,
            },
            Err(error) => {
                tracing::debug!("a JWT is worth nothing: {error}");
                Judged::Stranger
            }
        }
    }

    /// When the token ends, by a clock that goes as wrong as it may.
    fn end(&self, claims: &Map<String, Value>) -> Option<Timestamp> {
        let seconds = claims.get("exp")?.as_f64()? + self.settings.leeway.as_secs_f64();
        Some(Timestamp::from_micros((seconds * 1e6) as u64))
    }

    fn principal(&self, claims: &Map<String, Value>) -> Option<Principal> {
        let issuer = claims.get("iss")?.as_str().filter(|said| *said == self.settings.issuer)?;
        let subject = claims.get("sub")?.as_str()?;
        // What follows a control character of a principal's name is for whom it acts.
        let plain = !subject.is_empty() && !subject.contains(char::is_control);
        let name = format!("{subject}@{issuer}");
        (plain && name.len() <= NAME_BYTES_MAX).then(|| Principal::new(name, self.rights(claims)))
    }

    /// What the claim allows. What is no right, or no role that is known, allows nothing.
    fn rights(&self, claims: &Map<String, Value>) -> Vec<Right> {
        let value = match self.settings.claim.strip_prefix('/') {
            None => claims.get(&self.settings.claim),
            Some(place) => {
                let (first, rest) = place.split_once('/').unwrap_or((place, ""));
                let below = if rest.is_empty() { String::new() } else { format!("/{rest}") };
                claims.get(first).and_then(|value| value.pointer(&below))
            }
        };
        let texts: Vec<&str> = match value {
            Some(Value::String(text)) if self.roles.is_empty() => vec![text],
            Some(Value::String(text)) => text.split_whitespace().collect(),
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let rights = texts.into_iter().flat_map(|text| match self.roles.is_empty() {
            true => text.parse().into_iter().collect(),
            false => self.roles.get(text).cloned().unwrap_or_default(),
        });
        rights.take(RIGHTS_MAX).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rights(claim: &str, roles: &[(&str, &str)], claims: &Value) -> Vec<String> {
        let mut settings = JwtSettings::new("https://a", "b");
        settings.claim = claim.to_owned();
        for (role, right) in roles {
            settings.roles.insert((*role).to_owned(), vec![(*right).to_owned()]);
        }
        let roles = settings.rights_of_roles().expect("rights");
        let claims = claims.as_object().expect("an object");
        Judge { settings, roles }.rights(claims).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_claim_has_rights_or_roles_and_never_both() {
        let said = json!({ "factum": ["read on shop", "write on shop", 7, "append on *"] });
        assert_eq!(rights("factum", &[], &said), ["read on shop", "append on *"]);
        let one = json!({ "factum": "read on shop" });
        assert_eq!(rights("factum", &[], &one), ["read on shop"]);
        let roles = [("reader", "read on shop"), ("writer", "append on shop")];
        let list = json!({ "realm": { "roles": ["reader", "other", "admin on *"] } });
        assert_eq!(rights("/realm/roles", &roles, &list), ["read on shop"]);
        let scope = json!({ "scope": "openid writer reader" });
        assert_eq!(rights("scope", &roles, &scope), ["append on shop", "read on shop"]);
        let named = json!({ "https://a/b": "read on x" });
        assert_eq!(rights("https://a/b", &[], &named), ["read on x"]);
        for nothing in [json!({}), json!({ "factum": { "a": 1 } }), json!({ "factum": null })] {
            assert!(rights("factum", &[], &nothing).is_empty(), "{nothing}");
            assert!(rights("/factum/b", &roles, &nothing).is_empty(), "{nothing}");
        }
    }

    #[test]
    fn many_rights_are_bounded() {
        let said = json!({ "factum": vec!["read on shop"; 1_000] });
        assert_eq!(rights("factum", &[], &said).len(), RIGHTS_MAX);
    }
}
