//! How events, receipts and heads look as JSON: the same over HTTP and on the command line.
//!
//! A payload is passed through as it was recorded, never parsed and written anew. Only its line
//! breaks, which JSON allows between tokens alone, become spaces: an event is always one line.

use std::borrow::Cow;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use factum_store::{
    ContentType, EventId, Head, Position, Receipt, RecordedEvent, Retention, Revision, Schema,
    StreamInfo, Tag, Timestamp,
};
use schemars::{JsonSchema, Schema as JsonSchemaOf, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

use crate::access::{Identity, Right, Secret, Token, TokenId};
use crate::schema;

/// An event as JSON. What an event does not have is left out.
///
/// `data` is the payload itself. A payload that is not JSON is `{"base64": …}`, and only then there
/// is a `content_type` beside it.
#[must_use]
pub fn event(event: &RecordedEvent) -> impl Serialize + '_ {
    EventJson::of(event)
}

/// A receipt as JSON: `last` is the token for reading your own write.
#[must_use]
pub fn receipt(receipt: &Receipt) -> impl Serialize + '_ {
    ReceiptJson::of(receipt)
}

/// The end of a ledger as JSON. An empty ledger has no time.
#[must_use]
pub fn head(head: Head) -> impl Serialize {
    HeadJson::of(head)
}

/// What a stream is, and what is kept of it, as JSON.
#[must_use]
pub fn stream(info: &StreamInfo) -> impl Serialize + '_ {
    StreamJson::of(info)
}

/// A token as JSON, without its secret.
#[must_use]
pub fn token(token: &Token) -> impl Serialize + '_ {
    TokenJson::of(token, None)
}

/// A token that was made or rotated, with its secret if it has one.
#[must_use]
pub fn made<'a>(token: &'a Token, secret: Option<&'a Secret>) -> impl Serialize + 'a {
    TokenJson::of(token, secret)
}

/// A moment in RFC 3339, UTC, to the microsecond: `2026-01-31T12:00:00.000000Z`.
#[must_use]
pub fn time(time: Timestamp) -> String {
    let micros = i64::try_from(time.micros).unwrap_or(i64::MAX);
    // Beyond the year 9999 there is no such text; a clock that says so is wrong anyhow.
    let time = jiff::Timestamp::from_microsecond(micros).unwrap_or(jiff::Timestamp::MAX);
    format!("{time:.6}")
}

/// A recorded event. What it does not have is left out.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub(crate) struct EventJson<'a> {
    #[schemars(with = "schema::Place")]
    position: Position,
    #[schemars(with = "schema::Time")]
    recorded_at: String,
    #[schemars(with = "schema::Id")]
    id: EventId,
    #[serde(rename = "type")]
    #[schemars(with = "schema::Name")]
    event_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Name>")]
    stream: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::StreamRevision>")]
    revision: Option<Revision>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schemars(with = "Vec<schema::Name>")]
    tags: &'a [Tag],
    data: Payload<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Object>")]
    metadata: Option<Payload<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<SchemaJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schemars(with = "Vec<schema::Id>")]
    causation_ids: &'a [EventId],
    #[serde(skip_serializing_if = "Option::is_none")]
    command_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
}

impl<'a> EventJson<'a> {
    pub(crate) fn of(event: &'a RecordedEvent) -> Self {
        let envelope = &event.envelope;
        let data = match &event.content_type {
            ContentType::Json => Payload::of(&event.data),
            ContentType::Other(_) => Payload::Bytes { base64: BASE64_STANDARD.encode(&event.data) },
        };
        Self {
            position: event.position,
            recorded_at: time(event.recorded_at),
            id: event.id,
            event_type: event.event_type.as_str(),
            stream: event.stream.as_ref().map(|place| place.name.as_str()),
            revision: event.stream.as_ref().map(|place| place.revision),
            tags: &event.tags,
            content_type: data.is_encoded().then(|| event.content_type.as_str()),
            data,
            metadata: (!event.metadata.is_empty()).then(|| Payload::of(&event.metadata)),
            schema: envelope.schema.as_ref().map(SchemaJson::of),
            actor: envelope.actor.as_deref(),
            correlation_id: envelope.correlation_id.as_deref(),
            causation_ids: &envelope.causation_ids,
            command_id: envelope.command_id.as_deref(),
            trace: envelope.trace.as_deref(),
        }
    }
}

/// What shape an event's payload has.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "EventSchema")]
pub(crate) struct SchemaJson<'a> {
    name: &'a str,
    version: u32,
}

impl<'a> SchemaJson<'a> {
    fn of(schema: &'a Schema) -> Self {
        Self { name: &schema.name, version: schema.version }
    }
}

/// Where events were recorded. `last` is the token for reading your own write.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Receipt")]
pub(crate) struct ReceiptJson<'a> {
    #[schemars(with = "schema::Place")]
    first: Position,
    #[schemars(with = "schema::Place")]
    last: Position,
    #[schemars(with = "schema::Time")]
    recorded_at: String,
    #[schemars(with = "Vec<schema::Id>")]
    ids: &'a [EventId],
}

impl<'a> ReceiptJson<'a> {
    pub(crate) fn of(receipt: &'a Receipt) -> Self {
        let Receipt { first, last, ref ids, .. } = *receipt;
        Self { first, last, recorded_at: time(receipt.recorded_at), ids }
    }
}

/// What a stream is, and what is kept of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Stream")]
pub(crate) struct StreamJson<'a> {
    #[schemars(with = "schema::Name")]
    stream: &'a str,
    #[schemars(with = "schema::StreamStateName")]
    state: &'static str,
    #[schemars(with = "Option<schema::StreamRevision>")]
    last_revision: Option<Revision>,
    #[schemars(with = "Option<schema::StreamRevision>")]
    truncate_before: Option<Revision>,
    #[schemars(with = "Option<schema::Positive>")]
    max_count: Option<u64>,
    #[schemars(with = "Option<schema::Positive>")]
    max_age_seconds: Option<u64>,
    #[schemars(with = "Option<schema::StreamRevision>")]
    metadata_revision: Option<Revision>,
    data: Option<Payload<'a>>,
}

impl<'a> StreamJson<'a> {
    pub(crate) fn of(info: &'a StreamInfo) -> Self {
        let Retention { truncate_before, max_count, max_age_seconds, .. } = info.metadata.retention;
        Self {
            stream: info.stream.as_str(),
            state: info.state().name(),
            last_revision: info.last,
            truncate_before,
            max_count,
            max_age_seconds,
            metadata_revision: info.metadata_revision,
            data: (!info.metadata.data.is_empty()).then(|| Payload::of(&info.metadata.data)),
        }
    }
}

/// A token. Its secret is there when it was just made or rotated, and never again.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Token")]
pub(crate) struct TokenJson<'a> {
    #[schemars(with = "String")]
    id: TokenId,
    name: &'a str,
    rights: &'a [Right],
    /// The certificate that is shown instead of a secret: `dns:shop.example`, for instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Name>")]
    certificate: Option<&'a Identity>,
    #[schemars(with = "schema::Time")]
    created_at: String,
    #[schemars(with = "Option<schema::Time>")]
    rotated_at: Option<String>,
    #[schemars(with = "Option<schema::Time>")]
    expires_at: Option<String>,
    #[schemars(with = "Option<schema::Time>")]
    revoked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

impl<'a> TokenJson<'a> {
    pub(crate) fn of(token: &'a Token, secret: Option<&'a Secret>) -> Self {
        Self {
            id: token.id,
            name: &token.name,
            rights: &token.rights,
            certificate: token.certificate.as_ref(),
            created_at: time(token.created_at),
            rotated_at: token.rotated_at.map(time),
            expires_at: token.expires_at.map(time),
            revoked_at: token.revoked_at.map(time),
            secret: secret.map(Secret::reveal),
        }
    }
}

/// The end of a ledger. An empty one has no time.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Head")]
pub(crate) struct HeadJson {
    #[schemars(with = "schema::Place")]
    position: Position,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Time>")]
    recorded_at: Option<String>,
}

impl HeadJson {
    pub(crate) fn of(head: Head) -> Self {
        let recorded_at = (head.position > Position::START).then(|| time(head.recorded_at));
        Self { position: head.position, recorded_at }
    }
}

/// Bytes that are JSON already, or that JSON can only carry encoded.
pub(crate) enum Payload<'a> {
    Json(Cow<'a, RawValue>),
    Bytes { base64: String },
}

impl<'a> Payload<'a> {
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        let Ok(json) = serde_json::from_slice::<&RawValue>(bytes) else {
            return Self::Bytes { base64: BASE64_STANDARD.encode(bytes) };
        };
        if !json.get().contains(['\n', '\r']) {
            return Self::Json(Cow::Borrowed(json));
        }
        let one_line = json.get().replace(['\n', '\r'], " ");
        match RawValue::from_string(one_line) {
            Ok(json) => Self::Json(Cow::Owned(json)),
            Err(_) => Self::Json(Cow::Borrowed(json)),
        }
    }

    fn is_encoded(&self) -> bool {
        matches!(self, Self::Bytes { .. })
    }
}

impl JsonSchema for Payload<'_> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Payload".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> JsonSchemaOf {
        json_schema!({ "description": "any JSON; `{\"base64\": …}` for what is not JSON" })
    }
}

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Encoded<'a> {
            base64: &'a str,
        }
        match self {
            Self::Json(json) => json.serialize(serializer),
            Self::Bytes { base64 } => Encoded { base64 }.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use factum_store::{Envelope, EventType, StreamName, StreamPlace};

    use super::*;

    fn recorded(data: &'static [u8], content_type: ContentType) -> RecordedEvent {
        RecordedEvent {
            position: Position(7),
            recorded_at: Timestamp::from_micros(1_000_001),
            id: EventId(Default::default()),
            stream: None,
            event_type: EventType::new("note.taken").expect("a name"),
            tags: Vec::new(),
            data: data.into(),
            content_type,
            metadata: Vec::new().into(),
            envelope: Envelope::default(),
        }
    }

    fn text(recorded: &RecordedEvent) -> String {
        serde_json::to_string(&event(recorded)).expect("is JSON")
    }

    const LEAD: &str = r#"{"position":7,"recorded_at":"1970-01-01T00:00:01.000001Z","id":"00000000-0000-0000-0000-000000000000","type":"note.taken","#;

    #[test]
    fn a_json_payload_is_passed_through_byte_for_byte() {
        let shown = text(&recorded(br#"{ "b":1.50,"a":[1e2] }"#, ContentType::Json));
        assert_eq!(shown, format!(r#"{LEAD}"data":{{ "b":1.50,"a":[1e2] }}}}"#));
    }

    #[test]
    fn an_event_is_one_line_even_when_its_payload_is_not() {
        let shown = text(&recorded(b"{\r\n  \"a\": \"x\\ny\"\n}", ContentType::Json));
        assert_eq!(shown, format!(r#"{LEAD}"data":{{    "a": "x\ny" }}}}"#));
    }

    #[test]
    fn a_payload_that_is_not_json_is_encoded_and_says_so() {
        let media = ContentType::Other("text/plain".into());
        let said = r#""data":{"base64":"aGk="},"content_type":"#;
        assert_eq!(text(&recorded(b"hi", media)), format!(r#"{LEAD}{said}"text/plain"}}"#));
        let broken = text(&recorded(b"hi", ContentType::Json));
        assert_eq!(broken, format!(r#"{LEAD}{said}"application/json"}}"#));
    }

    #[test]
    fn everything_an_event_has_is_shown() {
        let mut full = recorded(b"1", ContentType::Json);
        full.stream = Some(StreamPlace {
            name: StreamName::new("note-1").expect("a name"),
            revision: Revision(2),
        });
        full.tags = vec![Tag::of("note", 1).expect("a tag")];
        full.metadata = r#"{"m":1}"#.into();
        full.envelope = Envelope {
            schema: Some(Schema { name: "note".into(), version: 3 }),
            actor: Some("ann".into()),
            correlation_id: Some("c".into()),
            causation_ids: vec![EventId(Default::default())],
            command_id: Some("k".into()),
            trace: Some("t".into()),
        };
        let id = "00000000-0000-0000-0000-000000000000";
        let rest = format!(
            r#""stream":"note-1","revision":2,"tags":["note:1"],"data":1,"metadata":{{"m":1}},"schema":{{"name":"note","version":3}},"actor":"ann","correlation_id":"c","causation_ids":["{id}"],"command_id":"k","trace":"t"}}"#
        );
        assert_eq!(text(&full), format!("{LEAD}{rest}"));
    }

    #[test]
    fn a_time_has_six_digits_and_no_overflow() {
        assert_eq!(time(Timestamp::from_micros(0)), "1970-01-01T00:00:00.000000Z");
        assert_eq!(time(Timestamp { micros: u64::MAX }), "9999-12-30T22:00:00.999999Z");
    }
}
