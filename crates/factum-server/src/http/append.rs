//! The body of an append: events and conditions as JSON. Payloads are taken byte for byte.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use factum_store::{
    Bytes, Condition, ContentType, Envelope, EventId, EventType, ExpectedRevision, NewEvent,
    Position, Query, QueryItem, Revision, Schema, StreamName, Tag,
};
use schemars::JsonSchema;
use serde::{Deserialize, de::IgnoredAny};
use serde_json::value::RawValue;

use super::problem::Problem;
use crate::schema;

/// Events to record, all or none of them, and what must hold for that.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Append")]
pub(crate) struct AppendBody {
    #[schemars(length(min = 1, max = 4096))]
    events: Vec<EventBody>,
    #[serde(default)]
    conditions: Vec<ConditionBody>,
}

/// An event to record.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewEvent")]
struct EventBody {
    /// Made when it is left out.
    #[schemars(with = "Option<schema::Id>")]
    id: Option<EventId>,
    /// Not beginning with `$`: such events are Factum's own.
    #[serde(rename = "type")]
    #[schemars(with = "schema::OwnType")]
    event_type: EventType,
    #[schemars(with = "Option<schema::Name>")]
    stream: Option<StreamName>,
    #[serde(default)]
    #[schemars(with = "Vec<schema::Name>", length(max = 64))]
    tags: Vec<Tag>,
    /// The payload, any JSON; with a `content_type` other than JSON: `{"base64": …}`.
    #[schemars(with = "schema::Json")]
    data: Box<RawValue>,
    #[schemars(with = "Option<schema::ShortText>")]
    content_type: Option<String>,
    #[schemars(with = "Option<schema::Object>")]
    metadata: Option<Box<RawValue>>,
    schema: Option<SchemaBody>,
    #[schemars(with = "Option<schema::ShortText>")]
    actor: Option<String>,
    #[schemars(with = "Option<schema::ShortText>")]
    correlation_id: Option<String>,
    #[serde(default)]
    #[schemars(with = "Vec<schema::Id>")]
    causation_ids: Vec<EventId>,
    /// A W3C `traceparent`.
    #[schemars(with = "Option<schema::ShortText>")]
    trace: Option<String>,
}

/// What shape the payload has.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewEventSchema")]
struct SchemaBody {
    #[schemars(with = "schema::ShortText")]
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
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Condition")]
#[serde(
    untagged,
    expecting = "a condition is {\"stream\", \"revision\"} or {\"no_match\", \"after\"}"
)]
enum ConditionBody {
    Revision(RevisionBody),
    NoMatch(NoMatchBody),
}

/// What the last revision of a stream must be.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RevisionCondition")]
struct RevisionBody {
    #[schemars(with = "schema::Name")]
    stream: StreamName,
    revision: ExpectedBody,
}

/// What no event after a position may match.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NoMatchCondition")]
struct NoMatchBody {
    #[schemars(with = "Vec<schema::Item>")]
    no_match: Vec<QueryItem>,
    /// 0, the default: no event at all.
    #[serde(default)]
    #[schemars(with = "schema::Place")]
    after: Position,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "ExpectedRevision")]
enum ExpectedBody {
    Exactly(#[schemars(with = "schema::StreamRevision")] Revision),
    Word(Word),
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ExpectedWord")]
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
