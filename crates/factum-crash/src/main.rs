//! Crash tests of the real thing: the real engine and the real server, killed, cut off from power
//! and given failing system calls, with a witness elsewhere of what they had acknowledged.
//!
//! `docs/durability.md` says what each proves, and what it does not.

mod batch;
mod block_log;
mod blocks;
mod bug;
mod child;
mod cut;
mod inject;
mod kill;
mod line;
mod listener;
mod load;
mod machine;
mod model;
mod places;
mod powered;
mod recorder;
mod rounds;
mod server;
mod serving;
mod soak;
mod target;
mod witness;
mod writers;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Crash tests of the real thing.
#[derive(Debug, Parser)]
#[command(name = "factum-crash", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Kill(kill::Kill),
    Cut(cut::Cut),
    Blocks(blocks::Blocks),
    Inject(inject::Inject),
    Soak(soak::Soak),
    #[command(hide = true)]
    Load(load::Load),
    #[command(hide = true)]
    Writers(child::Writers),
}

/// How a run ends that this machine does not permit.
const PASSED_OVER: u8 = 3;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Kill(kill) => kill.run(),
        Command::Cut(cut) => cut.run(),
        Command::Blocks(blocks) => blocks.run(),
        Command::Inject(inject) => inject.run(),
        Command::Soak(soak) => soak.run(),
        Command::Load(load) => load.run(),
        Command::Writers(writers) => writers.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<machine::PassedOver>() => {
            eprintln!("PASSED OVER, nothing was tested: {error:#}");
            ExitCode::from(PASSED_OVER)
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
