//! Making groups, looking at them, and steering them.

use clap::Args;
use serde_json::{Map, Value, json};

use super::{Named, Place, nothing, number, text};
use crate::{failure::Failure, filter::Filter, output::Output};

#[derive(Args, Debug)]
pub(super) struct Create {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    filter: Filter,
    /// Events that may not overtake each other: none, those of a `stream`, or those that share a
    /// tag of a kind, as in tag:order.
    #[arg(long, default_value = "none", value_name = "ORDER")]
    order: String,
    /// Begin with the first event (start), with what is recorded from now on (now), or after a
    /// position.
    #[arg(long, default_value = "start", value_name = "start|now|N")]
    from: String,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args, Debug)]
pub(super) struct List {
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
pub(super) struct Set {
    #[command(flatten)]
    named: Named,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Args, Debug)]
pub(super) struct Reset {
    #[command(flatten)]
    named: Named,
    /// Where to begin anew: start, now, or after a position.
    #[arg(long, value_name = "start|now|N")]
    to: String,
}

/// How fast, how often and how much. What is not named stays as it is.
#[derive(Args, Debug)]
struct Settings {
    /// How long a consumer has for an event before it is delivered again [new groups: 30000].
    #[arg(long, value_name = "MS")]
    ack_deadline_ms: Option<u64>,
    /// Deliveries after which an event is parked [new groups: 10].
    #[arg(long, value_name = "N")]
    attempts_max: Option<u64>,
    /// The wait before the second delivery; it doubles with each further one [new groups: 1000].
    #[arg(long, value_name = "MS")]
    backoff_initial_ms: Option<u64>,
    /// The longest wait between two deliveries [new groups: 300000].
    #[arg(long, value_name = "MS")]
    backoff_max_ms: Option<u64>,
    /// Events in flight at a time [new groups: 256].
    #[arg(long, value_name = "N")]
    in_flight_max: Option<u64>,
    /// Events in flight at a time with one consumer [new groups: 64].
    #[arg(long, value_name = "N")]
    in_flight_per_consumer_max: Option<u64>,
    /// Parked events at which the group stops [new groups: 1000].
    #[arg(long, value_name = "N")]
    parked_max: Option<u64>,
    /// Events waiting behind parked ones at which the group stops [new groups: 10000].
    #[arg(long, value_name = "N")]
    held_max: Option<u64>,
}

impl Create {
    pub(super) fn run(self, output: &mut Output) -> Result<(), Failure> {
        let body = json!({
            "name": self.named.group,
            "query": { "items": self.filter.query().items },
            "order": self.order,
            "from": beginning(&self.from)?,
            "settings": self.settings.named(),
        });
        let place = &self.named.place;
        show(&place.remote.post(&place.path(), &body)?, output)
    }
}

impl List {
    pub(super) fn run(self, output: &mut Output) -> Result<(), Failure> {
        let answer = self.place.remote.get(&self.place.path())?;
        if !output.for_people() {
            return Ok(output.json(&answer)?);
        }
        let rows = answer["groups"].as_array().into_iter().flatten().map(|group| {
            let numbers = ["position", "lag_events", "in_flight", "retrying", "parked", "held"];
            let [position, lag, in_flight, retrying, parked, held] =
                numbers.map(|field| number(group, field));
            [
                text(group, "name"),
                text(group, "state"),
                position,
                lag,
                in_flight,
                retrying,
                parked,
                held,
            ]
        });
        let headings = [
            "group",
            "state",
            "position",
            "events behind",
            "in flight",
            "retrying",
            "parked",
            "held",
        ];
        Ok(output.table(headings, rows)?)
    }
}

impl Set {
    pub(super) fn run(self, output: &mut Output) -> Result<(), Failure> {
        let settings = self.settings.named();
        if settings.is_empty() {
            let what = "nothing is to be changed";
            return Err(Failure::invalid(what, "factum group set GROUP --attempts-max 5"));
        }
        show(&self.named.post("/settings", Value::Object(settings))?, output)
    }
}

impl Reset {
    pub(super) fn run(self, output: &mut Output) -> Result<(), Failure> {
        show(&self.named.post("/reset", json!({ "to": beginning(&self.to)? }))?, output)
    }
}

impl Settings {
    fn named(&self) -> Map<String, Value> {
        let fields = [
            ("ack_deadline_ms", self.ack_deadline_ms),
            ("attempts_max", self.attempts_max),
            ("backoff_initial_ms", self.backoff_initial_ms),
            ("backoff_max_ms", self.backoff_max_ms),
            ("in_flight_max", self.in_flight_max),
            ("in_flight_per_consumer_max", self.in_flight_per_consumer_max),
            ("parked_max", self.parked_max),
            ("held_max", self.held_max),
        ];
        let named =
            fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
        named.collect()
    }
}

pub(super) fn delete(named: &Named, output: &mut Output) -> Result<(), Failure> {
    let answer = named.post("/delete", nothing())?;
    match output.for_people() {
        true => Ok(output.line(format!("{} is no more", named.group))?),
        false => Ok(output.json(&answer)?),
    }
}

/// A group, as it stands.
pub(super) fn show(group: &Value, output: &mut Output) -> Result<(), Failure> {
    if !output.for_people() {
        return Ok(output.json(group)?);
    }
    let mut rows =
        vec![["group".to_owned(), text(group, "name")], ["state".to_owned(), text(group, "state")]];
    if group["problem"].is_string() {
        rows.push(["problem".to_owned(), text(group, "problem")]);
    }
    rows.push(["query".to_owned(), group["query"]["items"].to_string()]);
    rows.push(["order".to_owned(), text(group, "order")]);
    for (field, name) in [
        ("position", "position"),
        ("lag_events", "events behind"),
        ("in_flight", "in flight"),
        ("ready", "ready"),
        ("behind", "waiting for their key"),
        ("retrying", "waiting for a retry"),
        ("parked", "parked"),
        ("held", "behind parked ones"),
        ("acked", "acknowledged"),
        ("skipped", "skipped"),
        ("gone", "dropped by retention"),
    ] {
        rows.push([name.to_owned(), number(group, field)]);
    }
    for consumer in group["consumers"].as_array().into_iter().flatten() {
        let has = format!("{} in flight", number(consumer, "in_flight"));
        rows.push([format!("consumer {}", text(consumer, "name")), has]);
    }
    Ok(output.table(["", ""], rows)?)
}

/// `start`, `now`, or a position.
fn beginning(text: &str) -> Result<Value, Failure> {
    match (text, text.parse::<u64>()) {
        ("start" | "now", _) => Ok(text.into()),
        (_, Ok(position)) => Ok(position.into()),
        (_, Err(_)) => {
            let what = format!("{text:?} is neither start, nor now, nor a position");
            Err(Failure::invalid(what, "start, now, or a number such as 17"))
        }
    }
}
