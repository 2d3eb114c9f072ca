//! `factum-bench`: the same work on Factum and on its peers, one after the other, several rounds,
//! in one run on one machine.
//!
//! ```text
//!   run ─► for each workload, for each round, for each system:
//!            a fresh directory or the filled ledger ─► a process of its own ─► one Measured
//!       ─► medians ─► table, JSON, picture
//! ```

mod args;
mod clock;
mod events;
mod floor;
mod job;
mod machine;
mod report;
mod run;
mod server;
mod systems;
mod usage;
mod workloads;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> Result<()> {
    let args = args::Args::parse();
    if let Some(job) = &args.measure {
        let measured = workloads::perform(&serde_json::from_str(job)?)?;
        println!("{}", serde_json::to_string(&measured)?);
        return Ok(());
    }
    if args.list {
        report::list();
        return Ok(());
    }
    let results = run::run(&args)?;
    report::print(&results);
    if let Some(path) = &args.json {
        std::fs::write(path, serde_json::to_vec_pretty(&results)?)?;
    }
    if let Some(path) = &args.svg {
        std::fs::write(path, report::picture(&results))?;
    }
    Ok(())
}
