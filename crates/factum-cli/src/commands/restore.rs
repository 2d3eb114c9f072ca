//! `factum restore`: a new data directory from a backup, whole or up to a moment of the past.

use std::{path::PathBuf, time::Instant};

use clap::Args;
use factum::{AsOf, Backup, Restore as Request};
use serde_json::json;

use crate::{
    args::moment,
    failure::Failure,
    open,
    output::{Output, bytes, grouped},
    progress,
};

/// Write a new data directory from a backup, whole or up to a moment.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum restore /mnt/backup/shop --dir shop-restored
  factum restore /mnt/backup/shop --dir tuesday --to 2026-01-27T18:00:00Z
  factum restore /mnt/backup/shop --dir one --ledger retail --to 1200

The directory must be missing or empty. Every byte is compared with the backup's checksums. A moment
is a position of one ledger, or a time: the last batch at or before it is the last that is there.
Views are built anew when the application is opened. Who followed the ledger further than it goes
now must begin anew; factum's own views notice that by themselves.")]
pub(crate) struct Restore {
    /// The backup.
    #[arg(value_name = "BACKUP")]
    from: PathBuf,
    /// The directory to write.
    #[arg(long, env = "FACTUM_DIR", value_name = "DIR")]
    dir: PathBuf,
    /// Only this ledger.
    #[arg(long, value_name = "NAME")]
    ledger: Option<String>,
    /// Up to a position (1234) or a time (2026-01-31T12:00:00Z).
    #[arg(long, value_name = "MOMENT", value_parser = moment)]
    to: Option<AsOf>,
}

impl Restore {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        let backup = Backup::open(&self.from).map_err(open::failure)?;
        let mut what = Request { ledger: self.ledger, ..Request::default() };
        match self.to {
            Some(AsOf::Position(position)) => what.to_position = Some(position),
            Some(AsOf::Time(time)) => what.at = Some(time),
            _ => {}
        }
        let bar = progress::bytes("restoring", 0);
        let started = Instant::now();
        let report = backup.restore(&self.dir, &what, |done, all| {
            bar.set_length(all);
            bar.set_position(done);
        });
        bar.finish_and_clear();
        let report = report.map_err(open::failure)?;
        let seconds = started.elapsed().as_secs_f64();
        let per_second = (report.bytes as f64 / seconds.max(1e-6)) as u64;
        if !output.for_people() {
            return Ok(output.json(&json!({
                "dir": self.dir, "ledgers": open::ledger_facts(&report.ledgers),
                "bytes": report.bytes, "seconds": seconds, "bytes_per_second": per_second,
            }))?);
        }
        let rows = report.ledgers.iter().map(|l| [l.name.clone(), grouped(l.head.0)]);
        output.table(["ledger", "ends at position"], rows)?;
        Ok(output.line(format!(
            "{} written in {seconds:.2} s ({}/s).",
            bytes(report.bytes),
            bytes(per_second)
        ))?)
    }
}
