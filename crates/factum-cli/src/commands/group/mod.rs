//! `factum group`: the consumer groups of a running server.

mod consume;
mod manage;
mod parked;

use clap::{Args, Subcommand};
use serde_json::Value;

use crate::{failure::Failure, output::Output, remote::Remote};

/// Make, look at, steer and consume the consumer groups of a running server.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum group create mail --type order.placed --order tag:order
  factum group list
  factum group show mail --json
  factum group next mail --max 10 --wait 20
  factum group ack mail 5f3a-1c 5f3a-1d
  factum group nack mail 5f3a-1e --reason 'the mail server is down' --after 60
  factum group park mail 5f3a-1f --reason 'no such address'
  factum group parked mail
  factum group requeue mail --key order:W1
  factum group skip mail --position 17
  factum group pause mail
  factum group reset mail --to start

The server is http://127.0.0.1:2113, or what --url or FACTUM_URL says; the token is FACTUM_TOKEN.")]
pub(crate) struct Group {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make a group.
    Create(manage::Create),
    /// List the groups of a ledger, and how they stand.
    List(manage::List),
    /// Show a group, and how it stands.
    Show(Named),
    /// Change how fast, how often and how much a group delivers.
    Set(manage::Set),
    /// Deliver nothing more.
    Pause(Named),
    /// Deliver again.
    Resume(Named),
    /// Forget everything, what is parked too, and begin anew somewhere.
    Reset(manage::Reset),
    /// End a group.
    Delete(Named),
    /// Get the next events, each with the delivery to answer with.
    Next(consume::Next),
    /// Say that deliveries were handled.
    Ack(consume::Answer),
    /// Say that deliveries could not be handled, and are to come again.
    Nack(consume::Nack),
    /// Park deliveries: their events come no more until somebody requeues or skips them.
    Park(consume::Park),
    /// Say that deliveries take longer.
    Extend(consume::Answer),
    /// List the parked events.
    Parked(parked::List),
    /// Deliver parked events again.
    Requeue(parked::Decide),
    /// Give parked events up; those behind them go on.
    Skip(parked::Decide),
}

/// Which group.
#[derive(Args, Clone, Debug)]
struct Named {
    /// The group.
    #[arg(value_name = "GROUP")]
    group: String,
    #[command(flatten)]
    place: Place,
}

/// Whose groups.
#[derive(Args, Clone, Debug)]
struct Place {
    /// The ledger.
    #[arg(long, default_value = "default", value_name = "NAME")]
    ledger: String,
    #[command(flatten)]
    remote: Remote,
}

impl Group {
    pub(crate) fn run(self, output: &mut Output) -> Result<(), Failure> {
        match self.action {
            Action::Create(create) => create.run(output),
            Action::List(list) => list.run(output),
            Action::Show(named) => manage::show(&named.get("")?, output),
            Action::Set(set) => set.run(output),
            Action::Pause(named) => manage::show(&named.post("/pause", nothing())?, output),
            Action::Resume(named) => manage::show(&named.post("/resume", nothing())?, output),
            Action::Reset(reset) => reset.run(output),
            Action::Delete(named) => manage::delete(&named, output),
            Action::Next(next) => next.run(output),
            Action::Ack(answer) => answer.ack(output),
            Action::Nack(nack) => nack.run(output),
            Action::Park(park) => park.run(output),
            Action::Extend(answer) => answer.extend(output),
            Action::Parked(list) => list.run(output),
            Action::Requeue(decide) => decide.run("requeue", "requeued", output),
            Action::Skip(decide) => decide.run("skip", "skipped", output),
        }
    }
}

impl Place {
    fn path(&self) -> String {
        format!("/v1/ledgers/{}/groups", part(&self.ledger))
    }
}

impl Named {
    fn get(&self, rest: &str) -> Result<Value, Failure> {
        self.place.remote.get(&format!("{}{rest}", self.path()))
    }

    fn post(&self, rest: &str, body: Value) -> Result<Value, Failure> {
        self.place.remote.post(&format!("{}{rest}", self.path()), &body)
    }

    fn path(&self) -> String {
        format!("{}/{}", self.place.path(), part(&self.group))
    }
}

fn nothing() -> Value {
    serde_json::json!({})
}

/// A part of a path. Names have only what needs no encoding; what has more is a name of nothing.
fn part(name: &str) -> String {
    let byte = |b: u8| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    };
    name.bytes().map(byte).collect()
}

/// A number of an answer, for people.
fn number(document: &Value, field: &str) -> String {
    document[field].as_u64().map_or_else(|| "-".to_owned(), crate::output::grouped)
}

/// A text of an answer, for people.
fn text(document: &Value, field: &str) -> String {
    document[field].as_str().unwrap_or("-").to_owned()
}
