//! `factum append`: records events, from the command line or from JSON lines on stdin, as one batch
//! (G1) with its conditions (G4) and its key (G5).

use std::{
    io::{self, IsTerminal},
    str::FromStr,
};

use clap::Args;
use factum::store::{
    Append as Batch, AppendError, Condition, EventType, ExpectedRevision, Limits, NewEvent,
    Position, Query, QueryItem, Receipt, Revision, StreamName, Tag,
};
use serde::Serialize;

use crate::{
    args::Place,
    failure::Failure,
    input::{Lines, not_factums_own, parse_payload},
    open,
    output::{Output, count},
};

/// Record events: one from the options, or one for each JSON line on stdin; all or none.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum append --type note.taken --data '{\"text\":\"hello\"}' --tag note:1
  factum append --type order.placed --stream order-W123 --expect-revision none --key req-42
  factum append < events.jsonl

A line on stdin has \"type\", and may have \"data\", \"tags\", \"stream\", \"id\", \"metadata\", \"schema\",
\"actor\", \"correlation_id\", \"causation_ids\" and \"trace\":
  {\"type\":\"note.taken\",\"data\":{\"text\":\"hello\"},\"tags\":[\"note:1\"]}

Only if nobody else has placed the order since position 17:
  factum append --type order.placed --tag order:W123 \\
    --no-match '{\"types\":[\"order.placed\"],\"tags\":[\"order:W123\"]}' --no-match-after 17")]
pub(crate) struct Append {
    #[command(flatten)]
    place: Place,
    /// The event's type; without it, events are read from stdin.
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<EventType>,
    /// The event's data, as JSON [default: {}].
    #[arg(long, value_name = "JSON", requires = "event_type")]
    data: Option<String>,
    /// A label; repeat it for more. Events from stdin get it too.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<Tag>,
    /// The stream that the event joins. Events from stdin join it unless they name another.
    #[arg(long, value_name = "STREAM")]
    stream: Option<StreamName>,
    /// Makes a retry safe: the same key and content give the first receipt again.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only if the stream is so: any, none (has no event), exists, or the revision of its last event.
    #[arg(long, value_name = "any|none|exists|N", requires = "stream", value_parser = revision)]
    expect_revision: Option<ExpectedRevision>,
    /// Only if no event matches this query: {"types":[…],"tags":[…]} or {"items":[…]}.
    #[arg(long, value_name = "JSON", value_parser = query)]
    no_match: Option<Query>,
    /// Only events after this position count for --no-match.
    #[arg(long, value_name = "POSITION", default_value_t = 0, requires = "no_match")]
    no_match_after: u64,
}

impl Append {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        // Everything that can be wrong with the input is found before the directory is touched.
        let (batch, lines) = self.batch()?;
        let store = open::store(&self.place.dir)?;
        let ledger = open::ledger_to_write(&store, &self.place.ledger)?;
        let receipt = ledger.append(batch).await.map_err(|error| match (error, &lines) {
            (AppendError::Invalid(field), Some(lines)) => lines.named(&field),
            (error, _) => open::append_failure(error),
        })?;
        show(&receipt, output)
    }

    fn batch(&self) -> Result<(Batch, Option<Lines>), Failure> {
        let (events, lines) = match &self.event_type {
            Some(event_type) => (vec![self.typed(event_type.clone())?], None),
            None => {
                let mut lines = self.piped()?;
                (std::mem::take(&mut lines.events), Some(lines))
            }
        };
        let mut batch = Batch::new(events);
        if let (Some(stream), Some(expected)) = (&self.stream, self.expect_revision) {
            batch = batch.when(Condition::Revision { stream: stream.clone(), expected });
        }
        if let Some(query) = &self.no_match {
            let after = Position(self.no_match_after);
            batch = batch.when(Condition::NoMatch { query: query.clone(), after });
        }
        if let Some(key) = &self.key {
            let key = factum::append_key("", key, &batch);
            batch = batch.keyed(key);
        }
        Ok((batch, lines))
    }

    fn typed(&self, event_type: EventType) -> Result<NewEvent, Failure> {
        let data = self.data.as_deref().unwrap_or("{}");
        let checked = not_factums_own(&event_type).and_then(|()| parse_payload(data));
        checked.map_err(|invalid| {
            let hint = "factum append --type note.taken --data '{\"text\":\"hello\"}'";
            Failure::invalid(format!("--{invalid}"), hint)
        })?;
        let event = NewEvent::new(event_type, data.trim().to_owned().into_bytes());
        let event = event.tagged(self.tags.iter().cloned());
        Ok(match &self.stream {
            Some(stream) => event.in_stream(stream.clone()),
            None => event,
        })
    }

    fn piped(&self) -> Result<Lines, Failure> {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            return Err(Failure::invalid(
                "there is nothing to append: neither --type nor lines on stdin",
                "factum append --type note.taken --data '{\"text\":\"hello\"}'",
            ));
        }
        let mut lines = Lines::read(stdin.lock(), &Limits::default())?;
        for event in &mut lines.events {
            event.stream = event.stream.take().or_else(|| self.stream.clone());
            event.tags.extend(self.tags.iter().cloned());
            event.tags.sort_unstable();
            event.tags.dedup();
        }
        Ok(lines)
    }
}

fn show(receipt: &Receipt, output: &mut Output) -> Result<(), Failure> {
    let Receipt { first, last, ids, replayed, .. } = receipt;
    if output.for_people() {
        let events = count(ids.len() as u64, "event");
        let place = match first == last {
            true => format!("at position {first}"),
            false => format!("at positions {first} to {last}"),
        };
        let lead = if *replayed { "this key was answered before: it recorded" } else { "recorded" };
        return Ok(output.line(format!("{lead} {events} {place}"))?);
    }
    let receipt = factum_server::json::receipt(receipt);
    Ok(output.json(&Appended { receipt, replayed: *replayed })?)
}

/// The same as over HTTP.
#[derive(Serialize)]
struct Appended<R> {
    receipt: R,
    /// Whether this answers a retry.
    replayed: bool,
}

fn revision(text: &str) -> Result<ExpectedRevision, String> {
    match text {
        "any" => Ok(ExpectedRevision::Any),
        "none" => Ok(ExpectedRevision::None),
        "exists" => Ok(ExpectedRevision::Exists),
        number => u64::from_str(number)
            .map(|revision| ExpectedRevision::Exactly(Revision(revision)))
            .map_err(|_| "is none of any, none, exists, or a revision (0, 1, 2 …)".to_owned()),
    }
}

/// A whole query, or one item of it.
fn query(text: &str) -> Result<Query, String> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|e| format!("is not JSON: {e}"))?;
    if value.get("items").is_some() {
        return serde_json::from_value(value).map_err(|e| format!("is not a query: {e}"));
    }
    let item: Result<QueryItem, _> = serde_json::from_value(value);
    item.map(Query::from).map_err(|e| format!("is not an item of a query: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_one_item_or_several() {
        let item = query(r#"{"types":["a"],"tags":["b:c"]}"#).expect("an item");
        let whole = query(r#"{"items":[{"types":["a"],"tags":["b:c"]}]}"#).expect("a query");
        assert_eq!(item, whole);
        assert!(query(r#"{"type":"a"}"#).is_err_and(|e| e.contains("unknown field `type`")));
        assert!(query("order").is_err_and(|e| e.contains("not JSON")));
    }

    #[test]
    fn an_expected_revision_is_a_word_or_a_number() {
        assert_eq!(revision("none"), Ok(ExpectedRevision::None));
        assert_eq!(revision("7"), Ok(ExpectedRevision::Exactly(Revision(7))));
        assert!(revision("-1").is_err());
    }
}
