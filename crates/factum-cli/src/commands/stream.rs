//! `factum stream`: what a stream is and what is kept of it; truncating, deleting and ending it.

use std::sync::Arc;

use clap::{Args, Subcommand};
use factum::store::{
    Append, Invalid, Ledger, Receipt, Retention, Revision, StreamInfo, StreamMetadata, StreamName,
};
use serde_json::json;

use crate::{
    args::Place,
    failure::Failure,
    input::parse_payload,
    open,
    output::{Output, count, grouped},
};

/// Show what a stream is and what is kept of it; limit, truncate, delete or end it.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum stream show order-W123
  factum stream set session-9 --max-count 1000 --max-age 30d
  factum stream truncate session-9 --before 500
  factum stream delete order-W123
  factum stream tombstone order-W123 --for-ever

What is hidden is hidden at once from who reads the stream. Who reads by type or tag, or everything,
finds it until factum compact has dropped it.")]
pub(crate) struct Stream {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// What the stream is: its last revision, its state, its metadata.
    Show(Named),
    /// Say how much of the stream is kept. What is not named here stays as it is.
    Set(Set),
    /// Hide every event before a revision.
    Truncate(Truncate),
    /// Hide every event; the stream can be written again and goes on with the next revision.
    Delete(Named),
    /// End the stream: every event is hidden, and none is ever appended again.
    Tombstone(Tombstone),
}

#[derive(Args, Debug)]
struct Named {
    /// The stream.
    #[arg(value_name = "STREAM")]
    stream: StreamName,
    #[command(flatten)]
    place: Place,
}

#[derive(Args, Debug)]
struct Set {
    #[command(flatten)]
    named: Named,
    /// Keep only so many of the last events; none: as many as there are.
    #[arg(long, value_name = "N|none", value_parser = limit)]
    max_count: Option<Limit>,
    /// Keep only events younger than this: 3600 (seconds), 90m, 12h, 30d; none: however old.
    #[arg(long, value_name = "AGE|none", value_parser = age)]
    max_age: Option<Limit>,
    /// Keep only events from this revision on; none: all.
    #[arg(long, value_name = "N|none", value_parser = limit_from_zero)]
    truncate_before: Option<Limit>,
    /// What else is to be known of the stream, as JSON.
    #[arg(long, value_name = "JSON")]
    data: Option<String>,
}

#[derive(Args, Debug)]
struct Truncate {
    #[command(flatten)]
    named: Named,
    /// The first revision that stays visible.
    #[arg(long, value_name = "N")]
    before: u64,
}

#[derive(Args, Debug)]
struct Tombstone {
    #[command(flatten)]
    named: Named,
    /// That this can't be undone is understood.
    #[arg(long, required = true)]
    for_ever: bool,
}

/// A number, or that there is to be none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Limit(Option<u64>);

impl Stream {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        match self.action {
            Action::Show(named) => {
                let store = open::store_to_read(&named.place.dir)?;
                let ledger = open::ledger(&store, &named.place.ledger)?;
                show(&info(&ledger, &named.stream).await?, output)
            }
            Action::Set(set) => {
                set.check()?;
                let said = |info: &StreamInfo| info.set(&set.applied(&info.metadata));
                change(&set.named, output, "set", said).await
            }
            Action::Truncate(Truncate { named, before }) => {
                let truncated = |info: &StreamInfo| info.truncate(Revision(before));
                change(&named, output, "truncated", truncated).await
            }
            Action::Delete(named) => change(&named, output, "deleted", StreamInfo::delete).await,
            Action::Tombstone(Tombstone { named, .. }) => {
                let ended = |info: &StreamInfo| Ok(info.tombstone());
                change(&named, output, "ended for ever", ended).await
            }
        }
    }
}

async fn info(ledger: &Arc<dyn Ledger>, stream: &StreamName) -> Result<StreamInfo, Failure> {
    ledger.stream(stream.clone()).await.map_err(open::read_failure)
}

/// Looks the stream up, and appends what changes it, unless it has changed meanwhile.
async fn change(
    named: &Named,
    output: &mut Output,
    done: &str,
    append: impl FnOnce(&StreamInfo) -> Result<Append, Invalid>,
) -> Result<(), Failure> {
    let Named { stream, place } = named;
    open::store_as_it_is(&place.dir)?;
    let store = open::store(&place.dir)?;
    let ledger = open::ledger(&store, &place.ledger)?;
    let append = append(&info(&ledger, stream).await?);
    let append = append.map_err(|invalid| {
        Failure::invalid(format!("stream {stream} {}", invalid.problem), "another stream")
    })?;
    let receipt = ledger.append(append).await.map_err(open::append_failure)?;
    if output.for_people() {
        let Receipt { first, .. } = receipt;
        return Ok(output.line(format!("stream {stream} is {done}, at position {first}"))?);
    }
    let now = info(&ledger, stream).await?;
    let receipt = factum_server::json::receipt(&receipt);
    Ok(output.json(&json!({ "receipt": receipt, "stream": factum_server::json::stream(&now) }))?)
}

impl Set {
    fn check(&self) -> Result<(), Failure> {
        let hint = "factum stream set session-9 --max-count 1000 --max-age 30d";
        let Self { max_count, max_age, truncate_before, data, .. } = self;
        if [max_count, max_age, truncate_before].iter().all(|said| said.is_none()) && data.is_none()
        {
            return Err(Failure::invalid("there is nothing to set", hint));
        }
        let checked = data.as_deref().map_or(Ok(()), parse_payload);
        checked.map_err(|invalid| Failure::invalid(format!("--{invalid}"), hint))
    }

    /// The metadata with what is set.
    fn applied(&self, now: &StreamMetadata) -> StreamMetadata {
        let mut said = now.clone();
        let Retention { truncate_before, max_count, max_age_seconds, .. } = &mut said.retention;
        if let Some(Limit(limit)) = self.max_count {
            *max_count = limit;
        }
        if let Some(Limit(limit)) = self.max_age {
            *max_age_seconds = limit;
        }
        if let Some(Limit(limit)) = self.truncate_before {
            *truncate_before = limit.map(Revision);
        }
        // Deleted means hidden up to a revision: without one it is not deleted.
        said.retention.deleted &= said.retention.truncate_before.is_some();
        if let Some(data) = &self.data {
            said.data = data.trim().to_owned().into_bytes().into();
        }
        said
    }
}

fn show(info: &StreamInfo, output: &mut Output) -> Result<(), Failure> {
    if !output.for_people() {
        return Ok(output.json(&factum_server::json::stream(info))?);
    }
    output.line(format!("stream {}: {}", info.stream, info.state().name().replace('_', " ")))?;
    if let Some(last) = info.last {
        output.line(format!("  last revision  {}", grouped(last.0)))?;
    }
    let Retention { truncate_before, max_count, max_age_seconds, .. } = info.metadata.retention;
    if let Some(before) = truncate_before {
        output.line(format!("  kept           from revision {}", grouped(before.0)))?;
    }
    if let Some(most) = max_count {
        output.line(format!("  kept           the last {}", count(most, "event")))?;
    }
    if let Some(age) = max_age_seconds {
        output.line(format!("  kept           for {}", count(age, "second")))?;
    }
    if !info.metadata.data.is_empty() {
        let data = String::from_utf8_lossy(&info.metadata.data);
        output.line(format!("  metadata       {}", crate::event::shortened(&data)))?;
    }
    Ok(())
}

fn limit_from_zero(text: &str) -> Result<Limit, String> {
    match text {
        "none" => Ok(Limit(None)),
        number => number
            .parse()
            .map(|number| Limit(Some(number)))
            .map_err(|_| "is neither a whole number nor none".to_owned()),
    }
}

fn limit(text: &str) -> Result<Limit, String> {
    match limit_from_zero(text)? {
        Limit(Some(0)) => Err("is 0; the least is 1".to_owned()),
        limit => Ok(limit),
    }
}

fn age(text: &str) -> Result<Limit, String> {
    let seconds = |unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3_600),
        'd' => Some(86_400),
        _ => None,
    };
    let unit = text.chars().next_back().and_then(seconds);
    let (number, unit) = match unit.filter(|_| text != "none") {
        Some(unit) => (&text[..text.len() - 1], unit),
        None => (text, 1),
    };
    let limit = limit(number).map_err(|_| "is no age: 3600, 90m, 12h, 30d, or none".to_owned())?;
    Ok(Limit(limit.0.map(|number: u64| number.saturating_mul(unit))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_a_number_with_a_unit_or_none() {
        for (text, expected) in [
            ("3600", Some(Some(3_600))),
            ("5s", Some(Some(5))),
            ("90m", Some(Some(5_400))),
            ("12h", Some(Some(43_200))),
            ("30d", Some(Some(2_592_000))),
            ("none", Some(None)),
            ("0", None),
            ("d", None),
            ("-1d", None),
            ("1.5h", None),
            ("1w", None),
            ("", None),
        ] {
            assert_eq!(age(text).ok().map(|limit| limit.0), expected, "{text:?}");
        }
    }
}
