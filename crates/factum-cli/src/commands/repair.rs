//! `factum repair`: builds derived files again that don't fit the log. It never touches a log (G10).

use std::path::PathBuf;

use clap::Args;
use factum::{Damage, RepairReport};
use serde_json::json;

use crate::{
    commands::verify::damaged,
    failure::Failure,
    open,
    output::{Output, count},
    progress,
};

/// Build derived files again: indexes, and views when asked. A log is never touched.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum repair --dir retail-demo --dry-run
  factum repair --dir retail-demo --ledger retail
  factum repair --dir retail-demo --views

Each index file is compared with what its log gives, and built again when it differs or is missing.
With --views the rows and keyframes of views and the snapshots of folds are thrown away; whoever
opens the application next builds them anew. Damage in a log is named and left as it is (exit code
7): restore that file from a backup.")]
pub(crate) struct Repair {
    /// The data directory.
    #[arg(long, env = "FACTUM_DIR", default_value = "factum-data", value_name = "DIR")]
    dir: PathBuf,
    /// Only this ledger.
    #[arg(long, value_name = "NAME")]
    ledger: Option<String>,
    /// Throw views and snapshots away, too.
    #[arg(long)]
    views: bool,
    /// Change nothing; say what would be done.
    #[arg(long)]
    dry_run: bool,
}

impl Repair {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        let as_it_is = open::store_as_it_is(&self.dir)?;
        let store = if self.dry_run { as_it_is } else { open::store(&self.dir)? };
        let names = match &self.ledger {
            Some(name) => vec![name.clone()],
            None => store.ledgers().map_err(open::failure)?,
        };
        let mut reports = Vec::new();
        for name in names {
            let bar = progress::bytes("comparing indexes", 0);
            let report = store.repair(&name, self.views, self.dry_run, |done, all| {
                bar.set_length(all);
                bar.set_position(done);
            });
            bar.finish_and_clear();
            reports.push((name, report.map_err(open::failure)?));
        }
        self.show(&reports, output)?;
        let damage: Vec<&Damage> = reports.iter().flat_map(|(_, report)| &report.damage).collect();
        match damage.first() {
            Some(first) => Err(damaged(first, &damage, "restore the file from a backup")),
            None => Ok(()),
        }
    }

    fn show(&self, reports: &[(String, RepairReport)], output: &mut Output) -> Result<(), Failure> {
        if !output.for_people() {
            let one = |(name, report): &(String, RepairReport)| {
                json!({
                    "name": name, "checked": report.checked, "rebuilt": report.rebuilt,
                    "removed": report.removed, "damaged": report.damage.len(),
                })
            };
            let ledgers: Vec<_> = reports.iter().map(one).collect();
            return Ok(output.json(&json!({ "dry_run": self.dry_run, "ledgers": ledgers }))?);
        }
        for (name, report) in reports {
            output.line(format!("{name}: {} compared", count(report.checked, "index file")))?;
            for file in &report.rebuilt {
                output.line(format!("  built again: {file}"))?;
            }
            for file in &report.removed {
                output.line(format!("  removed: {file}"))?;
            }
        }
        if self.dry_run {
            output.line("Nothing was changed: this was a dry run.")?;
        }
        Ok(())
    }
}
