//! What can be typed: the subcommands and the options they share. Each subcommand's own options are
//! beside what it does, in `commands`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use factum::{
    AsOf,
    store::{Position, Timestamp},
};

use crate::{
    commands::{
        append, backup, compact, completions, config, demo, doctor, group, health, inspect,
        ledgers, read, rebuild, repair, restore, run, serve, stream, subscribe, token, verify,
        view, views,
    },
    failure::Exit,
    output::Format,
};

/// The state engine: commands go in, immutable events are kept, views come out.
#[derive(Debug, Parser)]
#[command(name = "factum", version, max_term_width = 100, after_help = help_end())]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Answer with one JSON document; errors too, on stderr.
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

fn help_end() -> String {
    let examples = "\
Examples:
  factum demo                        run an order system on real data; then ask it things
  factum serve --demo                the same over HTTP
  factum append --type note.taken --data '{\"text\":\"hello\"}'
  factum read --after 10 --jsonl

Every command has examples of its own: factum help COMMAND.";
    format!("{examples}\n\n{}", Exit::help())
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Demo),
    Serve(serve::Serve),
    Config(config::Config),
    Doctor(doctor::Doctor),
    Health(health::Health),
    Append(append::Append),
    Read(read::Read),
    Subscribe(subscribe::Subscribe),
    Ledgers(ledgers::Ledgers),
    Views(views::Views),
    View(view::View),
    Run(run::Run),
    Rebuild(rebuild::Rebuild),
    Stream(stream::Stream),
    Token(Box<token::Token>),
    Compact(compact::Compact),
    Group(Box<group::Group>),
    Verify(verify::Verify),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Repair(repair::Repair),
    Inspect(inspect::Inspect),
    Completions(completions::Completions),
}

impl Cli {
    /// How the answer is to be written.
    pub(crate) fn format(&self) -> Format {
        let lines = match &self.command {
            Command::Read(read) => read.jsonl,
            Command::View(view) => view.jsonl,
            Command::Subscribe(_) => true,
            _ => false,
        };
        match (lines, self.json) {
            (true, _) => Format::JsonLines,
            (false, true) => Format::Json,
            (false, false) => Format::People,
        }
    }
}

/// Where the ledger is.
#[derive(Args, Clone, Debug)]
pub(crate) struct Place {
    /// The data directory.
    #[arg(long, env = "FACTUM_DIR", default_value = "factum-data", value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// The ledger in it.
    #[arg(long, default_value = "default", value_name = "NAME")]
    pub(crate) ledger: String,
}

/// Whose commands and views are meant.
#[derive(Args, Clone, Debug)]
pub(crate) struct Application {
    /// The application whose commands and views are meant [default: the one named like the ledger].
    #[arg(long, value_name = "NAME")]
    pub(crate) application: Option<String>,
}

/// A moment: `1234` is a position, `2026-01-31T12:00:00Z` is a time.
pub(crate) fn moment(text: &str) -> Result<AsOf, String> {
    if let Ok(position) = text.parse() {
        return Ok(AsOf::Position(Position(position)));
    }
    let time: jiff::Timestamp = text.parse().map_err(|_| {
        "is neither a position (1234) nor an RFC 3339 time (2026-01-31T12:00:00Z)".to_owned()
    })?;
    let micros = u64::try_from(time.as_microsecond())
        .map_err(|_| "is before 1970; the ledger's clock begins there".to_owned())?;
    Ok(AsOf::Time(Timestamp::from_micros(micros)))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_moment_is_a_position_or_a_time() {
        assert_eq!(moment("17"), Ok(AsOf::Position(Position(17))));
        assert_eq!(
            moment("1970-01-01T00:00:01Z"),
            Ok(AsOf::Time(Timestamp::from_micros(1_000_000)))
        );
        assert_eq!(moment("1970-01-01T01:00:01+01:00"), moment("1970-01-01T00:00:01Z"));
        assert!(moment("yesterday").is_err_and(|e| e.contains("RFC 3339")));
        assert!(moment("-3").is_err());
    }

    #[test]
    fn a_time_is_read_as_it_is_written() {
        let time = Timestamp::from_micros(1_700_000_000_123_456);
        assert_eq!(moment(&factum_server::json::time(time)), Ok(AsOf::Time(time)));
    }
}
