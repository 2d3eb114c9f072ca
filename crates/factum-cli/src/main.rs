//! The binary `factum`: reads what was typed, runs one command, and answers with its output and an
//! exit code that means something.

mod args;
mod commands;
mod event;
mod failure;
mod filter;
mod input;
mod open;
mod output;
mod progress;
mod remote;
mod service;
mod settings;

use std::{
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
};

use args::{Cli, Command};
use clap::Parser;
use failure::{Exit, Failure};
use output::{Format, Output};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let format = cli.format();
    let mut output = Output::new(format);
    let result = panic::catch_unwind(AssertUnwindSafe(|| {
        runtime()?.block_on(run(cli.command, &mut output))?;
        Ok(output.flush()?)
    }));
    match result.unwrap_or_else(|_| Err(a_mistake_of_ours())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // What was answered before the failure belongs to the answer.
            let _ = output.flush();
            failure.say(format != Format::People);
            ExitCode::from(failure.exit as u8)
        }
    }
}

async fn run(command: Command, output: &mut Output) -> Result<(), Failure> {
    match command {
        Command::Demo(demo) => demo.run(output).await,
        Command::Serve(serve) => serve.run(output).await,
        Command::Config(config) => config.run(output),
        Command::Doctor(doctor) => doctor.run(output).await,
        Command::Health(health) => health.run(output),
        Command::Append(append) => append.run(output).await,
        Command::Read(read) => read.run(output).await,
        Command::Subscribe(subscribe) => subscribe.run(output).await,
        Command::Ledgers(ledgers) => ledgers.run(output).await,
        Command::Views(views) => views.run(output).await,
        Command::View(view) => view.run(output).await,
        Command::Run(command) => command.run(output).await,
        Command::Rebuild(rebuild) => rebuild.run(output).await,
        Command::Stream(stream) => stream.run(output).await,
        Command::Token(token) => token.run(output).await,
        Command::Compact(compact) => compact.run(output).await,
        Command::Group(group) => group.run(output),
        Command::Verify(verify) => verify.run(output).await,
        Command::Backup(backup) => backup.run(output).await,
        Command::Restore(restore) => restore.run(output).await,
        Command::Repair(repair) => repair.run(output).await,
        Command::Inspect(inspect) => inspect.run(output).await,
        Command::Completions(completions) => completions.run(output),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Runtime::new().map_err(|error| {
        let what = format!("can't start the threads that are needed: {error}");
        Failure::new(Exit::Unavailable, what, "raise the limits of processes and memory")
    })
}

/// A panic: its message stands above.
fn a_mistake_of_ours() -> Failure {
    let hint = "please report it with what stands above; what was acknowledged is safe";
    Failure::new(Exit::Unexpected, "this program has a mistake", hint)
}

/// Help, the version, and what clap finds wrong with the command line.
fn usage(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args().any(|arg| arg == "--json" || arg == "--jsonl");
    if !error.use_stderr() || !wants_json {
        // The reader may have gone (`factum --help | head -1`).
        let _ = error.print();
        return ExitCode::from(if error.use_stderr() { Exit::Invalid } else { Exit::Ok } as u8);
    }
    let text = error.to_string();
    let what = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    Failure::invalid(what, "factum help COMMAND").say(true);
    ExitCode::from(Exit::Invalid as u8)
}
