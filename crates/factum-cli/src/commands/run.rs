//! `factum run`: runs a command of an application by name, from JSON, once for each key (G5).

use std::io::Read;

use clap::Args;
use factum::{DeciderModel, Outcome};
use serde_json::json;

use crate::{
    args::{Application, Place},
    failure::{Exit, Failure},
    open,
    output::{Output, count},
};

/// The most bytes of input that are read from stdin.
const INPUT_BYTES_MAX: u64 = 16 << 20;

/// Run a command of an application; without a name, list its commands.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum run --dir retail-demo --ledger retail        lists the commands
  factum run cancel_pending_order --dir retail-demo --ledger retail --key req-42 \\
    --input '{\"order_id\":\"#W5199551\",\"reason\":\"no longer needed\"}'
  factum run cancel_pending_order --ledger retail --input - < command.json")]
pub(crate) struct Run {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    application: Application,
    /// The command's name.
    #[arg(value_name = "COMMAND")]
    name: Option<String>,
    /// The command's fields, as JSON; `-` reads them from stdin.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    input: String,
    /// Makes a retry safe: the same key and the same command have one outcome.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Who asks.
    #[arg(long, value_name = "NAME")]
    actor: Option<String>,
}

impl Run {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        let Some(name) = &self.name else {
            let domain = open::application(&self.place, &self.application)?;
            return list(domain.commands().map(|decider| decider.model()), output);
        };
        let input = self.read_input()?;
        let app = open::app(&self.place, &self.application).await?;
        let mut command = app.command(name, input.as_bytes());
        if let Some(key) = &self.key {
            command = command.key(key);
        }
        if let Some(actor) = &self.actor {
            command = command.actor(actor);
        }
        let outcome = command.await;
        app.close().await;
        show(name, &outcome.map_err(open::failure)?, output)
    }

    fn read_input(&self) -> Result<String, Failure> {
        if self.input != "-" {
            return Ok(self.input.clone());
        }
        let mut text = String::new();
        let mut stdin = std::io::stdin().lock().take(INPUT_BYTES_MAX + 1);
        let hint = "give one JSON object";
        let read = stdin.read_to_string(&mut text);
        let read = read.map_err(|e| Failure::invalid(format!("can't read stdin: {e}"), hint))?;
        if read as u64 > INPUT_BYTES_MAX {
            let what = format!("the input has more than {INPUT_BYTES_MAX} bytes");
            return Err(Failure::invalid(what, hint));
        }
        Ok(text)
    }
}

fn list<'a>(
    models: impl Iterator<Item = &'a DeciderModel>,
    output: &mut Output,
) -> Result<(), Failure> {
    let models = models.map(|model| {
        let fields = model.command.fields.iter().map(|field| field.name).collect::<Vec<_>>();
        (model.command.name, fields)
    });
    if !output.for_people() {
        let commands = models.map(|(name, fields)| json!({ "name": name, "fields": fields }));
        return Ok(output.json(&json!({ "commands": commands.collect::<Vec<_>>() }))?);
    }
    let rows = models.map(|(name, fields)| [name.to_owned(), fields.join(", ")]);
    Ok(output.table(["command", "fields"], rows)?)
}

fn show(name: &str, outcome: &Outcome, output: &mut Output) -> Result<(), Failure> {
    let Outcome { refusal, receipt, position, events, replayed } = outcome;
    if let Some(refused) = refusal {
        let what = format!("{name} was refused: {}", refused.message);
        let hint = "change what the rule is about, or the command; the refusal is on record";
        let detail = json!({ "reason": refused.code, "data": refused.data, "replayed": replayed });
        return Err(Failure::new(Exit::Refused, what, hint).with(detail));
    }
    if !output.for_people() {
        let receipt = receipt.as_ref().map(factum_server::json::receipt);
        return Ok(output.json(&json!({
            "outcome": "accepted", "events": events, "position": position, "replayed": replayed,
            "receipt": receipt,
        }))?);
    }
    let again = if *replayed { " (by an earlier request with this key)" } else { "" };
    let events = count(*events, "event");
    Ok(output.line(format!("accepted{again}: {events}, up to position {position}"))?)
}
