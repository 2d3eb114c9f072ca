//! What is written to: the engine itself, or the server over HTTP.

use std::{
    io::{self, BufRead, BufReader, Read as _, Write as _},
    net::TcpStream,
};

use anyhow::Context as _;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use factum_engine::EngineLedger;
use factum_store::{
    Append, AppendError, Condition, ContentType, ExpectedRevision, Ledger as _, Position, Query,
    QueryItem, Read, Revision, StreamName,
};
use futures_lite::future::block_on;
use serde_json::{Value, json};

/// What an append came to.
pub(crate) enum Outcome {
    Acknowledged {
        first: Position,
        last: Position,
        replayed: bool,
    },
    /// And where the head was, when that is known.
    Conflict(Position),
    Failed(String),
    /// Whoever was asked is gone.
    Lost,
}

/// One writer's way to the ledger.
pub(crate) trait Target {
    fn append(&mut self, append: Append) -> Outcome;
    /// The revision of a stream's last event.
    fn revision(&mut self, stream: &StreamName) -> anyhow::Result<Option<Revision>>;
}

impl Target for EngineLedger {
    fn append(&mut self, append: Append) -> Outcome {
        match self.append_blocking(append) {
            Ok(receipt) => Outcome::Acknowledged {
                first: receipt.first,
                last: receipt.last,
                replayed: receipt.replayed,
            },
            Err(AppendError::Conflict(conflict)) => Outcome::Conflict(conflict.head),
            Err(error) => Outcome::Failed(error.to_string()),
        }
    }

    fn revision(&mut self, stream: &StreamName) -> anyhow::Result<Option<Revision>> {
        let query = Query::from(QueryItem::stream(stream.clone()));
        let page = block_on(self.read(Read::new(query).backward().limit(1)))?;
        Ok(page.events.first().and_then(|event| event.stream.as_ref()).map(|place| place.revision))
    }
}

/// A connection to the server.
pub(crate) struct Http {
    address: String,
    connection: BufReader<TcpStream>,
}

const EVENTS: &str = "/v1/ledgers/default/events";

impl Http {
    pub(crate) fn connect(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("reaching {address}"))?;
        stream.set_nodelay(true)?;
        Ok(Self { address: address.to_owned(), connection: BufReader::new(stream) })
    }

    fn ask(&mut self, what: &str, headers: &str, body: &str) -> anyhow::Result<(u16, Value)> {
        let (address, length) = (&self.address, body.len());
        let request = format!(
            "{what} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        self.connection.get_mut().write_all(request.as_bytes())?;
        let mut status = String::new();
        self.connection.read_line(&mut status)?;
        let status = status.split(' ').nth(1).ok_or(io::ErrorKind::UnexpectedEof);
        let status = status.map_err(io::Error::from)?.parse()?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.connection.read_line(&mut line)? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.parse()?;
            }
        }
        let mut body = vec![0; length];
        self.connection.read_exact(&mut body)?;
        Ok((status, serde_json::from_slice(&body)?))
    }

    fn answer(&mut self, append: &Append) -> anyhow::Result<Outcome> {
        let key = append.key.as_ref();
        let key = key.map_or(String::new(), |key| format!("Idempotency-Key: {}\r\n", key.key));
        let (status, answer) =
            self.ask(&format!("POST {EVENTS}"), &key, &body(append)?.to_string())?;
        let position = |value: &Value| value.as_u64().map(Position).context("a position");
        Ok(match status {
            200..=299 => Outcome::Acknowledged {
                first: position(&answer["receipt"]["first"])?,
                last: position(&answer["receipt"]["last"])?,
                replayed: answer["replayed"] == true,
            },
            409 => Outcome::Conflict(position(&answer["conflict"]["head"])?),
            _ => Outcome::Failed(answer.to_string()),
        })
    }
}

impl Target for Http {
    fn append(&mut self, append: Append) -> Outcome {
        self.answer(&append).unwrap_or_else(|error| match error.downcast_ref::<io::Error>() {
            Some(_) => Outcome::Lost,
            None => Outcome::Failed(format!("{error:#}")),
        })
    }

    fn revision(&mut self, stream: &StreamName) -> anyhow::Result<Option<Revision>> {
        let path = format!("GET {EVENTS}?stream={stream}&direction=backward&limit=1");
        let (_, page) = self.ask(&path, "", "")?;
        Ok(page["events"][0]["revision"].as_u64().map(Revision))
    }
}

/// The body of an append over HTTP.
fn body(append: &Append) -> anyhow::Result<Value> {
    let events: anyhow::Result<Vec<Value>> = append.events.iter().map(event).collect();
    let conditions: Vec<Value> = append.conditions.iter().map(condition).collect();
    Ok(json!({ "events": events?, "conditions": conditions }))
}

fn event(event: &factum_store::NewEvent) -> anyhow::Result<Value> {
    let mut body = json!({
        "id": event.id.map(|id| id.to_string()),
        "type": event.event_type.as_str(),
        "stream": event.stream.as_ref().map(StreamName::as_str),
        "tags": event.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>(),
        "metadata": serde_json::from_slice::<Value>(&event.metadata)?,
        "actor": event.envelope.actor.as_deref(),
    });
    match &event.content_type {
        ContentType::Json => body["data"] = serde_json::from_slice(&event.data)?,
        ContentType::Other(media) => {
            body["data"] = json!({ "base64": BASE64_STANDARD.encode(&event.data) });
            body["content_type"] = json!(&**media);
        }
    }
    Ok(body)
}

fn condition(condition: &Condition) -> Value {
    match condition {
        Condition::Revision { stream, expected } => {
            let revision = match expected {
                ExpectedRevision::Any => json!("any"),
                ExpectedRevision::None => json!("none"),
                ExpectedRevision::Exists => json!("exists"),
                ExpectedRevision::Exactly(revision) => json!(revision.0),
            };
            json!({ "stream": stream.as_str(), "revision": revision })
        }
        Condition::NoMatch { query, after } => {
            let tags = |item: &QueryItem| json!({ "tags": item.tags.iter().map(|tag| tag.as_str()).collect::<Vec<_>>() });
            json!({ "no_match": query.items.iter().map(tags).collect::<Vec<_>>(), "after": after.0 })
        }
    }
}
