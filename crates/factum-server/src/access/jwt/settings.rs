//! [`JwtSettings`]: whose JWTs are believed, where the keys are, and which claim says what somebody
//! may. What could be forged on the way is refused at the start.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use http::Uri;
use serde::{Deserialize, Serialize};

use crate::{access::Right, units::span};

/// Who issues JWTs (OpenID Connect or not), and how they are judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtSettings {
    /// The `iss` that a token must have, to the letter.
    pub issuer: String,
    /// The `aud` that a token must have, or have among others.
    pub audience: String,
    /// The issuer's keys: a URL, or a file. Without it they are looked for where OpenID Connect has
    /// them: at what `<issuer>/.well-known/openid-configuration` calls `jwks_uri`.
    #[serde(default)]
    pub jwks: Option<String>,
    /// Certificates (PEM) that the issuer's is signed by, instead of those that the system believes.
    #[serde(default)]
    pub ca: Option<PathBuf>,
    /// The claim that says what somebody may: its name, or its place (`/realm_access/roles`). `factum`.
    #[serde(default = "claim")]
    pub claim: String,
    /// What each value of the claim allows. Without it the values are rights themselves.
    #[serde(default)]
    pub roles: BTreeMap<String, Vec<String>>,
    /// How far the issuer's clock and this one may be apart. 60 s.
    #[serde(default = "leeway", with = "span")]
    pub leeway: Duration,
    /// How often the keys are looked for anew. 15 min; a file each 5 s.
    #[serde(default = "refresh", with = "span")]
    pub refresh: Duration,
    /// How long it is at least from one look for the keys to the next, whatever tokens come. 30 s.
    #[serde(default = "refresh_pause", with = "span")]
    pub refresh_pause: Duration,
}

fn claim() -> String {
    "factum".to_owned()
}

fn leeway() -> Duration {
    Duration::from_secs(60)
}

fn refresh() -> Duration {
    Duration::from_secs(15 * 60)
}

fn refresh_pause() -> Duration {
    Duration::from_secs(30)
}

/// Where keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    File(PathBuf),
    Url(String),
    /// The document that says where.
    Discovery(String),
}

impl JwtSettings {
    /// Tokens of this issuer for this audience, with everything else as it is by default.
    #[must_use]
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            jwks: None,
            ca: None,
            claim: claim(),
            roles: BTreeMap::new(),
            leeway: leeway(),
            refresh: refresh(),
            refresh_pause: refresh_pause(),
        }
    }

    /// Where the keys are, if everything that was said is of use.
    pub(super) fn check(&self) -> Result<Place, String> {
        for (name, text) in [("issuer", &self.issuer), ("audience", &self.audience)] {
            let fits = !text.is_empty() && text.len() <= 128 && !text.contains(char::is_control);
            // A principal is SUBJECT@ISSUER: the last @ ends the subject.
            if !fits || text.contains('@') && name == "issuer" {
                return Err(format!("{name} {text:?} is none"));
            }
        }
        if self.claim.is_empty() {
            return Err("claim is empty; name the claim that says what somebody may".to_owned());
        }
        let place = match &self.jwks {
            Some(jwks) if jwks.contains("://") => Place::Url(jwks.clone()),
            Some(file) => return Ok(Place::File(file.into())),
            None => {
                let issuer = self.issuer.trim_end_matches('/');
                Place::Discovery(format!("{issuer}/.well-known/openid-configuration"))
            }
        };
        if let Place::Url(url) | Place::Discovery(url) = &place
            && !can_not_be_forged(url)
        {
            return Err(format!(
                "{url} is no https:// URL, so keys from there could be forged on the way; name \
                 one, or a file, as jwks"
            ));
        }
        Ok(place)
    }

    /// The rights of each role.
    pub(super) fn rights_of_roles(&self) -> Result<BTreeMap<String, Vec<Right>>, String> {
        let rights = |(role, rights): (&String, &Vec<String>)| {
            let rights = rights.iter().map(|text| {
                text.parse::<Right>().map_err(|invalid| format!("role {role}: {invalid}"))
            });
            Ok((role.clone(), rights.collect::<Result<_, String>>()?))
        };
        self.roles.iter().map(rights).collect()
    }
}

/// Whether nobody between here and there can answer instead.
pub(super) fn can_not_be_forged(url: &str) -> bool {
    let Ok(uri) = url.parse::<Uri>() else { return false };
    let host = uri.host().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    let here = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match uri.scheme_str() {
        Some("https") => !host.is_empty(),
        Some("http") => here,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(issuer: &str, jwks: Option<&str>) -> Result<Place, String> {
        let jwks = jwks.map(str::to_owned);
        JwtSettings { jwks, ..JwtSettings::new(issuer, "factum") }.check()
    }

    #[test]
    fn keys_are_in_a_file_at_a_url_or_where_the_issuer_says() {
        let found = place("https://login.example/realm/", None);
        let known = "https://login.example/realm/.well-known/openid-configuration";
        assert_eq!(found, Ok(Place::Discovery(known.into())));
        assert_eq!(place("any", Some("keys.json")), Ok(Place::File("keys.json".into())));
        let url = "https://login.example/keys";
        assert_eq!(place("any", Some(url)), Ok(Place::Url(url.into())));
        assert!(place("http://127.0.0.1:1", None).is_ok());
        assert!(place("any", Some("http://[::1]:1/keys")).is_ok());
    }

    #[test]
    fn what_could_be_forged_is_refused() {
        for (issuer, jwks) in [
            ("http://login.example", None),
            ("login", None),
            ("https://login.example", Some("http://login.example/keys")),
            ("any", Some("ftp://login.example/keys")),
            ("any", Some("https://")),
            ("a@b", Some("keys.json")),
            ("", Some("keys.json")),
        ] {
            assert!(place(issuer, jwks).is_err(), "{issuer} {jwks:?}");
        }
    }

    #[test]
    fn a_role_has_rights_or_is_refused() {
        let mut settings = JwtSettings::new("https://a", "b");
        settings.roles.insert("writer".into(), vec!["append on shop".into()]);
        assert_eq!(settings.rights_of_roles().map(|roles| roles["writer"].len()), Ok(1));
        settings.roles.insert("wrong".into(), vec!["write on shop".into()]);
        assert!(settings.rights_of_roles().is_err_and(|problem| problem.contains("role wrong")));
    }
}
