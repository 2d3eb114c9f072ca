//! One event in a frame's body: a fixed part, then what is looked at by queries, then the rest.
//!
//! ```text
//!  offset  bytes
//!       0     16  id
//!      16      8  revision; all ones when it is in no stream
//!      24      2  bytes of the type
//!      26      2  bytes of the stream's name, 0 without one
//!      28      2  number of tags
//!      30      2  zero
//!      32      4  bytes of the tags
//!      36      4  bytes of the data
//!      40      4  bytes of the metadata
//!      44      4  bytes of the envelope
//!      48         type · stream · tags (2 bytes of length, text) · data · metadata · envelope
//! ```

use bytes::{BufMut, Bytes};
use bytestring::ByteString;
use factum_store::{
    EventId, EventType, NewEvent, Position, RecordedEvent, Revision, StreamName, StreamPlace, Tag,
    Timestamp,
};

use super::{
    envelope,
    frame::{Nonsense, u16_at, u32_at, u64_at},
};

/// Where the revision is, for the writer to fill in.
pub(crate) const REVISION_AT: usize = 16;
const FIXED_BYTES: usize = 48;
pub(super) const NO_REVISION: u64 = u64::MAX;

/// What a query looks at.
#[derive(Clone, Debug)]
pub(crate) struct EventParts {
    pub(crate) id: EventId,
    pub(crate) event_type: EventType,
    pub(crate) tags: Vec<Tag>,
    pub(crate) stream: Option<StreamName>,
    /// Its place in the stream.
    pub(crate) revision: Option<Revision>,
}

/// Appends an event to a frame under construction.
pub(crate) fn encode(bytes: &mut Vec<u8>, new: &NewEvent, id: EventId) {
    let stream = new.stream.as_ref().map_or("", StreamName::as_str);
    let tag_bytes: usize = new.tags.iter().map(|tag| 2 + tag.as_str().len()).sum();
    bytes.extend_from_slice(id.0.as_bytes());
    bytes.put_u64_le(NO_REVISION);
    bytes.put_u16_le(new.event_type.as_str().len() as u16);
    bytes.put_u16_le(stream.len() as u16);
    bytes.put_u16_le(new.tags.len() as u16);
    bytes.put_u16_le(0);
    bytes.put_u32_le(tag_bytes as u32);
    bytes.put_u32_le(new.data.len() as u32);
    bytes.put_u32_le(new.metadata.len() as u32);
    let envelope_bytes_at = bytes.len();
    bytes.put_u32_le(0);
    bytes.extend_from_slice(new.event_type.as_str().as_bytes());
    bytes.extend_from_slice(stream.as_bytes());
    for tag in &new.tags {
        bytes.put_u16_le(tag.as_str().len() as u16);
        bytes.extend_from_slice(tag.as_str().as_bytes());
    }
    bytes.extend_from_slice(&new.data);
    bytes.extend_from_slice(&new.metadata);
    let envelope_at = bytes.len();
    envelope::encode(bytes, &new.envelope, &new.content_type);
    let envelope_bytes = (bytes.len() - envelope_at) as u32;
    bytes[envelope_bytes_at..envelope_bytes_at + 4].copy_from_slice(&envelope_bytes.to_le_bytes());
}

/// The lengths of an event's parts.
pub(super) struct Layout {
    revision: u64,
    event_type: usize,
    stream: usize,
    tags: usize,
    tag_bytes: usize,
    data: usize,
    metadata: usize,
    envelope: usize,
}

impl Layout {
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            revision: u64_at(bytes, REVISION_AT)?,
            event_type: u16_at(bytes, 24)? as usize,
            stream: u16_at(bytes, 26)? as usize,
            tags: u16_at(bytes, 28)? as usize,
            tag_bytes: u32_at(bytes, 32)? as usize,
            data: u32_at(bytes, 36)? as usize,
            metadata: u32_at(bytes, 40)? as usize,
            envelope: u32_at(bytes, 44)? as usize,
        })
    }
}

impl Layout {
    /// How many bytes the event takes, without zeros that fill its frame up.
    pub(super) fn bytes(&self) -> usize {
        let Self { event_type, stream, tag_bytes, data, metadata, envelope, .. } = self;
        FIXED_BYTES + event_type + stream + tag_bytes + data + metadata + envelope
    }
}

pub(super) const CUT: Nonsense = "an event in the frame is cut off";

fn slice(bytes: &Bytes, at: &mut usize, len: usize) -> Result<Bytes, Nonsense> {
    let end = at.checked_add(len).filter(|end| *end <= bytes.len()).ok_or(CUT)?;
    let part = bytes.slice(*at..end);
    *at = end;
    Ok(part)
}

pub(crate) fn text(bytes: Bytes) -> Result<ByteString, Nonsense> {
    ByteString::try_from(bytes).map_err(|_| "a text in the frame is not UTF-8")
}

pub(super) const BAD_NAME: Nonsense = "a name in the frame is not one";

fn parts(bytes: &Bytes, layout: &Layout, at: &mut usize) -> Result<EventParts, Nonsense> {
    let event_type = text(slice(bytes, at, layout.event_type)?)?;
    let event_type = EventType::new(event_type).map_err(|_| BAD_NAME)?;
    let stream = match layout.stream {
        0 => None,
        len => Some(StreamName::new(text(slice(bytes, at, len)?)?).map_err(|_| BAD_NAME)?),
    };
    let tags_end = *at + layout.tag_bytes;
    let mut tags = Vec::with_capacity(layout.tags.min(256));
    for _ in 0..layout.tags {
        let len = u16_at(bytes, *at).ok_or(CUT)? as usize;
        *at += 2;
        tags.push(Tag::new(text(slice(bytes, at, len)?)?).map_err(|_| BAD_NAME)?);
    }
    if *at != tags_end {
        return Err("the tags of an event in the frame do not fill their place");
    }
    let revision = (layout.revision != NO_REVISION).then_some(Revision(layout.revision));
    Ok(EventParts { id: decode_id(bytes)?, event_type, tags, stream, revision })
}

pub(crate) fn decode_parts(bytes: &Bytes) -> Result<EventParts, Nonsense> {
    let layout = Layout::of(bytes).ok_or(CUT)?;
    parts(bytes, &layout, &mut FIXED_BYTES.clone())
}

pub(crate) fn decode_id(bytes: &Bytes) -> Result<EventId, Nonsense> {
    let id: [u8; 16] = bytes.get(..16).and_then(|id| id.try_into().ok()).ok_or(CUT)?;
    Ok(EventId(uuid::Uuid::from_bytes(id)))
}

pub(crate) fn decode(
    bytes: &Bytes,
    position: Position,
    recorded_at: Timestamp,
) -> Result<RecordedEvent, Nonsense> {
    let layout = Layout::of(bytes).ok_or(CUT)?;
    let mut at = FIXED_BYTES;
    let EventParts { id, event_type, tags, stream, revision } = parts(bytes, &layout, &mut at)?;
    let data = slice(bytes, &mut at, layout.data)?;
    let metadata = slice(bytes, &mut at, layout.metadata)?;
    let (envelope, content_type) = envelope::decode(slice(bytes, &mut at, layout.envelope)?)?;
    if stream.is_some() != revision.is_some() {
        return Err("an event in the frame has a stream without a revision, or the reverse");
    }
    let place = stream.zip(revision).map(|(name, revision)| StreamPlace { name, revision });
    Ok(RecordedEvent {
        position,
        recorded_at,
        id,
        stream: place,
        event_type,
        tags,
        data,
        content_type,
        metadata,
        envelope,
    })
}
