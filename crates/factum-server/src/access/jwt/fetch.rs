//! Getting an issuer's keys: from a file, or over HTTPS. All that an issuer says is bounded in bytes
//! and time, no redirection is followed, and what is found through TLS is asked for through TLS.

use std::{fs::File, io::Read, path::Path, sync::Arc, time::Duration};

use rustls::crypto::ring;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use serde::Deserialize;
use ureq::{
    Agent,
    tls::{Certificate, RootCerts, TlsConfig},
};

use super::{
    keys::Keys,
    settings::{JwtSettings, Place, can_not_be_forged},
};

/// Bytes of a document.
const BYTES_MAX: u64 = 256 << 10;
/// How long one document may take.
const WITHIN: Duration = Duration::from_secs(5);

/// What an issuer of OpenID Connect says of itself.
#[derive(Deserialize)]
struct Configuration {
    issuer: String,
    jwks_uri: String,
}

/// Gets the keys, which may take a while.
pub(super) fn fetch(settings: &JwtSettings, place: &Place) -> Result<Keys, String> {
    let (document, at) = match place {
        Place::File(file) => (read(file)?, file.display().to_string()),
        Place::Url(url) => (get(&agent(settings, url)?, url)?, url.clone()),
        Place::Discovery(url) => {
            let agent = agent(settings, url)?;
            let keys = discovered(settings, url, &get(&agent, url)?)?;
            (get(&agent, &keys)?, keys)
        }
    };
    Keys::parse(&document).map_err(|problem| format!("{at} {problem}"))
}

/// Where an issuer says that its keys are.
fn discovered(settings: &JwtSettings, url: &str, document: &[u8]) -> Result<String, String> {
    let said: Configuration = serde_json::from_slice(document)
        .map_err(|error| format!("{url} is no configuration of OpenID Connect: {error}"))?;
    if said.issuer != settings.issuer {
        let (is, wanted) = (said.issuer, &settings.issuer);
        return Err(format!("{url} is of the issuer {is:?}, not of {wanted:?}"));
    }
    let down = url.starts_with("https:") && !said.jwks_uri.starts_with("https:");
    match can_not_be_forged(&said.jwks_uri) && !down {
        true => Ok(said.jwks_uri),
        false => Err(format!("{url} has keys at {:?}, which is no https:// URL", said.jwks_uri)),
    }
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    let mut document = Vec::new();
    let read = File::open(file).and_then(|it| it.take(BYTES_MAX + 1).read_to_end(&mut document));
    match read {
        Ok(read) if read as u64 <= BYTES_MAX => Ok(document),
        Ok(_) => Err(format!("{} has more than {BYTES_MAX} bytes", file.display())),
        Err(error) => Err(format!("{} can't be read: {error}", file.display())),
    }
}

fn get(agent: &Agent, url: &str) -> Result<Vec<u8>, String> {
    let failed = |error: ureq::Error| format!("{url} can't be asked: {error}");
    let mut answer = agent.get(url).call().map_err(failed)?;
    match answer.status().as_u16() {
        200 => answer.body_mut().with_config().limit(BYTES_MAX).read_to_vec().map_err(failed),
        status => Err(format!("{url} answered {status}")),
    }
}

fn agent(settings: &JwtSettings, url: &str) -> Result<Agent, String> {
    let over_tls = url.starts_with("https:");
    let trusted = match &settings.ca {
        Some(file) => certificates(file)?,
        None if over_tls => rustls_native_certs::load_native_certs().certs,
        None => Vec::new(),
    };
    let trusted: Vec<_> =
        trusted.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    let tls = TlsConfig::builder()
        .unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()))
        .root_certs(RootCerts::new_with_certs(&trusted));
    let config = Agent::config_builder()
        .tls_config(tls.build())
        .https_only(over_tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .timeout_global(Some(WITHIN));
    Ok(config.build().into())
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let failed = |error| format!("{} can't be used: {error}", file.display());
    let read = CertificateDer::pem_file_iter(file).map_err(failed)?;
    read.collect::<Result<_, _>>().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_says_where_its_keys_are_and_nobody_else_does() {
        let settings = JwtSettings::new("https://a.example", "b");
        let said = |issuer: &str, keys: &str| {
            let document = format!(r#"{{"issuer":"{issuer}","jwks_uri":"{keys}","x":1}}"#);
            discovered(&settings, "https://a.example/x", document.as_bytes())
        };
        let keys = "https://keys.example/a";
        assert_eq!(said("https://a.example", keys).as_deref(), Ok(keys));
        assert!(said("https://b.example", keys).is_err_and(|it| it.contains("b.example")));
        assert!(said("https://a.example/", keys).is_err());
        for down in ["http://keys.example/a", "http://127.0.0.1/a", "file:///etc/passwd", ""] {
            assert!(said("https://a.example", down).is_err(), "{down}");
        }
    }
}
