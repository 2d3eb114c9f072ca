//! The server's certificate: until when it is good, whether the key belongs to it, and who may read
//! that.

use std::{fs, os::unix::fs::MetadataExt, path::Path, time::Duration};

use factum_server::TlsFiles;
use rustls::{
    CertificateError, Error, RootCertStore,
    client::verify_server_cert_signed_by_trust_anchor,
    pki_types::{CertificateDer, UnixTime, pem::PemObject},
    server::ParsedCertificate,
};

use super::finding::{Finding, Look};

const FILES: Look = Look("tls", "files");
const EXPIRY: Look = Look("tls", "certificate");
const KEY: Look = Look("tls", "private key");

const DAY: u64 = 24 * 60 * 60;
/// Who gets certificates by hand needs some time for it.
const DAYS_MIN: u64 = 14;

pub(super) fn look(files: &TlsFiles) -> Vec<Finding> {
    let together = match files.check() {
        Ok(()) => FILES.good("certificate and key belong together"),
        Err(problem) => FILES.bad(problem, "PEM files of a certificate and its key"),
    };
    let mut findings = vec![together];
    findings.extend(certificates(&files.certificate).iter().map(|one| {
        expiry(one, UnixTime::now()).unwrap_or_else(|| {
            EXPIRY.warning("its time can't be read", "openssl x509 -noout -dates -in FILE")
        })
    }));
    findings.extend(fs::metadata(&files.key).ok().map(|about| key(about.mode(), &files.key)));
    findings
}

/// All of the file; what can't be read was told already.
fn certificates(file: &Path) -> Vec<CertificateDer<'static>> {
    let all = CertificateDer::pem_file_iter(file).into_iter().flatten();
    all.filter_map(Result::ok).collect()
}

fn expiry(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<Finding> {
    let (from, until) = validity(certificate)?;
    let shown = |time: u64| {
        let time =
            i64::try_from(time).ok().and_then(|time| jiff::Timestamp::from_second(time).ok());
        time.map_or_else(|| "for ever".to_owned(), |time| time.to_string())
    };
    let (now, advice) = (now.as_secs(), "renew it; SIGHUP has a server read it again");
    let found = format!("good until {}", shown(until));
    Some(match until.saturating_sub(now) {
        _ if now < from => {
            EXPIRY.bad(format!("not good before {}", shown(from)), "look at the clock")
        }
        0 => EXPIRY.bad(format!("it has expired: {found}"), advice),
        left if left < DAYS_MIN * DAY => {
            EXPIRY.warning(format!("{found}: {} days are left", left / DAY), advice)
        }
        left => EXPIRY.good(format!("{found}: {} days are left", left / DAY)),
    })
}

/// From when until when a certificate is good. The verifier is asked, about times at which none is:
/// it looks at the time first, and says what it was measured by.
fn validity(certificate: &CertificateDer<'_>) -> Option<(u64, u64)> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let asked = |time: Duration| {
        let time = UnixTime::since_unix_epoch(time);
        let nobody = RootCertStore::empty();
        match verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], time, &[]) {
            Err(Error::InvalidCertificate(problem)) => Some(problem),
            _ => None,
        }
    };
    let from = match asked(Duration::ZERO)? {
        CertificateError::NotValidYetContext { not_before, .. } => not_before.as_secs(),
        // It was good in 1970.
        _ => 0,
    };
    match asked(Duration::from_secs(u64::MAX))? {
        CertificateError::ExpiredContext { not_after, .. } => Some((from, not_after.as_secs())),
        _ => None,
    }
}

fn key(mode: u32, file: &Path) -> Finding {
    let found = format!("mode {:03o}", mode & 0o777);
    let advice = format!("chmod 600 {}, and a new key if it was read", file.display());
    match (mode & 0o007, mode & 0o070) {
        (0, 0) => KEY.good(format!("{found}: for its owner alone")),
        (0, _) => KEY.good(format!("{found}: for its owner and group")),
        _ => KEY.bad(format!("{found}: every user of this machine may read it"), advice),
    }
}
