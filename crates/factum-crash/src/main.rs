//! Crash tests of the real thing: the real engine and the real server, killed, cut off from power
//! and given failing system calls, with a witness elsewhere of what they had acknowledged.
//!
//! `docs/durability.md` says what each proves, and what it does not.

mod batch;
mod bug;
mod child;
mod kill;
mod line;
mod model;
mod places;
mod server;
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
    #[command(hide = true)]
    Writers(child::Writers),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Kill(kill) => kill.run(),
        Command::Writers(writers) => writers.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
