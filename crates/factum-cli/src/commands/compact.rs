//! `factum compact`: drops what retention hides, and compresses, while nothing else stops.

use std::{ops::ControlFlow, path::PathBuf};

use clap::Args;
use factum::{Compact as Request, Compacted, Store};
use serde_json::json;

use crate::{
    failure::Failure,
    open,
    output::{Output, bytes, grouped},
    progress,
};

/// Drop what retention hides from the closed segments; positions, keys and ids stay.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum compact --dry-run
  factum compact --dir retail-demo --ledger retail --compress
  factum compact --json

What is hidden is said with factum stream. One segment after the other is rewritten; interrupted,
the next run goes on where this one stopped. The segment that is being written to is left alone.")]
pub(crate) struct Compact {
    /// The data directory.
    #[arg(long, env = "FACTUM_DIR", default_value = "factum-data", value_name = "DIR")]
    dir: PathBuf,
    /// Only this ledger.
    #[arg(long, value_name = "NAME")]
    ledger: Option<String>,
    /// Compress the closed segments too; they are read as before.
    #[arg(long)]
    compress: bool,
    /// Change nothing; say what would be dropped.
    #[arg(long)]
    dry_run: bool,
}

impl Compact {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        open::store_as_it_is(&self.dir)?;
        let store = open::store(&self.dir)?;
        let names = match &self.ledger {
            Some(name) => vec![name.clone()],
            None => store.ledgers().map_err(open::failure)?,
        };
        let request = Request { dry_run: self.dry_run, compress: self.compress };
        let each = names.into_iter().map(|name| {
            let compacted = compact(&store, &name, request)?;
            Ok((name, compacted))
        });
        let compacted: Vec<_> = each.collect::<Result<_, Failure>>()?;
        if !output.for_people() {
            let ledgers: Vec<_> = compacted.iter().map(to_json).collect();
            return Ok(output.json(&json!({ "dry_run": self.dry_run, "ledgers": ledgers }))?);
        }
        show(&compacted, self.dry_run, output)
    }
}

fn compact(store: &Store, ledger: &str, request: Request) -> Result<Compacted, Failure> {
    let bar = progress::counted("compacting segments", 0);
    let compacted = store.compact(ledger, request, |so_far| {
        bar.set_length(so_far.segments);
        bar.set_position(so_far.done);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    compacted.map_err(open::failure)
}

fn to_json((name, compacted): &(String, Compacted)) -> serde_json::Value {
    json!({
        "name": name, "segments": compacted.segments, "rewritten": compacted.rewritten,
        "dropped": compacted.dropped, "bytes_before": compacted.bytes_before,
        "bytes_after": compacted.bytes_after, "resumed_after": compacted.resumed_after,
    })
}

fn show(
    compacted: &[(String, Compacted)],
    dry_run: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let rows = compacted.iter().map(|(name, compacted)| {
        [
            name.clone(),
            grouped(compacted.segments),
            grouped(compacted.rewritten),
            grouped(compacted.dropped),
            bytes(compacted.bytes_before),
            bytes(compacted.bytes_after),
        ]
    });
    let head = ["ledger", "closed segments", "rewritten", "events dropped", "before", "after"];
    output.table(head, rows)?;
    for (name, after) in compacted.iter().filter_map(|(name, c)| Some((name, c.resumed_after?))) {
        let after = grouped(after.0);
        output.line(format!("{name}: an interrupted run had come to position {after}."))?;
    }
    if dry_run {
        output.line("Nothing was changed: this was a dry run.")?;
    }
    Ok(())
}
