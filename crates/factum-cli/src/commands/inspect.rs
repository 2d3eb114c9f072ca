//! `factum inspect`: what a data directory is made of. It takes no lock and changes nothing, so it
//! works beside a server and on a copy that can't be written.

use std::path::PathBuf;

use clap::Args;
use factum::{LedgerReport, SegmentReport};
use serde_json::json;

use crate::{
    failure::Failure,
    open,
    output::{Output, bytes, grouped},
};

/// Show what a data directory is made of: ledgers, heads, segments, sizes.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum inspect --dir retail-demo
  factum inspect --dir retail-demo --ledger retail --json")]
pub(crate) struct Inspect {
    /// The data directory.
    #[arg(long, env = "FACTUM_DIR", default_value = "factum-data", value_name = "DIR")]
    dir: PathBuf,
    /// Only this ledger.
    #[arg(long, value_name = "NAME")]
    ledger: Option<String>,
}

impl Inspect {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        let store = open::store_as_it_is(&self.dir)?;
        let names = match self.ledger {
            Some(name) => vec![name],
            None => store.ledgers().map_err(open::failure)?,
        };
        let reports = names.iter().map(|name| store.inspect(name).map_err(open::failure));
        let reports: Vec<LedgerReport> = reports.collect::<Result<_, _>>()?;
        if !output.for_people() {
            let ledgers: Vec<_> = reports.iter().map(to_json).collect();
            return Ok(output.json(&json!({ "dir": self.dir, "ledgers": ledgers }))?);
        }
        for report in &reports {
            show(report, output)?;
        }
        Ok(())
    }
}

fn to_json(report: &LedgerReport) -> serde_json::Value {
    let segment = |segment: &SegmentReport| {
        json!({
            "file": segment.file, "first": segment.first, "last": segment.last,
            "bytes": segment.bytes, "compressed": segment.compressed,
            "index_bytes": segment.index_bytes,
        })
    };
    json!({
        "name": report.name, "head": report.head,
        "recorded_at": factum_server::json::time(report.recorded_at),
        "segments": report.segments.iter().map(segment).collect::<Vec<_>>(),
    })
}

fn show(report: &LedgerReport, output: &mut Output) -> Result<(), Failure> {
    let LedgerReport { name, head, recorded_at, segments } = report;
    let when = factum_server::json::time(*recorded_at);
    match head.0 {
        0 => output.line(format!("ledger {name}: empty"))?,
        head => output.line(format!("ledger {name}: {} positions, last {when}", grouped(head)))?,
    }
    let rows = segments.iter().map(|segment| {
        [
            segment.file.clone(),
            grouped(segment.first.0),
            grouped(segment.last.0),
            bytes(segment.bytes),
            segment.index_bytes.map_or_else(|| "in memory".to_owned(), bytes),
        ]
    });
    Ok(output.table(["segment", "first", "last", "size", "index"], rows)?)
}
