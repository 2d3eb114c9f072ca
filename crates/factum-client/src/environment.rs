//! [`Environment`]: who asks, and whom they believe, as the environment of the process says it: under
//! the names that the command line has, too.

use std::{ffi::OsString, fs, path::PathBuf};

use crate::ConnectError;

/// A certificate and its key, in PEM.
type Identity = (Vec<u8>, Vec<u8>);

/// What the environment says.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub(crate) token: Option<String>,
    ca: Option<PathBuf>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
}

impl Environment {
    pub(crate) fn of_process() -> Self {
        Self::of(|name| std::env::var_os(name))
    }

    fn of(said: impl Fn(&str) -> Option<OsString>) -> Self {
        let said = |name: &str| said(name).filter(|value| !value.is_empty());
        let file = |name: &str| said(name).map(PathBuf::from);
        Self {
            token: said("FACTUM_TOKEN").and_then(|token| token.into_string().ok()),
            ca: file("FACTUM_CA"),
            certificate: file("FACTUM_CLIENT_CERTIFICATE"),
            key: file("FACTUM_CLIENT_KEY"),
        }
    }

    pub(crate) fn ca(&self) -> Result<Option<Vec<u8>>, ConnectError> {
        self.ca.as_ref().map(read).transpose()
    }

    /// The certificate to show, and its key.
    pub(crate) fn identity(&self) -> Result<Option<Identity>, ConnectError> {
        match (&self.certificate, &self.key) {
            (None, None) => Ok(None),
            (Some(certificate), Some(key)) => Ok(Some((read(certificate)?, read(key)?))),
            _ => Err(ConnectError::Certificate {
                what: "FACTUM_CLIENT_CERTIFICATE or FACTUM_CLIENT_KEY".to_owned(),
                problem: "each needs the other".to_owned(),
            }),
        }
    }
}

fn read(file: &PathBuf) -> Result<Vec<u8>, ConnectError> {
    fs::read(file).map_err(|error| ConnectError::Certificate {
        what: file.display().to_string(),
        problem: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Client;

    fn environment(said: &[(&str, &str)]) -> Environment {
        Environment::of(|name| {
            let found = said.iter().find(|(said, _)| *said == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    /// What a connection to this URL would be made with, given this environment.
    fn filled(url: &str, said: &[(&str, &str)]) -> Result<String, String> {
        let filled = Client::to(url).filled(environment(said));
        filled.map(|connect| format!("{connect:?}")).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_said_counts_before_the_environment() {
        let said = [("FACTUM_TOKEN", "theirs"), ("FACTUM_CA", "")];
        assert!(filled("http://localhost", &said).is_ok_and(|it| it.contains("theirs")));
        let own = Client::to("https://localhost").token("ours").filled(environment(&said));
        assert!(own.is_ok_and(|it| format!("{it:?}").contains("ours")));
    }

    #[test]
    fn what_can_not_be_used_is_said() {
        let none = [("FACTUM_CA", "/none/ca.pem")];
        assert!(filled("https://localhost", &none).is_err_and(|it| it.contains("/none/ca.pem")));
        assert!(filled("http://localhost", &none).is_ok());
        let half = [("FACTUM_CLIENT_KEY", "key.pem")];
        assert!(filled("https://localhost", &half).is_err_and(|it| it.contains("needs the other")));
    }

    #[test]
    fn certificates_are_for_https() {
        let ca = Client::to("http://localhost").certificate_authority("pem").lazily();
        let refused = ca.err().expect("would be ignored").to_string();
        assert!(refused.contains("https://"), "{refused}");
        let broken = Client::to("https://localhost").identity("no", "pem").lazily();
        let refused = broken.err().expect("is none").to_string();
        assert!(refused.contains("can't be used"), "{refused}");
    }
}
