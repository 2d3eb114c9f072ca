//! What is kept: [`NewEvent`] as a writer hands it in, [`RecordedEvent`] as a reader gets it.
//!
//! The payload is opaque bytes with a content type. It is passed through byte for byte and never
//! re-serialised, so that hashes and proofs over it stay valid.

use bytes::Bytes;
use bytestring::ByteString;

use crate::{EventId, EventType, Position, Revision, StreamName, Tag, Timestamp};

/// How the payload is to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ContentType {
    /// `application/json`, the default.
    #[default]
    Json,
    /// Anything else, by its media type; the empty string is `application/octet-stream`.
    Other(ByteString),
}

impl ContentType {
    /// The media type.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Json => "application/json",
            Self::Other(media) if media.is_empty() => "application/octet-stream",
            Self::Other(media) => media,
        }
    }
}

/// The shape of the payload: the name and version of its schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// By default the event type.
    pub name: ByteString,
    /// From 1.
    pub version: u32,
}

/// What the engine and the tools need to know of an event beside its payload. All of it is
/// optional; most events have little of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The shape of the payload.
    pub schema: Option<Schema>,
    /// Who caused it.
    pub actor: Option<ByteString>,
    /// What larger piece of work it belongs to.
    pub correlation_id: Option<ByteString>,
    /// The events (or commands) that led to it. Several are legal: causality is a graph.
    pub causation_ids: Vec<EventId>,
    /// The idempotency key of the command that led to it.
    pub command_id: Option<ByteString>,
    /// W3C `traceparent`.
    pub trace: Option<ByteString>,
}

/// An event that is to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Its identity; the ledger makes one (UUIDv7) when there is none.
    pub id: Option<EventId>,
    /// The stream it joins, if any.
    pub stream: Option<StreamName>,
    /// What kind of fact it is.
    pub event_type: EventType,
    /// Its labels; kept sorted and without repetitions.
    pub tags: Vec<Tag>,
    /// The payload.
    pub data: Bytes,
    /// How to read the payload.
    pub content_type: ContentType,
    /// What the user adds: a JSON object, or empty.
    pub metadata: Bytes,
    /// The rest.
    pub envelope: Envelope,
}

impl NewEvent {
    /// An event with a JSON payload and nothing else.
    #[must_use]
    pub fn new(event_type: EventType, data: impl Into<Bytes>) -> Self {
        Self {
            id: None,
            stream: None,
            event_type,
            tags: Vec::new(),
            data: data.into(),
            content_type: ContentType::Json,
            metadata: Bytes::new(),
            envelope: Envelope::default(),
        }
    }

    /// The same event with these labels, sorted and without repetitions.
    #[must_use]
    pub fn tagged(mut self, tags: impl IntoIterator<Item = Tag>) -> Self {
        self.tags.extend(tags);
        self.tags.sort_unstable();
        self.tags.dedup();
        self
    }

    /// The same event as a member of `stream`.
    #[must_use]
    pub fn in_stream(mut self, stream: StreamName) -> Self {
        self.stream = Some(stream);
        self
    }
}

/// The stream an event is in, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamPlace {
    /// The stream.
    pub name: StreamName,
    /// The place in it.
    pub revision: Revision,
}

/// An event that was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedEvent {
    /// Its place in the ledger.
    pub position: Position,
    /// When, by the ledger's clock.
    pub recorded_at: Timestamp,
    /// Its identity.
    pub id: EventId,
    /// Its place in a stream, if it has one.
    pub stream: Option<StreamPlace>,
    /// What kind of fact it is.
    pub event_type: EventType,
    /// Its labels, sorted, without repetitions.
    pub tags: Vec<Tag>,
    /// The payload.
    pub data: Bytes,
    /// How to read the payload.
    pub content_type: ContentType,
    /// What the user added: a JSON object, or empty.
    pub metadata: Bytes,
    /// The rest.
    pub envelope: Envelope,
}

impl RecordedEvent {
    /// Whether its id is one that a ledger made for an event that came without: of version 7, and
    /// saying when and where the event was recorded.
    #[must_use]
    pub fn has_made_id(&self) -> bool {
        const POSITION_BITS: u32 = 44;
        let (high, low) = self.id.0.as_u64_pair();
        let at = (self.recorded_at.micros / 1_000) & 0xffff_ffff_ffff;
        (high >> 12) & 0xf == 7
            && high >> 16 == at
            && (low ^ self.position.0).trailing_zeros() >= POSITION_BITS
    }
}
