//! Events: as a writer hands them in, and as a reader gets them. Both come back as they were handed
//! in, byte for byte.

use factum_store::{
    ByteString, ContentType, Envelope, EventId, EventType, Invalid, NewEvent, Position,
    RecordedEvent, Revision, Schema, StreamName, StreamPlace, Tag, Timestamp,
};

use crate::v1;

/// The media type that an absent content type means.
const JSON: &str = "application/json";

impl From<NewEvent> for v1::NewEvent {
    fn from(event: NewEvent) -> Self {
        Self {
            id: event.id.map(|id| id.to_string()),
            stream: event.stream.map(String::from),
            r#type: event.event_type.into(),
            tags: event.tags.into_iter().map(String::from).collect(),
            data: event.data,
            content_type: media(event.content_type),
            metadata: event.metadata,
            envelope: wire_envelope(event.envelope),
        }
    }
}

impl TryFrom<v1::NewEvent> for NewEvent {
    type Error = Invalid;

    fn try_from(event: v1::NewEvent) -> Result<Self, Invalid> {
        Ok(Self {
            id: event.id.as_deref().map(str::parse).transpose()?,
            stream: event.stream.map(StreamName::new).transpose()?,
            event_type: EventType::new(event.r#type)?,
            tags: tags(event.tags)?,
            data: event.data,
            content_type: content_type(event.content_type),
            metadata: event.metadata,
            envelope: envelope(event.envelope)?,
        })
    }
}

impl From<RecordedEvent> for v1::RecordedEvent {
    fn from(event: RecordedEvent) -> Self {
        let (stream, revision) = match event.stream {
            Some(place) => (Some(place.name.into()), place.revision.0),
            None => (None, 0),
        };
        Self {
            position: event.position.0,
            recorded_at_micros: event.recorded_at.micros,
            id: event.id.to_string(),
            stream,
            revision,
            r#type: event.event_type.into(),
            tags: event.tags.into_iter().map(String::from).collect(),
            data: event.data,
            content_type: media(event.content_type),
            metadata: event.metadata,
            envelope: wire_envelope(event.envelope),
        }
    }
}

impl TryFrom<v1::RecordedEvent> for RecordedEvent {
    type Error = Invalid;

    fn try_from(event: v1::RecordedEvent) -> Result<Self, Invalid> {
        let revision = Revision(event.revision);
        let place = |name| StreamName::new(name).map(|name| StreamPlace { name, revision });
        Ok(Self {
            position: Position(event.position),
            recorded_at: Timestamp::from_micros(event.recorded_at_micros),
            id: event.id.parse()?,
            stream: event.stream.map(place).transpose()?,
            event_type: EventType::new(event.r#type)?,
            tags: tags(event.tags)?,
            data: event.data,
            content_type: content_type(event.content_type),
            metadata: event.metadata,
            envelope: envelope(event.envelope)?,
        })
    }
}

/// Checked names, each with its place in the list when it is none.
pub(crate) fn names<T>(
    field: &str,
    texts: Vec<String>,
    name: impl Fn(String) -> Result<T, Invalid>,
) -> Result<Vec<T>, Invalid> {
    let checked = texts.into_iter().enumerate().map(|(i, text)| {
        name(text).map_err(|invalid| Invalid::new(format!("{field}[{i}]"), invalid.problem))
    });
    checked.collect()
}

fn tags(texts: Vec<String>) -> Result<Vec<Tag>, Invalid> {
    names("tags", texts, Tag::new)
}

fn media(content_type: ContentType) -> Option<String> {
    match content_type {
        ContentType::Json => None,
        ContentType::Other(media) => Some(media.into()),
    }
}

fn content_type(media: Option<String>) -> ContentType {
    match media {
        None => ContentType::Json,
        Some(media) if media == JSON => ContentType::Json,
        Some(media) => ContentType::Other(media.into()),
    }
}

fn wire_envelope(envelope: Envelope) -> Option<v1::Envelope> {
    if envelope == Envelope::default() {
        return None;
    }
    let text = |text: Option<ByteString>| text.map(String::from);
    let schema = envelope.schema;
    Some(v1::Envelope {
        schema: schema.map(|s| v1::Schema { name: s.name.into(), version: s.version }),
        actor: text(envelope.actor),
        correlation_id: text(envelope.correlation_id),
        causation_ids: envelope.causation_ids.iter().map(EventId::to_string).collect(),
        command_id: text(envelope.command_id),
        trace: text(envelope.trace),
    })
}

fn envelope(envelope: Option<v1::Envelope>) -> Result<Envelope, Invalid> {
    let Some(envelope) = envelope else { return Ok(Envelope::default()) };
    let text = |text: Option<String>| text.map(ByteString::from);
    let causes = names("causation_ids", envelope.causation_ids, |id| id.parse::<EventId>())?;
    let schema = envelope.schema;
    Ok(Envelope {
        schema: schema.map(|s| Schema { name: s.name.into(), version: s.version }),
        actor: text(envelope.actor),
        correlation_id: text(envelope.correlation_id),
        causation_ids: causes,
        command_id: text(envelope.command_id),
        trace: text(envelope.trace),
    })
}
