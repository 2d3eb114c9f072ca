//! Certificates of clients: TLS has checked who signed them before anybody here sees them; what is
//! found here is whom they are of. Which of that opens anything is said in the access ledger.

use std::{fmt, str::FromStr};

use const_oid::db::rfc4519::COMMON_NAME;
use der::{
    Decode,
    asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef},
};
use factum_store::{Invalid, Timestamp};
use ring::digest;
use rustls_pki_types::CertificateDer;
use serde::{Deserialize, Serialize};
use x509_cert::{
    attr::AttributeTypeAndValue,
    certificate::{Certificate, TbsCertificate},
    ext::pkix::{SubjectAltName, name::GeneralName},
    time::Time,
};

/// Names of one certificate that are looked at.
const NAMES_MAX: usize = 64;
/// Bytes of a name.
const BYTES_MAX: usize = 256;

/// Whom a certificate is of: `sha256:5f0c…`, `uri:spiffe://example/shop`, `dns:shop.example`,
/// `email:ann@example` or `cn:shop`. The first is one certificate, the others any that its authority
/// has signed for that name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Identity {
    kind: Kind,
    name: String,
}

/// From the most exact to the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Sha256,
    Uri,
    Dns,
    Email,
    CommonName,
}

impl Kind {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Sha256, "sha256"),
        (Self::Uri, "uri"),
        (Self::Dns, "dns"),
        (Self::Email, "email"),
        (Self::CommonName, "cn"),
    ];
}

impl FromStr for Identity {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let bad = |problem: &str| Invalid::new("certificate", problem);
        let what = "must be sha256:, uri:, dns:, email: or cn: and what the certificate has there";
        let (kind, name) = text.split_once(':').ok_or_else(|| bad(what))?;
        let (kind, _) =
            Kind::ALL.into_iter().find(|(_, said)| *said == kind).ok_or_else(|| bad(what))?;
        if name.is_empty() || name.len() > BYTES_MAX || name.contains(char::is_control) {
            return Err(bad("has a name that is empty, longer than 256 bytes or not plain text"));
        }
        let name = match kind {
            // As openssl shows it, too.
            Kind::Sha256 => name.replace(':', "").to_ascii_lowercase(),
            Kind::Dns => name.to_ascii_lowercase(),
            Kind::Uri | Kind::Email | Kind::CommonName => name.to_owned(),
        };
        let is_digest = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        match kind == Kind::Sha256 && !is_digest {
            true => {
                Err(bad("has a fingerprint that is not 64 digits 0-9a-f; openssl x509 -sha256"))
            }
            false => Ok(Self { kind, name }),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = Kind::ALL.iter().find(|(kind, _)| *kind == self.kind).map_or("", |row| row.1);
        write!(f, "{said}:{}", self.name)
    }
}

impl TryFrom<String> for Identity {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Identity> for String {
    fn from(identity: Identity) -> Self {
        identity.to_string()
    }
}

/// A certificate that a client has shown, and whose key it has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Whom it is of, the most exact first.
    pub(crate) identities: Vec<Identity>,
    begins: Timestamp,
    pub(crate) ends: Timestamp,
}

impl Shown {
    /// What a certificate says; `None` when it can't be read.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let read = Certificate::from_der(certificate)
            .inspect_err(|error| tracing::debug!("a client's certificate can't be read: {error}"));
        let read = read.ok()?;
        let read = read.tbs_certificate();
        let digest = digest::digest(&digest::SHA256, certificate);
        let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let texts = names(read).into_iter().take(NAMES_MAX);
        let texts = [format!("sha256:{hex}")].into_iter().chain(texts);
        let mut identities: Vec<Identity> = texts.filter_map(|text| text.parse().ok()).collect();
        identities.sort();
        identities.dedup();
        let validity = read.validity();
        let (begins, ends) = (at(validity.not_before), at(validity.not_after));
        Some(Self { identities, begins, ends })
    }

    /// Whether it is valid at this moment: a connection may outlive it.
    pub(crate) fn is_good(&self, now: Timestamp) -> bool {
        self.begins <= now && now <= self.ends
    }
}

/// What a certificate calls whom it is of.
fn names(certificate: &TbsCertificate) -> Vec<String> {
    let alternatives = certificate.get_extension::<SubjectAltName>().ok().flatten();
    let alternatives = alternatives.into_iter().flat_map(|(_, names)| names.0);
    let alternatives = alternatives.filter_map(|name| match name {
        GeneralName::UniformResourceIdentifier(name) => Some(format!("uri:{name}")),
        GeneralName::DnsName(name) => Some(format!("dns:{name}")),
        GeneralName::Rfc822Name(name) => Some(format!("email:{name}")),
        _ => None,
    });
    let subject = certificate.subject().iter().filter(|part| part.oid == COMMON_NAME);
    alternatives.chain(subject.filter_map(common_name)).collect()
}

/// A name in one of the ways that certificates write text.
fn common_name(part: &AttributeTypeAndValue) -> Option<String> {
    let value = &part.value;
    let text = value
        .decode_as::<Utf8StringRef<'_>>()
        .map(|text| text.to_string())
        .or_else(|_| value.decode_as::<PrintableStringRef<'_>>().map(|text| text.to_string()))
        .or_else(|_| value.decode_as::<Ia5StringRef<'_>>().map(|text| text.to_string()))
        .or_else(|_| value.decode_as::<TeletexStringRef<'_>>().map(|text| text.to_string()));
    text.ok().map(|text| format!("cn:{text}"))
}

fn at(time: Time) -> Timestamp {
    let micros = time.to_unix_duration().as_micros();
    Timestamp::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, date_time_ymd};

    use super::*;

    #[test]
    fn an_identity_is_written_as_it_is_read() {
        let digest = "0a".repeat(32);
        for (text, as_text) in [
            ("uri:spiffe://example/shop", "uri:spiffe://example/shop"),
            ("dns:Shop.Example", "dns:shop.example"),
            ("email:Ann@example", "email:Ann@example"),
            ("cn:A shop: ours", "cn:A shop: ours"),
            (&format!("sha256:{digest}"), &format!("sha256:{digest}")),
            (&format!("sha256:{}", vec!["0A"; 32].join(":")), &format!("sha256:{digest}")),
        ] {
            let identity: Identity = text.parse().expect(text);
            assert_eq!(identity.to_string(), as_text);
        }
        for text in ["", "shop", "ip:1.2.3.4", "dns:", "cn:a\nb", "sha256:0a", "SHA256:0a"] {
            assert!(text.parse::<Identity>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_certificate_says_whom_it_is_of_and_how_long() {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "shop");
        params.subject_alt_names = vec![
            SanType::Rfc822Name("ann@example".try_into().expect("a name")),
            SanType::DnsName("Shop.example".try_into().expect("a name")),
            SanType::URI("spiffe://example/shop".try_into().expect("a name")),
            SanType::IpAddress([10, 0, 0, 1].into()),
        ];
        (params.not_before, params.not_after) =
            (date_time_ymd(2020, 1, 1), date_time_ymd(2020, 1, 2));
        let certificate = params.self_signed(&KeyPair::generate().expect("a key")).expect("one");
        let shown = Shown::of(certificate.der()).expect("can be read");
        let names: Vec<_> = shown.identities.iter().map(ToString::to_string).collect();
        assert!(names[0].starts_with("sha256:"), "{names:?}");
        let rest =
            ["uri:spiffe://example/shop", "dns:shop.example", "email:ann@example", "cn:shop"];
        assert_eq!(names[1..], rest);
        let noon = 1_577_836_800 + 43_200;
        let good = |seconds: u64| shown.is_good(Timestamp::from_micros(seconds * 1_000_000));
        assert!(good(noon) && !good(noon - 86_400) && !good(noon + 86_400));
        assert_eq!(Shown::of(&CertificateDer::from(vec![0x30, 0x03, 1, 2, 3])), None);
    }

    /// Of what was cut or changed nothing is believed, and nothing breaks.
    #[test]
    fn damaged_certificates_are_read_without_a_panic() {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["shop.example".to_owned()]).expect("a name");
        let whole = params.self_signed(&key).expect("one").der().to_vec();
        for end in 0..whole.len() {
            assert_eq!(Shown::of(&CertificateDer::from(&whole[..end])), None, "{end}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut damaged = whole.clone();
                damaged[at] ^= 1 << bit;
                let _ = Shown::of(&CertificateDer::from(damaged));
            }
        }
    }
}
