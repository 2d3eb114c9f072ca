//! What consumers ask: events, and what became of them.

use clap::Args;
use serde_json::{Value, json};

use super::{Named, number, text};
use crate::{
    failure::Failure,
    output::{Output, count},
};

#[derive(Args, Debug)]
pub(super) struct Next {
    #[command(flatten)]
    named: Named,
    /// Who asks, for people who look at the group.
    #[arg(long, default_value = "factum-cli", value_name = "NAME")]
    consumer: String,
    /// At most this many.
    #[arg(long, default_value_t = 1, value_name = "N")]
    max: u64,
    /// How many seconds to wait when there are none, up to 30.
    #[arg(long, default_value_t = 0, value_name = "SECONDS")]
    wait: u64,
}

#[derive(Args, Debug)]
pub(super) struct Answer {
    #[command(flatten)]
    named: Named,
    /// The deliveries, as `next` named them.
    #[arg(value_name = "DELIVERY", required = true)]
    deliveries: Vec<String>,
}

#[derive(Args, Debug)]
pub(super) struct Nack {
    #[command(flatten)]
    answer: Answer,
    /// Why.
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
    /// Deliver again after so many seconds, instead of the group's back-off; 0 is now.
    #[arg(long, value_name = "SECONDS")]
    after: Option<u64>,
}

#[derive(Args, Debug)]
pub(super) struct Park {
    #[command(flatten)]
    answer: Answer,
    /// Why.
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
}

impl Next {
    pub(super) fn run(self, output: &mut Output) -> Result<(), Failure> {
        let wait_ms = self.wait.saturating_mul(1_000);
        let body = json!({ "consumer": self.consumer, "max": self.max, "wait_ms": wait_ms });
        let answer = self.named.post("/next", body)?;
        if !output.for_people() {
            return Ok(output.json(&answer)?);
        }
        let deliveries = answer["deliveries"].as_array().map(Vec::as_slice).unwrap_or_default();
        if deliveries.is_empty() {
            return Ok(output
                .note(format!("there is nothing; the group is {}", text(&answer, "state")))?);
        }
        let rows = deliveries.iter().map(|delivery| {
            let event = &delivery["event"];
            [
                text(delivery, "event"),
                number(delivery, "attempt"),
                number(event, "position"),
                text(event, "type"),
                event["data"].to_string(),
            ]
        });
        Ok(output.table(["delivery", "attempt", "position", "type", "data"], rows)?)
    }
}

impl Answer {
    pub(super) fn ack(&self, output: &mut Output) -> Result<(), Failure> {
        let answer = self.named.post("/ack", json!({ "deliveries": self.deliveries }))?;
        let acked = answer["acked"].as_u64().unwrap_or_default();
        said(&answer, format!("{} acknowledged", count(acked, "event")), output)
    }

    pub(super) fn extend(&self, output: &mut Output) -> Result<(), Failure> {
        let answer = self.named.post("/extend", json!({ "deliveries": self.deliveries }))?;
        said(&answer, format!("{} extended", length(&answer["extended"])), output)
    }

    fn nack(&self, mut body: Value, what: &str, output: &mut Output) -> Result<(), Failure> {
        body["deliveries"] = self.deliveries.clone().into();
        let answer = self.named.post("/nack", body)?;
        said(&answer, format!("{} {what}", length(&answer["nacked"])), output)
    }
}

impl Nack {
    pub(super) fn run(self, output: &mut Output) -> Result<(), Failure> {
        let mut body = json!({ "reason": self.reason });
        if let Some(after) = self.after {
            body["after_ms"] = after.saturating_mul(1_000).into();
        }
        self.answer.nack(body, "to be delivered again or parked", output)
    }
}

impl Park {
    pub(super) fn run(self, output: &mut Output) -> Result<(), Failure> {
        let body = json!({ "reason": self.reason, "then": "park" });
        self.answer.nack(body, "parked", output)
    }
}

fn length(list: &Value) -> String {
    count(list.as_array().map_or(0, Vec::len) as u64, "event")
}

/// Those that could not be answered are said, and make the command fail.
fn said(answer: &Value, what: String, output: &mut Output) -> Result<(), Failure> {
    match output.for_people() {
        true => output.line(what)?,
        false => output.json(answer)?,
    }
    let lost: Vec<_> = answer["lost"].as_array().into_iter().flatten().collect();
    if lost.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = lost.iter().filter_map(|lost| lost.as_str()).collect();
    let what = format!("could not be answered any more: {}", names.join(", "));
    let hint = "they were answered, or delivered again after their deadline; factum group next";
    Err(Failure::not_found(what, hint))
}
