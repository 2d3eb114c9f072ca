//! Parked events: which, and what is to become of them.

use clap::Args;
use serde_json::{Value, json};

use super::{Named, number, text};
use crate::{
    failure::Failure,
    output::{Output, count},
};

#[derive(Args, Debug)]
pub(super) struct List {
    #[command(flatten)]
    named: Named,
    /// Only events after this position.
    #[arg(long, default_value_t = 0, value_name = "N")]
    after: u64,
    /// At most this many.
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: u64,
}

#[derive(Args, Debug)]
pub(super) struct Decide {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    pick: Pick,
}

/// Which of the parked events.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Pick {
    /// The one at this position.
    #[arg(long, value_name = "N")]
    position: Option<u64>,
    /// Those with this key: a stream's name, or a whole tag such as order:W1.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// All of them.
    #[arg(long)]
    all: bool,
}

impl List {
    pub(super) fn run(self, output: &mut Output) -> Result<(), Failure> {
        let (after, limit) = (self.after, self.limit);
        let answer = self.named.get(&format!("/parked?after={after}&limit={limit}"))?;
        if !output.for_people() {
            return Ok(output.json(&answer)?);
        }
        let rows = answer["parked"].as_array().into_iter().flatten().map(|parked| {
            let keys = parked["keys"].as_array().into_iter().flatten().filter_map(Value::as_str);
            [
                number(parked, "position"),
                text(parked, "type"),
                keys.collect::<Vec<_>>().join(" "),
                number(parked, "attempts"),
                text(parked, "since"),
                text(parked, "error"),
            ]
        });
        output.table(["position", "type", "keys", "attempts", "since", "error"], rows)?;
        if let Some(after) = answer["next"]["after"].as_u64() {
            output.note(format!("there are more: --after {after}"))?;
        }
        Ok(())
    }
}

impl Decide {
    pub(super) fn run(self, verb: &str, done: &str, output: &mut Output) -> Result<(), Failure> {
        let body = match self.pick {
            Pick { position: Some(position), .. } => json!({ "position": position }),
            Pick { key: Some(key), .. } => json!({ "key": key }),
            Pick { .. } => json!({ "all": true }),
        };
        let answer = self.named.post(&format!("/{verb}"), body)?;
        if !output.for_people() {
            return Ok(output.json(&answer)?);
        }
        let how_many = answer[done].as_u64().unwrap_or_default();
        Ok(output.line(format!("{} {done}", count(how_many, "event")))?)
    }
}
