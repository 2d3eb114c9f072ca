//! One event in a frame's body: its lengths, then what is looked at by queries, then the rest.
//!
//! ```text
//!  bytes
//!      2  flags: 1 has an id of its own · 2 is in a stream · 4 has metadata · 8 has an envelope ·
//!         16 was dropped: see `dropped`
//!      2  bytes of the type
//!      2  number of tags
//!      4  bytes of the data
//!     16  id, with flag 1; without it the ledger made the id, and it follows from the place
//!      8  revision, with flag 2
//!      2  bytes of the stream's name, with flag 2
//!      4  bytes of the metadata, with flag 4
//!      4  bytes of the envelope, with flag 8
//!         type · stream · tags (2 bytes of length, text) · data · metadata · envelope
//! ```
//!
//! [`EventRef`] is an event as it lies there: nothing is copied and nothing is allocated, so a scan
//! costs little more than the checksum.

use bytes::{BufMut, Bytes};
use bytestring::ByteString;
use factum_store::{
    EventId, EventType, Named, NewEvent, Position, RecordedEvent, Revision, StreamName,
    StreamPlace, Tag, Timestamp,
};

use super::{envelope, frame::Nonsense};

pub(super) const OWN_ID: u16 = 1;
pub(super) const IN_STREAM: u16 = 2;
const METADATA: u16 = 4;
const ENVELOPE: u16 = 8;
pub(super) const DROPPED: u16 = 16;
const HEAD_BYTES: usize = 10;
const ID_BYTES: usize = 16;

/// Appends an event to a frame under construction. The revision is left for the writer to fill in.
pub(super) fn encode(bytes: &mut Vec<u8>, new: &NewEvent) {
    let start = bytes.len();
    bytes.put_u16_le(0);
    bytes.put_u16_le(new.event_type.as_str().len() as u16);
    bytes.put_u16_le(new.tags.len() as u16);
    bytes.put_u32_le(new.data.len() as u32);
    let mut flags = 0;
    if let Some(id) = new.id {
        flags |= OWN_ID;
        bytes.extend_from_slice(id.0.as_bytes());
    }
    if let Some(stream) = &new.stream {
        flags |= IN_STREAM;
        bytes.put_u64_le(u64::MAX);
        bytes.put_u16_le(stream.as_str().len() as u16);
    }
    if !new.metadata.is_empty() {
        flags |= METADATA;
        bytes.put_u32_le(new.metadata.len() as u32);
    }
    let envelope = envelope::encode(&new.envelope, &new.content_type);
    if !envelope.is_empty() {
        flags |= ENVELOPE;
        bytes.put_u32_le(envelope.len() as u32);
    }
    bytes[start..start + 2].copy_from_slice(&flags.to_le_bytes());
    bytes.extend_from_slice(new.event_type.as_str().as_bytes());
    bytes.extend_from_slice(new.stream.as_ref().map_or("", StreamName::as_str).as_bytes());
    for tag in &new.tags {
        bytes.put_u16_le(tag.as_str().len() as u16);
        bytes.extend_from_slice(tag.as_str().as_bytes());
    }
    bytes.extend_from_slice(&new.data);
    bytes.extend_from_slice(&new.metadata);
    bytes.extend_from_slice(&envelope);
}

/// Fills in the revision of the event that begins these bytes, which is in a stream.
pub(super) fn put_revision(event: &mut [u8], revision: Revision) {
    let at = HEAD_BYTES + if u16::from(event[0]) & OWN_ID == 0 { 0 } else { ID_BYTES };
    event[at..at + 8].copy_from_slice(&revision.0.to_le_bytes());
}

/// An event as it lies in the log.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct EventRef<'a> {
    /// Its place in its ledger.
    pub position: Position,
    /// When, by the ledger's clock.
    pub recorded_at: Timestamp,
    /// Its identity.
    pub id: EventId,
    /// Whether that id came with it: otherwise the ledger made it.
    pub(crate) own_id: bool,
    /// What kind of fact it is.
    pub event_type: &'a str,
    /// The stream it is in and its place there, if it is in one.
    pub stream: Option<(&'a str, Revision)>,
    /// Its labels, sorted.
    pub tags: TagsRef<'a>,
    /// The payload.
    pub data: &'a [u8],
    /// What the user added: a JSON object, or empty.
    pub metadata: &'a [u8],
    envelope: &'a [u8],
    /// All of it.
    pub(super) bytes: &'a [u8],
}

/// The labels of an event as they lie in the log.
#[derive(Clone, Copy, Debug)]
pub struct TagsRef<'a>(&'a [u8]);

impl<'a> TagsRef<'a> {
    /// The labels, in order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut rest = Cut(self.0);
        // Checked when the event was decoded: texts of these lengths lie here, and nothing else.
        std::iter::from_fn(move || {
            let len = rest.u16().ok()?;
            std::str::from_utf8(rest.take(len.into()).ok()?).ok()
        })
    }
}

impl Named for EventRef<'_> {
    fn event_type(&self) -> &str {
        self.event_type
    }

    fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|mine| mine == tag)
    }

    fn stream(&self) -> Option<&str> {
        self.stream.map(|(name, _)| name)
    }
}

pub(super) const CUT: Nonsense = "an event in the frame is cut off";

/// Bytes that are taken off from the front.
pub(super) struct Cut<'a>(pub(super) &'a [u8]);

impl<'a> Cut<'a> {
    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], Nonsense> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(CUT)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Nonsense> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(CUT)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Nonsense> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Nonsense> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn text(&mut self, len: usize) -> Result<&'a str, Nonsense> {
        std::str::from_utf8(self.take(len)?).map_err(|_| "a text in the frame is not UTF-8")
    }
}

/// Reads the event that these bytes begin with; `None` when it was dropped. `made` is its id if the
/// ledger made it.
pub(super) fn decode<'a>(
    bytes: &'a [u8],
    position: Position,
    recorded_at: Timestamp,
    made: impl FnOnce() -> EventId,
) -> Result<Option<EventRef<'a>>, Nonsense> {
    let mut rest = Cut(bytes);
    let (flags, type_bytes, tags) = (rest.u16()?, rest.u16()?, rest.u16()?);
    if flags & DROPPED != 0 {
        return Ok(None);
    }
    if flags & !(OWN_ID | IN_STREAM | METADATA | ENVELOPE) != 0 {
        return Err("an event in the frame has an unknown part");
    }
    let data_bytes = rest.u32()?;
    let id = match flags & OWN_ID {
        0 => made(),
        _ => EventId(uuid::Uuid::from_bytes(rest.array()?)),
    };
    let place = match flags & IN_STREAM {
        0 => None,
        _ => Some((Revision(u64::from_le_bytes(rest.array()?)), rest.u16()?)),
    };
    let metadata_bytes = if flags & METADATA == 0 { 0 } else { rest.u32()? };
    let envelope_bytes = if flags & ENVELOPE == 0 { 0 } else { rest.u32()? };
    let event_type = rest.text(type_bytes.into())?;
    let stream = match place {
        None => None,
        Some((revision, len)) => Some((rest.text(len.into())?, revision)),
    };
    let from = rest.0;
    for _ in 0..tags {
        let len = rest.u16()?;
        rest.text(len.into())?;
    }
    let tags = TagsRef(&from[..from.len() - rest.0.len()]);
    let data = rest.take(data_bytes as usize)?;
    let metadata = rest.take(metadata_bytes as usize)?;
    let envelope = rest.take(envelope_bytes as usize)?;
    Ok(Some(EventRef {
        position,
        recorded_at,
        id,
        own_id: flags & OWN_ID != 0,
        event_type,
        stream,
        tags,
        data,
        metadata,
        envelope,
        bytes: &bytes[..bytes.len() - rest.0.len()],
    }))
}

pub(super) const BAD_NAME: Nonsense = "a name in the frame is not one";

pub(super) fn text(bytes: Bytes) -> Result<ByteString, Nonsense> {
    ByteString::try_from(bytes).map_err(|_| "a text in the frame is not UTF-8")
}

/// A stream's name as a value that shares nothing.
pub(super) fn name_of(name: &str) -> Result<StreamName, Nonsense> {
    StreamName::new(ByteString::from(name)).map_err(|_| BAD_NAME)
}

impl EventRef<'_> {
    /// The event as a value of its own that shares the frame's bytes, of which this is a part.
    pub(super) fn share(&self, frame: &Bytes) -> Result<RecordedEvent, Nonsense> {
        let name = |part: &str| text(frame.slice_ref(part.as_bytes()));
        let event_type = EventType::new(name(self.event_type)?).map_err(|_| BAD_NAME)?;
        let stream = match self.stream {
            None => None,
            Some((stream, revision)) => {
                let name = StreamName::new(name(stream)?).map_err(|_| BAD_NAME)?;
                Some(StreamPlace { name, revision })
            }
        };
        let tags = self.tags.iter().map(|tag| Tag::new(name(tag)?).map_err(|_| BAD_NAME));
        let tags = tags.collect::<Result<_, _>>()?;
        let (envelope, content_type) = envelope::decode(frame.slice_ref(self.envelope))?;
        Ok(RecordedEvent {
            position: self.position,
            recorded_at: self.recorded_at,
            id: self.id,
            stream,
            event_type,
            tags,
            data: frame.slice_ref(self.data),
            content_type,
            metadata: frame.slice_ref(self.metadata),
            envelope,
        })
    }
}
