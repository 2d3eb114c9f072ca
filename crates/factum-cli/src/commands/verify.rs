//! `factum verify`: reads every byte of a data directory's ledgers and checks it (G10). It believes
//! no index and repairs nothing.

use std::{path::PathBuf, time::Instant};

use clap::Args;
use factum::{Damage, Store, VerifyReport};
use serde_json::{Value, json};

use crate::{
    failure::{Exit, Failure},
    open,
    output::{Output, bytes, grouped},
    progress,
};

/// Read every byte and check it; damage is named by file, offset and position.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum verify --dir retail-demo
  factum verify --dir retail-demo --ledger retail --json

It works beside a server that has the directory: what is safe on disk by then is checked.
The exit code is 7 when anything is damaged. Nothing is repaired: restore the file from a backup.")]
pub(crate) struct Verify {
    /// The data directory.
    #[arg(long, env = "FACTUM_DIR", default_value = "factum-data", value_name = "DIR")]
    dir: PathBuf,
    /// Only this ledger.
    #[arg(long, value_name = "NAME")]
    ledger: Option<String>,
}

/// What was found in one ledger.
struct Verified {
    ledger: String,
    report: VerifyReport,
    seconds: f64,
}

impl Verify {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        let store = open::store_to_verify(&self.dir)?;
        let names = match self.ledger {
            Some(name) => vec![name],
            None => store.ledgers().map_err(open::failure)?,
        };
        let verified: Vec<_> =
            names.into_iter().map(|name| verify(&store, name)).collect::<Result<_, _>>()?;
        let damage: Vec<&Damage> =
            verified.iter().flat_map(|verified| &verified.report.damage).collect();
        match damage.first() {
            Some(first) => {
                Err(damaged(first, &damage, "restore the file from a backup; nothing was repaired"))
            }
            None => show(&verified, output),
        }
    }
}

fn verify(store: &Store, ledger: String) -> Result<Verified, Failure> {
    let bar = progress::bytes("verifying", 0);
    let started = Instant::now();
    let report = store.verify(&ledger, |read, all| {
        bar.set_length(all);
        bar.set_position(read);
    });
    bar.finish_and_clear();
    let report = report.map_err(open::failure)?;
    Ok(Verified { ledger, report, seconds: started.elapsed().as_secs_f64() })
}

/// What is damaged, and what to do about it.
pub(crate) fn damaged(first: &Damage, all: &[&Damage], hint: &str) -> Failure {
    let Damage { file, offset, position, what } = first;
    let more = match all.len() {
        1 => String::new(),
        n => format!("; {} more places are damaged (--json names all)", n - 1),
    };
    let what =
        format!("{file} is damaged at byte {offset}, around position {position}: {what}{more}");
    let place = |damage: &&Damage| {
        json!({
            "file": damage.file, "offset": damage.offset, "position": damage.position,
            "what": damage.what,
        })
    };
    let places: Vec<Value> = all.iter().map(place).collect();
    Failure::new(Exit::Damaged, what, hint).with(json!({ "damage": places }))
}

impl Verified {
    fn bytes_per_second(&self) -> u64 {
        (self.report.bytes as f64 / self.seconds.max(1e-6)) as u64
    }
}

fn show(verified: &[Verified], output: &mut Output) -> Result<(), Failure> {
    if !output.for_people() {
        let one = |verified: &Verified| {
            json!({
                "name": verified.ledger, "events": verified.report.events,
                "bytes": verified.report.bytes, "seconds": verified.seconds,
                "bytes_per_second": verified.bytes_per_second(), "damage": [],
            })
        };
        let ledgers: Vec<_> = verified.iter().map(one).collect();
        return Ok(output.json(&json!({ "ledgers": ledgers }))?);
    }
    let rows = verified.iter().map(|verified| {
        [
            verified.ledger.clone(),
            grouped(verified.report.events),
            bytes(verified.report.bytes),
            format!("{:.2}", verified.seconds),
            format!("{}/s", bytes(verified.bytes_per_second())),
        ]
    });
    output.table(["ledger", "events", "read", "seconds", "speed"], rows)?;
    Ok(output.line("Nothing is damaged.")?)
}
