//! `factum health`: whether a server answers, for those who start it again when it does not. It needs
//! no curl, no shell, no token.

use std::{net::IpAddr, path::PathBuf};

use clap::Args;

use super::config::Asked;
use crate::{
    failure::{Exit, Failure},
    output::Output,
    remote::Remote,
    settings::Settings,
};

/// Ask a server whether it is alive, or with --ready whether requests are to be sent to it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum health                                   the server of these settings, on this machine
  factum health --ready
  factum health --url https://factum.internal:2113 --ca ca.pem

Without --url it asks where the settings (file, environment, --set) say that a server of this machine
listens. What that one shows as its certificate is not checked: it is for the name others call it by,
and nothing secret is asked or told. Exit code 10: it does not answer, or is not ready.")]
pub(crate) struct Health {
    /// The server.
    #[arg(long, env = "FACTUM_URL", value_name = "URL")]
    url: Option<String>,
    /// The certificates (PEM) that the server's is to be signed by.
    #[arg(long, env = "FACTUM_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Whether requests are to be sent to it (/ready), not only whether it lives (/health).
    #[arg(long)]
    ready: bool,
    #[command(flatten)]
    asked: Asked,
}

impl Health {
    pub(crate) fn run(self, output: &mut Output) -> Result<(), Failure> {
        let server = match &self.url {
            Some(url) => Remote::of(url.clone(), self.ca.clone()),
            None => Remote::here(own_url(&Settings::load(&self.asked.said())?)?),
        };
        let answer = server.get(if self.ready { "/ready" } else { "/health" })?;
        if !output.for_people() {
            return Ok(output.json(&answer)?);
        }
        let status = answer["status"].as_str().unwrap_or("ok");
        Ok(output.line(format!("{}: {status}", server.url()))?)
    }
}

/// Where a server with these settings is asked from this machine.
fn own_url(settings: &Settings) -> Result<String, Failure> {
    let mut listen = settings.server.listen;
    if listen.port() == 0 {
        let what = "the settings say that the server takes any free port";
        return Err(Failure::new(Exit::Invalid, what, "--url of the server"));
    }
    if listen.ip().is_unspecified() {
        listen.set_ip(match listen.ip() {
            IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
        });
    }
    let scheme = if settings.server.tls.is_some() { "https" } else { "http" };
    Ok(format!("{scheme}://{listen}"))
}
