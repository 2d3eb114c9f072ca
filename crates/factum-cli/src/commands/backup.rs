//! `factum backup`: copies what is new of a data directory's ledgers to another directory, beside
//! whoever writes (G2: nothing that the source could still lose).

use std::{path::PathBuf, time::Instant};

use clap::Args;
use factum::{Backup as Whole, Damage};
use serde_json::json;

use crate::{
    commands::verify::damaged,
    failure::Failure,
    open,
    output::{Output, bytes, grouped},
    progress,
};

/// Copy the ledgers to another directory, while they are used; again and again, only what is new.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum backup /mnt/backup/shop --dir shop
  factum backup /mnt/backup/shop --dir shop --verify --json
  factum backup --check /mnt/backup/shop

All ledgers are copied, each up to an event that is safe on disk. The directory is made, or holds an
earlier backup of the same ledgers, which stays whole until the new one is. Views are not copied:
they are built anew. An interrupted backup is taken up again by the same command. A backup can be
read (factum read --dir), and is restored with factum restore.")]
pub(crate) struct Backup {
    /// The directory to back up into.
    #[arg(value_name = "BACKUP", required_unless_present = "check")]
    to: Option<PathBuf>,
    /// The data directory.
    #[arg(long, env = "FACTUM_DIR", default_value = "factum-data", value_name = "DIR")]
    dir: PathBuf,
    /// Then read all of the backup again, and compare it with its checksums.
    #[arg(long)]
    verify: bool,
    /// Copy nothing; only compare this backup with its checksums.
    #[arg(long, value_name = "BACKUP", conflicts_with_all = ["to", "verify"])]
    check: Option<PathBuf>,
}

impl Backup {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        match (&self.check, &self.to) {
            (Some(backup), _) => check(backup, output),
            (None, Some(to)) => self.copy(to, output),
            // clap asks for one of them.
            (None, None) => Err(Failure::invalid("no directory was named", "factum backup BACKUP")),
        }
    }

    fn copy(&self, to: &PathBuf, output: &mut Output) -> Result<(), Failure> {
        // Without the lock: it works beside the process that has it.
        let store = open::store_as_it_is(&self.dir)?;
        let bar = progress::bytes("backing up", 0);
        let started = Instant::now();
        let report = store.backup(to, |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        let report = report.map_err(open::failure)?;
        let seconds = started.elapsed().as_secs_f64();
        if self.verify {
            compare(&Whole::open(to).map_err(open::failure)?)?;
        }
        let per_second = (report.copied as f64 / seconds.max(1e-6)) as u64;
        if !output.for_people() {
            return Ok(output.json(&json!({
                "backup": to, "ledgers": open::ledger_facts(&report.ledgers),
                "bytes": report.bytes, "copied": report.copied, "files": report.files,
                "seconds": seconds, "bytes_per_second": per_second, "verified": self.verify,
            }))?);
        }
        let rows = report.ledgers.iter().map(|l| [l.name.clone(), grouped(l.head.0)]);
        output.table(["ledger", "up to position"], rows)?;
        let verified = if self.verify { " It was read again and compared." } else { "" };
        Ok(output.line(format!(
            "{} copied in {seconds:.2} s ({}/s); the backup has {}.{verified}",
            bytes(report.copied),
            bytes(per_second),
            bytes(report.bytes),
        ))?)
    }
}

fn check(dir: &std::path::Path, output: &mut Output) -> Result<(), Failure> {
    let backup = Whole::open(dir).map_err(open::failure)?;
    let started = Instant::now();
    compare(&backup)?;
    let seconds = started.elapsed().as_secs_f64();
    let per_second = (backup.bytes() as f64 / seconds.max(1e-6)) as u64;
    if !output.for_people() {
        return Ok(output.json(&json!({
            "backup": dir, "ledgers": open::ledger_facts(&backup.ledgers()),
            "made_at": factum_server::json::time(backup.made_at()), "bytes": backup.bytes(),
            "seconds": seconds, "bytes_per_second": per_second, "damage": [],
        }))?);
    }
    let rows = backup.ledgers().into_iter().map(|l| [l.name.clone(), grouped(l.head.0)]);
    output.table(["ledger", "up to position"], rows)?;
    let made = factum_server::json::time(backup.made_at());
    let read = bytes(backup.bytes());
    let speed = bytes(per_second);
    Ok(output.line(format!(
        "Made at {made}. {read} read in {seconds:.2} s ({speed}/s): nothing is damaged."
    ))?)
}

fn compare(backup: &Whole) -> Result<(), Failure> {
    let bar = progress::bytes("comparing", 0);
    let found = backup.check(|done, all| {
        bar.set_length(all);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let found = found.map_err(open::failure)?;
    let all: Vec<&Damage> = found.iter().collect();
    match all.first() {
        Some(first) => {
            Err(damaged(first, &all, "back up into a new directory, while the source is whole"))
        }
        None => Ok(()),
    }
}
