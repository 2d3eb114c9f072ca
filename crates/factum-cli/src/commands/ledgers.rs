//! `factum ledgers`: what is in a data directory.

use std::path::PathBuf;

use clap::Args;
use factum_server::is_system_ledger;
use serde_json::json;

use crate::{
    failure::Failure,
    open,
    output::{Output, grouped},
};

/// List the ledgers of a data directory, or create one.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum ledgers
  factum ledgers --create invoices
  factum ledgers --dir retail-demo --json")]
pub(crate) struct Ledgers {
    /// The data directory.
    #[arg(long, env = "FACTUM_DIR", default_value = "factum-data", value_name = "DIR")]
    dir: PathBuf,
    /// Create a ledger of this name; it is no error when it is there already.
    #[arg(long, value_name = "NAME")]
    create: Option<String>,
}

impl Ledgers {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        let store = match &self.create {
            Some(_) => open::store(&self.dir)?,
            None => open::store_to_read(&self.dir)?,
        };
        if let Some(name) = &self.create {
            open::create(&store, name)?;
        }
        let mut ledgers = Vec::new();
        let all = store.ledgers().map_err(open::failure)?;
        for name in all.into_iter().filter(|name| !is_system_ledger(name)) {
            let ledger = open::ledger(&store, &name)?;
            let head = ledger.head().await.map_err(open::read_failure)?;
            ledgers.push((name, head));
        }
        if !output.for_people() {
            let ledgers = ledgers.iter().map(
                |(name, head)| json!({ "name": name, "head": factum_server::json::head(*head) }),
            );
            return Ok(output.json(&json!({ "ledgers": ledgers.collect::<Vec<_>>() }))?);
        }
        let rows = ledgers.into_iter().map(|(name, head)| {
            let newest = match head.position.0 {
                0 => "-".to_owned(),
                _ => factum_server::json::time(head.recorded_at),
            };
            [name, grouped(head.position.0), newest]
        });
        Ok(output.table(["ledger", "events", "newest"], rows)?)
    }
}
