//! A frame: one batch, whole or not at all (G1).
//!
//! ```text
//!  offset  bytes
//!       0      4  magic
//!       4      4  length of the frame, header included; a multiple of 8
//!       8      4  crc32 of the header without this field, seeded
//!      12      4  crc32 of the body, seeded
//!      16      8  position of the first event
//!      24      8  recorded_at, microseconds
//!      32      8  synced_upto: the last position known durable when this was written
//!      40      4  number of events; 0 in a mark
//!      44      4  bytes of the key, 0 without one
//!      48         body: key · offsets of the events (4 bytes each, from the body's begin) · events
//! ```
//!
//! The key is: three lengths (2 bytes each: principal, operation, key), 2 zeros, the request's hash
//! (32 bytes), the three texts. A *mark* is a frame without a body: it says no more than
//! `synced_upto`, is written at a clean stop, and is overwritten by the next frame.

use std::{path::Path, sync::Arc};

use bytes::{BufMut, Bytes};
use bytestring::ByteString;
use factum_store::{
    Append, EventId, IdempotencyKey, NewEvent, Position, Receipt, RecordedEvent, RequestHash,
    Revision, Timestamp,
};

use super::{
    dropped::{self, Dropped},
    event::{self, EventParts, REVISION_AT},
    header::SegmentHeader,
    segment::damage,
};
use crate::error::EngineError;

/// Bytes before the body.
pub(crate) const FRAME_HEADER_BYTES: usize = 48;
/// Frames begin at multiples of this.
pub(crate) const FRAME_ALIGN: usize = 8;

const MAGIC: u32 = 0x4d52_46fa;
const HEADER_CRC_AT: usize = 8;
const BODY_CRC_AT: usize = 12;
const KEY_HEAD_BYTES: usize = 8 + 32;
const _: () = assert!(FRAME_HEADER_BYTES.is_multiple_of(FRAME_ALIGN));

/// What is known of a frame only when it is written.
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) first: Position,
    pub(crate) recorded_at: Timestamp,
    pub(crate) synced_upto: Position,
}

/// A frame without its stamp: made by whoever appends, stamped by the writer.
#[derive(Default)]
pub(crate) struct Encoded {
    bytes: Vec<u8>,
    key_bytes: u32,
    events: Vec<u32>,
}

/// Gives the event of a slot its place in its stream.
pub(crate) struct Patch {
    pub(crate) slot: usize,
    pub(crate) revision: Revision,
}

impl Encoded {
    /// Encodes a batch whose events all have ids.
    pub(crate) fn new(append: &Append, ids: &[EventId]) -> Self {
        let mut bytes = vec![0; FRAME_HEADER_BYTES];
        if let Some(key) = &append.key {
            put_key(&mut bytes, key);
        }
        let key_bytes = (bytes.len() - FRAME_HEADER_BYTES) as u32;
        let table = bytes.len();
        bytes.resize(table + 4 * append.events.len(), 0);
        let mut events = Vec::with_capacity(append.events.len());
        for (slot, (new, id)) in append.events.iter().zip(ids).enumerate() {
            let at = (bytes.len() - FRAME_HEADER_BYTES) as u32;
            put_u32(&mut bytes, table + 4 * slot, at);
            events.push(at);
            put_event(&mut bytes, new, *id);
        }
        bytes.resize(bytes.len().next_multiple_of(FRAME_ALIGN), 0);
        Self { bytes, key_bytes, events }
    }

    /// Bytes of the frame.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// How many events are in it.
    pub(crate) fn count(&self) -> usize {
        self.events.len()
    }

    /// The finished frame, at `offset` of the segment.
    pub(crate) fn stamp(
        mut self,
        segment: &SegmentHeader,
        offset: u64,
        stamp: Stamp,
        patches: &[Patch],
    ) -> Vec<u8> {
        for Patch { slot, revision } in patches {
            let at = FRAME_HEADER_BYTES + self.events[*slot] as usize + REVISION_AT;
            self.bytes[at..at + 8].copy_from_slice(&revision.0.to_le_bytes());
        }
        let (count, key_bytes) = (self.events.len() as u32, self.key_bytes);
        put_header(&mut self.bytes, segment.seed(offset), stamp, count, key_bytes);
        self.bytes
    }
}

/// The mark of a clean stop.
pub(crate) fn mark(segment: &SegmentHeader, offset: u64, stamp: Stamp) -> Vec<u8> {
    let mut bytes = vec![0; FRAME_HEADER_BYTES];
    put_header(&mut bytes, segment.seed(offset), stamp, 0, 0);
    bytes
}

pub(super) fn put_header(bytes: &mut [u8], seed: u32, stamp: Stamp, count: u32, key_bytes: u32) {
    let len = bytes.len() as u32;
    put_u32(bytes, 0, MAGIC);
    put_u32(bytes, 4, len);
    bytes[16..24].copy_from_slice(&stamp.first.0.to_le_bytes());
    bytes[24..32].copy_from_slice(&stamp.recorded_at.micros.to_le_bytes());
    bytes[32..40].copy_from_slice(&stamp.synced_upto.0.to_le_bytes());
    put_u32(bytes, 40, count);
    put_u32(bytes, 44, key_bytes);
    let body = crc(seed, &[&bytes[FRAME_HEADER_BYTES..]]);
    put_u32(bytes, BODY_CRC_AT, body);
    let header = header_crc(seed, bytes);
    put_u32(bytes, HEADER_CRC_AT, header);
}

fn header_crc(seed: u32, bytes: &[u8]) -> u32 {
    crc(seed, &[&bytes[..HEADER_CRC_AT], &bytes[BODY_CRC_AT..FRAME_HEADER_BYTES]])
}

fn crc(seed: u32, parts: &[&[u8]]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize()
}

pub(super) fn put_u32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put_key(bytes: &mut Vec<u8>, key: &IdempotencyKey) {
    let texts = [&key.principal, &key.operation, &key.key];
    texts.iter().for_each(|text| bytes.put_u16_le(text.len() as u16));
    bytes.put_u16_le(0);
    bytes.extend_from_slice(&key.request.0);
    texts.iter().for_each(|text| bytes.extend_from_slice(text.as_bytes()));
}

fn put_event(bytes: &mut Vec<u8>, new: &NewEvent, id: EventId) {
    event::encode(bytes, new, id);
}

/// The header of a frame whose checksum fits: its length can be trusted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameHeader {
    pub(crate) len: u32,
    body_crc: u32,
    pub(crate) first: Position,
    pub(crate) recorded_at: Timestamp,
    pub(crate) synced_upto: Position,
    pub(crate) count: u32,
    pub(super) key_bytes: u32,
}

impl FrameHeader {
    /// Reads a header at `offset` of the segment; `None` when these bytes are none.
    pub(crate) fn decode(segment: &SegmentHeader, offset: u64, bytes: &[u8]) -> Option<Self> {
        let header: &[u8; FRAME_HEADER_BYTES] = bytes.first_chunk()?;
        let word = |at: usize| u32_at(header, at).unwrap_or_default();
        let long = |at: usize| u64_at(header, at).unwrap_or_default();
        if word(0) != MAGIC || word(HEADER_CRC_AT) != header_crc(segment.seed(offset), header) {
            return None;
        }
        let len = word(4);
        let aligned = (len as usize).is_multiple_of(FRAME_ALIGN);
        (aligned && len as usize >= FRAME_HEADER_BYTES).then(|| Self {
            len,
            body_crc: word(BODY_CRC_AT),
            first: Position(long(16)),
            recorded_at: Timestamp::from_micros(long(24)),
            synced_upto: Position(long(32)),
            count: word(40),
            key_bytes: word(44),
        })
    }

    /// Whether it is the mark of a clean stop.
    pub(crate) fn is_mark(&self) -> bool {
        self.count == 0
    }

    /// Whether the body's checksum fits.
    pub(crate) fn body_fits(&self, segment: &SegmentHeader, offset: u64, body: &[u8]) -> bool {
        body.len() + FRAME_HEADER_BYTES == self.len as usize
            && crc(segment.seed(offset), &[body]) == self.body_crc
    }
}

/// A frame that was checked, and whose events are decoded when they are asked for. Everything that
/// it hands out are slices of the same bytes.
#[derive(Clone)]
pub(crate) struct Frame {
    /// The segment's file, for errors.
    path: Arc<Path>,
    pub(super) header: FrameHeader,
    /// Where it begins in the segment.
    offset: u64,
    pub(super) body: Bytes,
}

/// A frame whose checksums fit, and whose content still makes no sense: a bug, or a foreign writer.
pub(crate) type Nonsense = &'static str;

impl Frame {
    /// The frame of a header and its checked body.
    pub(crate) fn new(path: Arc<Path>, header: FrameHeader, offset: u64, body: Bytes) -> Self {
        Self { path, header, offset, body }
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where the next frame begins.
    pub(crate) fn end(&self) -> u64 {
        self.offset + u64::from(self.header.len)
    }

    pub(crate) fn first(&self) -> Position {
        self.header.first
    }

    pub(crate) fn last(&self) -> Position {
        Position(self.header.first.0 + u64::from(self.header.count)).prev()
    }

    pub(crate) fn count(&self) -> u32 {
        self.header.count
    }

    pub(crate) fn recorded_at(&self) -> Timestamp {
        self.header.recorded_at
    }

    /// The type, tags and stream of an event, without touching its body.
    /// `None` when a compaction has dropped it.
    pub(crate) fn peek(&self, slot: u32) -> Result<Option<EventParts>, EngineError> {
        self.sound(self.event_bytes(slot).and_then(|bytes| match dropped::is_dropped(&bytes) {
            true => Ok(None),
            false => event::decode_parts(&bytes).map(Some),
        }))
    }

    /// What is left of an event that a compaction has dropped; `None` when it was not.
    pub(crate) fn dropped(&self, slot: u32) -> Result<Option<Dropped>, EngineError> {
        self.sound(self.event_bytes(slot).and_then(|bytes| dropped::decode(&bytes)))
    }

    /// A whole event, which was not dropped.
    pub(crate) fn event(&self, slot: u32) -> Result<RecordedEvent, EngineError> {
        let position = Position(self.header.first.0 + u64::from(slot));
        let at = self.header.recorded_at;
        self.sound(self.event_bytes(slot).and_then(|b| event::decode(&b, position, at)))
    }

    /// An event's identity.
    pub(crate) fn id(&self, slot: u32) -> Result<EventId, EngineError> {
        self.sound(self.event_bytes(slot).and_then(|bytes| event::decode_id(&bytes)))
    }

    /// Content that makes no sense is damage, whatever the checksums say.
    pub(super) fn sound<T>(&self, decoded: Result<T, Nonsense>) -> Result<T, EngineError> {
        decoded.map_err(|what| damage(&self.path, self.offset, self.first(), what))
    }

    /// The key that the batch was appended under.
    pub(crate) fn key(&self) -> Result<Option<IdempotencyKey>, EngineError> {
        self.sound(self.decode_key())
    }

    fn decode_key(&self) -> Result<Option<IdempotencyKey>, Nonsense> {
        if self.header.key_bytes == 0 {
            return Ok(None);
        }
        let cut = "the frame's key is cut off";
        let key = self.body.get(..self.header.key_bytes as usize).ok_or(cut)?;
        let lengths = [0, 2, 4].map(|at| u16_at(key, at).unwrap_or_default() as usize);
        let request =
            key.get(8..KEY_HEAD_BYTES).and_then(|hash| hash.try_into().ok()).ok_or(cut)?;
        let mut at = KEY_HEAD_BYTES;
        let mut texts = lengths.iter().map(|len| {
            let text = self.body.get(at..at + len).ok_or(cut)?;
            at += len;
            ByteString::try_from(self.body.slice_ref(text)).map_err(|_| "the key is not UTF-8")
        });
        let mut text = || texts.next().unwrap_or(Err(cut));
        Ok(Some(IdempotencyKey {
            principal: text()?,
            operation: text()?,
            key: text()?,
            request: RequestHash(request),
        }))
    }

    /// What was answered for the batch.
    pub(crate) fn receipt(&self) -> Result<Receipt, EngineError> {
        let ids = (0..self.header.count).map(|slot| self.id(slot)).collect::<Result<_, _>>()?;
        let (first, last, recorded_at) = (self.first(), self.last(), self.recorded_at());
        Ok(Receipt { first, last, recorded_at, ids, replayed: false })
    }

    pub(super) fn event_bytes(&self, slot: u32) -> Result<Bytes, Nonsense> {
        let cut = "the frame's table of events is cut off";
        if slot >= self.header.count {
            return Err("the frame has no such event");
        }
        let table = self.header.key_bytes as usize;
        let begin = |slot: u32| u32_at(&self.body, table + 4 * slot as usize).map(|at| at as usize);
        let start = begin(slot).ok_or(cut)?;
        let end = match slot + 1 == self.header.count {
            true => self.body.len(),
            false => begin(slot + 1).ok_or(cut)?,
        };
        if start > end || end > self.body.len() {
            return Err(cut);
        }
        Ok(self.body.slice(start..end))
    }
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}
