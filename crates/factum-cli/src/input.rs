//! Events as somebody typed them: one JSON object a line. What is wrong is named by line and field,
//! and nothing is appended unless every line is right.

use std::{collections::BTreeMap, io::BufRead};

use factum::store::{
    ByteString, ContentType, Envelope, EventId, EventType, Invalid, Limits, NewEvent, Schema,
    StreamName, Tag,
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::failure::Failure;

const SHAPE: &str =
    r#"{"type":"note.taken","data":{"text":"hello"},"tags":["note:1"]} on each line"#;
const FIELDS: [&str; 12] = [
    "type",
    "data",
    "tags",
    "stream",
    "id",
    "metadata",
    "content_type",
    "schema",
    "actor",
    "correlation_id",
    "causation_ids",
    "trace",
];

/// The events of a text, and the line of each.
pub(crate) struct Lines {
    pub(crate) events: Vec<NewEvent>,
    lines: Vec<usize>,
}

impl Lines {
    /// Reads until the end. No more is read than one append may have.
    pub(crate) fn read(mut input: impl BufRead, limits: &Limits) -> Result<Self, Failure> {
        let mut read = Self { events: Vec::new(), lines: Vec::new() };
        let mut bytes = 0;
        // JSON can need up to six bytes for one byte of text (\u0001).
        let bytes_max = limits.batch_bytes_max.saturating_mul(6);
        let mut text = String::new();
        for number in 1.. {
            text.clear();
            let room = (bytes_max - bytes) as u64;
            let got = std::io::Read::take(&mut input, room.saturating_add(1))
                .read_line(&mut text)
                .map_err(|e| invalid(number, format!("can't be read: {e}")))?;
            bytes += got;
            if bytes > bytes_max {
                let limit = limits.batch_bytes_max;
                let what = format!("the input is too long: an append has at most {limit} bytes");
                return Err(Failure::invalid(what, "append it in several parts"));
            }
            if got == 0 {
                break;
            }
            if text.trim().is_empty() {
                continue;
            }
            if read.events.len() == limits.batch_events_max {
                let limit = limits.batch_events_max;
                let what = format!("line {number}: an append has at most {limit} events");
                return Err(Failure::invalid(what, "append them in several parts"));
            }
            read.events.push(event(&text).map_err(|e| invalid(number, e.to_string()))?);
            read.lines.push(number);
        }
        Ok(read)
    }

    /// What a ledger says of `events[2].tags`, said of the line that the event stood on.
    pub(crate) fn named(&self, invalid_field: &Invalid) -> Failure {
        let field = &invalid_field.field;
        let place = field.strip_prefix("events[").and_then(|rest| rest.split_once(']'));
        let line = place.and_then(|(index, rest)| {
            let line = self.lines.get(index.parse::<usize>().ok()?)?;
            Some((*line, rest.trim_start_matches('.')))
        });
        match line {
            Some((line, rest)) => invalid(line, format!("{rest} {}", invalid_field.problem)),
            None => Failure::invalid(invalid_field.to_string(), "factum help append"),
        }
    }
}

fn invalid(line: usize, problem: impl Into<String>) -> Failure {
    Failure::invalid(format!("line {line}: {}", problem.into()), SHAPE)
        .with(serde_json::json!({ "line": line }))
}

/// Factum's own events are written by Factum alone: they say what it did.
pub(crate) fn not_factums_own(event_type: &EventType) -> Result<(), Invalid> {
    if !event_type.is_system() {
        return Ok(());
    }
    Err(Invalid::new("type", "begins with $; such events are written by Factum alone"))
}

/// A payload is kept as it was written, but only one that readers everywhere can parse.
pub(crate) fn parse_payload(text: &str) -> Result<(), Invalid> {
    let parsed = serde_json::from_str::<serde_json::Value>(text);
    parsed.map(drop).map_err(|error| Invalid::new("data", format!("is not JSON: {error}")))
}

/// One event. Its payload is kept byte for byte as it was written.
fn event(text: &str) -> Result<NewEvent, Invalid> {
    let mut fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text)
        .map_err(|e| Invalid::new("the line", format!("is not a JSON object: {e}")))?;
    let event_type: EventType = take(&mut fields, "type")?
        .ok_or_else(|| Invalid::new("type", "is missing; every event has one"))?;
    not_factums_own(&event_type)?;
    let data = fields.remove("data").map_or_else(|| "{}".into(), |raw| raw.get().to_owned());
    parse_payload(&data)?;
    let metadata: Option<BTreeMap<String, Box<RawValue>>> = match fields.get("metadata") {
        Some(raw) => Some(parse("metadata", raw)?),
        None => None,
    };
    let metadata = metadata.and(fields.remove("metadata")).map(|raw| raw.get().to_owned());
    let mut event = NewEvent::new(event_type, data.into_bytes());
    event.metadata = metadata.unwrap_or_default().into_bytes().into();
    event.id = take::<EventId>(&mut fields, "id")?;
    event.stream = take::<StreamName>(&mut fields, "stream")?;
    event.content_type = content_type(take(&mut fields, "content_type")?)?;
    event.envelope = envelope(&mut fields)?;
    let tags: Vec<Tag> = take(&mut fields, "tags")?.unwrap_or_default();
    if let Some(field) = fields.keys().next() {
        let known = FIELDS.join(", ");
        return Err(Invalid::new(field, format!("is not a field of an event; those are {known}")));
    }
    Ok(event.tagged(tags))
}

fn envelope(fields: &mut BTreeMap<String, Box<RawValue>>) -> Result<Envelope, Invalid> {
    Ok(Envelope {
        schema: take::<SchemaJson>(fields, "schema")?
            .map(|schema| Schema { name: schema.name.into(), version: schema.version }),
        actor: take::<String>(fields, "actor")?.map(ByteString::from),
        correlation_id: take::<String>(fields, "correlation_id")?.map(ByteString::from),
        causation_ids: take(fields, "causation_ids")?.unwrap_or_default(),
        command_id: None,
        trace: take::<String>(fields, "trace")?.map(ByteString::from),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaJson {
    name: String,
    version: u32,
}

fn content_type(media: Option<String>) -> Result<ContentType, Invalid> {
    match media.as_deref() {
        None | Some("application/json") => Ok(ContentType::Json),
        Some(_) => Err(Invalid::new(
            "content_type",
            "must be application/json here, because the data is part of a JSON line; \
             POST other data to a server",
        )),
    }
}

fn take<T: DeserializeOwned>(
    fields: &mut BTreeMap<String, Box<RawValue>>,
    field: &str,
) -> Result<Option<T>, Invalid> {
    fields.remove(field).map(|raw| parse(field, &raw)).transpose()
}

fn parse<T: DeserializeOwned>(field: &str, raw: &RawValue) -> Result<T, Invalid> {
    serde_json::from_str(raw.get()).map_err(|error| {
        let text = error.to_string();
        // "… at line 1 column 9" counts within the field, which would mislead.
        let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
        Invalid::new(field, format!("is wrong: {problem}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Lines, Failure> {
        Lines::read(text.as_bytes(), &Limits::default())
    }

    fn problem(text: &str) -> String {
        read(text).err().expect("is refused").what
    }

    #[test]
    fn the_payload_is_kept_byte_for_byte() {
        let lines = read("{\"type\":\"a\",\"data\":{ \"b\" : 1.50 }}\n").expect("is right");
        assert_eq!(&lines.events[0].data[..], b"{ \"b\" : 1.50 }");
    }

    #[test]
    fn what_is_wrong_is_named_by_line_and_field() {
        let good = "{\"type\":\"a\"}\n";
        for (line, said) in [
            ("{", "line 2: the line is not a JSON object"),
            ("[]", "line 2: the line is not a JSON object"),
            ("{}", "line 2: type is missing"),
            ("{\"type\":\"\"}", "line 2: type is wrong: type is empty"),
            ("{\"type\":\"$command\"}", "line 2: type begins with $"),
            ("{\"type\":7}", "line 2: type is wrong: invalid type: integer `7`"),
            ("{\"type\":\"a\",\"tags\":\"x\"}", "line 2: tags is wrong"),
            ("{\"type\":\"a\",\"tagz\":[]}", "line 2: tagz is not a field of an event"),
            ("{\"type\":\"a\",\"metadata\":[1]}", "line 2: metadata is wrong"),
            ("{\"type\":\"a\",\"id\":\"1\"}", "line 2: id is wrong"),
            ("{\"type\":\"a\",\"content_type\":\"text/plain\"}", "line 2: content_type must be"),
            (
                "{\"type\":\"a\",\"stream\":\"x\\u0000\"}",
                "line 2: stream is wrong: stream has a control",
            ),
        ] {
            let said_now = problem(&format!("{good}{line}\n"));
            assert!(said_now.starts_with(said), "{line} gave {said_now:?}");
        }
    }

    #[test]
    fn empty_lines_count_but_say_nothing() {
        assert!(problem("\n\n{}\n").starts_with("line 3: type is missing"));
        assert_eq!(read("\n{\"type\":\"a\"}\n\n").expect("is right").events.len(), 1);
    }

    #[test]
    fn what_the_ledger_says_of_an_event_is_said_of_its_line() {
        let lines = read("\n{\"type\":\"a\"}\n\n{\"type\":\"b\"}\n").expect("is right");
        let said = lines.named(&Invalid::new("events[1].tags", "has 65 tags; the limit is 64"));
        assert_eq!(said.what, "line 4: tags has 65 tags; the limit is 64");
    }

    #[test]
    fn more_than_a_batch_is_refused_without_reading_on() {
        let limits = Limits { batch_events_max: 2, batch_bytes_max: 1_000, ..Limits::default() };
        let three = "{\"type\":\"a\"}\n".repeat(3);
        let refused = Lines::read(three.as_bytes(), &limits).err().expect("is refused");
        assert_eq!(refused.what, "line 3: an append has at most 2 events");
        let endless = std::io::BufReader::new(std::io::repeat(b' '));
        let refused = Lines::read(endless, &limits).err().expect("is refused");
        assert!(refused.what.contains("at most 1000 bytes"), "{}", refused.what);
    }
}
