//! The body of an append: events and conditions as JSON. Payloads are taken byte for byte.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use factum_store::{
    Bytes, Condition, ContentType, Envelope, EventId, EventType, ExpectedRevision, NewEvent,
    Position, Query, QueryItem, Revision, Schema, StreamName, Tag,
};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::problem::Problem;

/// `{"events": […], "conditions": […]}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AppendBody {
    events: Vec<EventBody>,
    #[serde(default)]
    conditions: Vec<ConditionBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EventBody {
    id: Option<EventId>,
    #[serde(rename = "type")]
    event_type: EventType,
    stream: Option<StreamName>,
    #[serde(default)]
    tags: Vec<Tag>,
    /// The payload; with a `content_type` other than JSON: `{"base64": …}`.
    data: Box<RawValue>,
    content_type: Option<String>,
    metadata: Option<Box<RawValue>>,
    schema: Option<SchemaBody>,
    actor: Option<String>,
    correlation_id: Option<String>,
    #[serde(default)]
    causation_ids: Vec<EventId>,
    trace: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SchemaBody {
    name: String,
    version: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded {
    base64: String,
}

/// `{"stream": "order-1", "revision": 3}`, where the revision may also be `"any"`, `"none"` or
/// `"exists"`; or `{"no_match": [{"types": […], "tags": […]}], "after": 17}`.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "a condition is {\"stream\", \"revision\"} or {\"no_match\", \"after\"}"
)]
enum ConditionBody {
    Revision(RevisionBody),
    NoMatch(NoMatchBody),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevisionBody {
    stream: StreamName,
    revision: ExpectedBody,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NoMatchBody {
    no_match: Vec<QueryItem>,
    #[serde(default)]
    after: Position,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ExpectedBody {
    Exactly(Revision),
    Word(Word),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Any,
    None,
    Exists,
}

impl AppendBody {
    pub(crate) fn into_parts(self) -> Result<(Vec<NewEvent>, Vec<Condition>), Problem> {
        let events = self.events.into_iter().enumerate().map(|(i, event)| event.into_event(i));
        let conditions = self.conditions.into_iter().map(ConditionBody::into_condition).collect();
        Ok((events.collect::<Result<_, _>>()?, conditions))
    }
}

impl EventBody {
    fn into_event(self, index: usize) -> Result<NewEvent, Problem> {
        let content_type = match self.content_type.as_deref() {
            None | Some("application/json") => ContentType::Json,
            Some(media) => ContentType::Other(media.to_owned().into()),
        };
        let data = match content_type {
            ContentType::Json => Bytes::from(String::from(Box::<str>::from(self.data))),
            ContentType::Other(_) => decoded(index, &self.data)?,
        };
        let metadata = self.metadata.map(|raw| object(index, raw)).transpose()?;
        let text = |text: Option<String>| text.map(Into::into);
        let event = NewEvent {
            id: self.id,
            stream: self.stream,
            event_type: self.event_type,
            tags: Vec::new(),
            data,
            content_type,
            metadata: metadata.unwrap_or_default(),
            envelope: Envelope {
                schema: self.schema.map(|s| Schema { name: s.name.into(), version: s.version }),
                actor: text(self.actor),
                correlation_id: text(self.correlation_id),
                causation_ids: self.causation_ids,
                command_id: None,
                trace: text(self.trace),
            },
        };
        Ok(event.tagged(self.tags))
    }
}

/// A payload that JSON can only carry encoded.
fn decoded(index: usize, data: &RawValue) -> Result<Bytes, Problem> {
    let wrong = |problem: String| Problem::invalid(format!("events[{index}].data"), problem);
    let encoded: Encoded = serde_json::from_str(data.get()).map_err(|_| {
        wrong("must be {\"base64\": …}, because the content_type is not JSON".to_owned())
    })?;
    let bytes = BASE64_STANDARD.decode(encoded.base64);
    bytes.map(Bytes::from).map_err(|error| wrong(format!("is not base64: {error}")))
}

/// Metadata is a JSON object.
fn object(index: usize, metadata: Box<RawValue>) -> Result<Bytes, Problem> {
    let parsed =
        serde_json::from_str::<std::collections::HashMap<String, IgnoredAny>>(metadata.get());
    match parsed {
        Ok(_) => Ok(Bytes::from(String::from(Box::<str>::from(metadata)))),
        Err(_) => {
            Err(Problem::invalid(format!("events[{index}].metadata"), "must be a JSON object"))
        }
    }
}

impl ConditionBody {
    fn into_condition(self) -> Condition {
        match self {
            Self::NoMatch(NoMatchBody { no_match, after }) => {
                Condition::NoMatch { query: Query { items: no_match }, after }
            }
            Self::Revision(RevisionBody { stream, revision }) => {
                let expected = match revision {
                    ExpectedBody::Exactly(revision) => ExpectedRevision::Exactly(revision),
                    ExpectedBody::Word(Word::Any) => ExpectedRevision::Any,
                    ExpectedBody::Word(Word::None) => ExpectedRevision::None,
                    ExpectedBody::Word(Word::Exists) => ExpectedRevision::Exists,
                };
                Condition::Revision { stream, expected }
            }
        }
    }
}
