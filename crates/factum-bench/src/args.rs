//! The command line.

use std::path::PathBuf;

use clap::Parser;

const EXAMPLES: &str = "Examples:
  factum-bench                                      every row, five rounds, a million events
  factum-bench --quick                              the same in a minute or two, for a first look
  factum-bench --only append --systems factum       every row whose name begins with append
  factum-bench --only scan,read-tag --events 20000000 --dir /mnt/disk --keep
  factum-bench --json result.json --svg result.svg";

/// The same work on Factum and on its peers, in one run.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Names the rows and the systems
    #[arg(long)]
    pub(crate) list: bool,
    /// Only rows whose name begins with one of these
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) only: Vec<String>,
    /// Only these systems
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) systems: Vec<String>,
    /// Events in the ledger that is read; 1,000,000 unless told, 200,000 with --quick
    #[arg(long)]
    pub(crate) events: Option<u64>,
    /// Rounds, whose median counts; 5 unless told, 3 with --quick
    #[arg(long)]
    pub(crate) rounds: Option<u64>,
    /// Fewer requests, fewer events, fewer rounds
    #[arg(long)]
    pub(crate) quick: bool,
    /// Where the systems keep their data: a directory on the disk that is to be measured
    #[arg(long, default_value = ".", value_name = "PATH")]
    pub(crate) dir: PathBuf,
    /// Leaves the filled ledgers for the next run with the same --dir and --events
    #[arg(long)]
    pub(crate) keep: bool,
    /// Writes the results, each round of them, as JSON
    #[arg(long, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
    /// Draws the medians
    #[arg(long, value_name = "PATH")]
    pub(crate) svg: Option<PathBuf>,
    /// UmaDB's program; otherwise it is looked for on the PATH and in target/tools/bin
    #[arg(long, value_name = "PATH")]
    pub(crate) umadb: Option<PathBuf>,
    /// One measurement in this process: how the program calls itself
    #[arg(long, hide = true)]
    pub(crate) measure: Option<String>,
}

impl Args {
    pub(crate) fn events(&self) -> u64 {
        self.events.unwrap_or(if self.quick { 200_000 } else { 1_000_000 })
    }

    pub(crate) fn rounds(&self) -> u64 {
        self.rounds.unwrap_or(if self.quick { 3 } else { 5 }).max(1)
    }

    /// Of the requests of a full round, how many are done.
    pub(crate) fn share(&self) -> f64 {
        if self.quick { 0.2 } else { 1.0 }
    }
}
