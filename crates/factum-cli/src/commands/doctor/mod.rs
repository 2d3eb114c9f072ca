//! `factum doctor`: looks at everything that a server needs of its machine, and says of each whether
//! it will do. It changes nothing: what it writes has no name and is gone when it ends.

mod certificate;
mod clock;
mod configuration;
mod data;
mod disk;
mod finding;
mod limits;
mod server;
mod sync;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::config::Asked;
use crate::{failure::Failure, output::Output, remote::Remote, settings::Settings};
use finding::{Finding, Mark};

/// Look whether this machine, its disk, clock and settings are fit for a server.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum doctor                                  the data directory and settings that serve would use
  factum doctor --dir /var/lib/factum --json
  factum doctor --config /etc/factum/factum.toml
  factum doctor --url https://factum.internal:2113 --ca ca.pem      and a server that runs

It looks at the disk (room, file system, how fast a sync is), the clock, the limits of the process, who
may read the data directory and the private key, the certificate, the settings, and with --url at a
server. Run it as the user that serves. It changes nothing.

Exit code 0: nothing is bad, though there may be warnings. 1: something is (✗).")]
pub(crate) struct Doctor {
    /// The data directory [env: FACTUM_DIR] [default: factum-data].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// How many syncs to measure; 0 measures none.
    #[arg(long, default_value_t = 400, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(..=100_000))]
    syncs: u32,
    #[command(flatten)]
    asked: Asked,
    /// A running server to ask whether it is ready.
    #[arg(long, env = "FACTUM_URL", value_name = "URL")]
    url: Option<String>,
    /// The certificates (PEM) that the server's is to be signed by.
    #[arg(long, env = "FACTUM_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
}

impl Doctor {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        let findings = self.findings().await;
        let worst = findings.iter().map(|finding| finding.mark).max().unwrap_or(Mark::Good);
        if output.for_people() {
            let row = |finding: &Finding| {
                let Finding { area, check, mark, found, advice } = finding.clone();
                [mark.sign().to_owned(), format!("{area}: {check}"), found, advice]
            };
            output.table(["", "check", "found", "what to do"], findings.iter().map(row))?;
        } else {
            output.json(&json!({ "healthy": worst < Mark::Bad, "checks": findings }))?;
        }
        match worst {
            Mark::Bad => Err(Failure::said_already()),
            _ => Ok(()),
        }
    }

    async fn findings(&self) -> Vec<Finding> {
        let mut said = self.asked.said();
        said.flags.extend(self.dir.iter().map(|dir| ("--dir".into(), "dir".into(), json!(dir))));
        let loaded = Settings::load(&said);
        let mut findings = configuration::look(&loaded);
        // With settings that no server takes, the rest is looked at as if nothing had been said.
        let settings = match loaded {
            Ok(settings) => settings,
            Err(_) => Settings::unsaid(self.dir.clone()),
        };
        let dir = &settings.program.dir;
        let (data, writable) = data::look(dir).await;
        findings.extend(disk::look(dir, settings.server.disk_free_bytes_min));
        if writable && self.syncs > 0 {
            findings.push(sync::look(dir, self.syncs));
        }
        findings.extend(data);
        findings.extend(clock::look());
        findings.extend(limits::look(&settings.server));
        findings.extend(settings.server.tls.iter().flat_map(certificate::look));
        if let Some(url) = &self.url {
            findings.push(server::look(&Remote::of(url.clone(), self.ca.clone())));
        }
        findings
    }
}

/// The nearest directory that there is: the one that would be made is on its disk.
fn existing(dir: &std::path::Path) -> PathBuf {
    let absolute = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
    let found = absolute.ancestors().find(|dir| dir.is_dir()).map(PathBuf::from);
    found.unwrap_or_else(|| "/".into())
}
