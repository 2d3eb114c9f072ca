//! A frame: one batch, whole or not at all (G1).
//!
//! ```text
//!  offset  bytes
//!       0      4  crc32 of bytes 8 to 35, seeded: when it fits, the length can be trusted
//!       4      4  crc32 of the body, of several events up to the first event, begun with the one before
//!       8      4  length of the frame, header included; a multiple of 8
//!      12      4  number of events, 0 in a mark; the highest bit says that there is a key
//!      16      8  position of the first event
//!      24      8  recorded_at, microseconds
//!      32      4  how many events before the first were not known durable when this was written
//!      36         body: key · of several events a row each · events · zeros up to the length
//! ```
//!
//! A row is: where the event begins, counted from the first (4 bytes), and the crc32 of its bytes up
//! to the next, begun with the header's plus its slot. So one event of a large batch is read and
//! checked without the others.
//!
//! The key is: three lengths (2 bytes each: principal, operation, key), 2 zeros, the request's hash
//! (32 bytes), the three texts. A *mark* is a frame without a body: it says no more than
//! `synced_upto`, is written at a clean stop, and is overwritten by the next frame.

use std::{ops::Range, path::Path, sync::Arc};

use bytes::{BufMut, Bytes};
use bytestring::ByteString;
use factum_store::{
    Append, EventId, IdempotencyKey, Position, Receipt, RecordedEvent, RequestHash, Revision,
    Timestamp,
};

use super::{
    dropped::{self, Dropped},
    event::{self, EventRef},
    header::SegmentHeader,
    id::IdRoot,
    segment::damage,
};
use crate::{error::EngineError, sabotage::checksum_ignored};

/// Bytes before the body.
pub(crate) const FRAME_HEADER_BYTES: usize = 36;
/// Frames begin at multiples of this.
pub(crate) const FRAME_ALIGN: usize = 8;
/// Bytes of a mark.
pub(crate) const MARK_BYTES: usize = FRAME_HEADER_BYTES.next_multiple_of(FRAME_ALIGN);

/// No position is greater: a number beyond it was never written.
pub(crate) const POSITION_MOST: u64 = i64::MAX as u64;

const BODY_CRC_AT: usize = 4;
const CHECKED_AT: usize = 8;
/// Bytes that a key begins with: they say how long it is.
pub(super) const KEY_LENGTHS_BYTES: usize = 8;
const KEY_HEAD_BYTES: usize = KEY_LENGTHS_BYTES + 32;
/// Bytes of a row.
pub(super) const ROW_BYTES: usize = 8;
pub(super) const KEYED: u32 = 1 << 31;

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
    /// The number of events, with [`KEYED`].
    count: u32,
    /// Where the first event begins.
    events_at: usize,
}

/// Gives the event of a slot its place in its stream.
pub(crate) struct Patch {
    pub(crate) slot: usize,
    pub(crate) revision: Revision,
}

impl Encoded {
    /// Encodes a batch.
    pub(crate) fn new(append: &Append) -> Self {
        let payload: usize = append.events.iter().map(|event| event.data.len() + 128).sum();
        let mut bytes = Vec::with_capacity(FRAME_HEADER_BYTES + payload);
        bytes.resize(FRAME_HEADER_BYTES, 0);
        let mut count = append.events.len() as u32;
        if let Some(key) = &append.key {
            put_key(&mut bytes, key);
            count |= KEYED;
        }
        let mut table = Table::begin(&mut bytes, append.events.len() as u32);
        for new in &append.events {
            table.row(&mut bytes);
            event::encode(&mut bytes, new);
        }
        bytes.resize(bytes.len().next_multiple_of(FRAME_ALIGN), 0);
        Self { bytes, count, events_at: table.events_at }
    }

    /// Bytes of the frame.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// How many events are in it.
    pub(crate) fn count(&self) -> usize {
        (self.count & !KEYED) as usize
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
            let table = self.events_at - table_bytes(self.count() as u32);
            // A single event has no row: what is read there are zeros of the header, or its key's.
            let begin = match self.count() {
                1 => 0,
                _ => u32_at(&self.bytes, table + ROW_BYTES * slot).unwrap_or_default() as usize,
            };
            event::put_revision(&mut self.bytes[self.events_at + begin..], *revision);
        }
        finish(&mut self.bytes, segment.seed(offset), stamp, self.count, self.events_at);
        self.bytes
    }
}

/// The rows of a frame that is being made.
pub(super) struct Table {
    rows_at: usize,
    row: usize,
    pub(super) events_at: usize,
    several: bool,
}

impl Table {
    /// Leaves room for the rows.
    pub(super) fn begin(bytes: &mut Vec<u8>, count: u32) -> Self {
        let rows_at = bytes.len();
        bytes.resize(rows_at + table_bytes(count), 0);
        Self { rows_at, row: 0, events_at: bytes.len(), several: count > 1 }
    }

    /// The next event begins here.
    pub(super) fn row(&mut self, bytes: &mut [u8]) {
        if self.several {
            let begin = (bytes.len() - self.events_at) as u32;
            put_u32(bytes, self.rows_at + ROW_BYTES * self.row, begin);
            self.row += 1;
        }
    }
}

/// Bytes of the rows of a frame of so many events.
fn table_bytes(count: u32) -> usize {
    if count > 1 { ROW_BYTES * count as usize } else { 0 }
}

#[cfg(feature = "fuzzing")]
impl Encoded {
    /// A frame of any body, which its header says to have so many events, under a key or not.
    pub(crate) fn of_body(body: &[u8], count: u32) -> Self {
        let mut bytes = [&[0; FRAME_HEADER_BYTES], body].concat();
        bytes.resize(bytes.len().next_multiple_of(FRAME_ALIGN), 0);
        let key = if count & KEYED == 0 { Some(0) } else { key_bytes(&bytes) };
        let table = FRAME_HEADER_BYTES + key.unwrap_or_default();
        let events_at = table + table_bytes(count & !KEYED);
        // Rows are filled in, so that there must be room for them.
        bytes.resize(bytes.len().max(events_at).next_multiple_of(FRAME_ALIGN), 0);
        Self { bytes, count, events_at }
    }

    /// What its header says of its events, and the body.
    pub(crate) fn into_body(mut self) -> (u32, Vec<u8>) {
        (self.count, self.bytes.split_off(FRAME_HEADER_BYTES))
    }
}

/// The mark of a clean stop.
pub(crate) fn mark(segment: &SegmentHeader, offset: u64, stamp: Stamp) -> Vec<u8> {
    let mut bytes = vec![0; MARK_BYTES];
    finish(&mut bytes, segment.seed(offset), stamp, 0, FRAME_HEADER_BYTES);
    bytes
}

/// Fills in the header and all checksums. The first event begins at `events_at`.
pub(super) fn finish(bytes: &mut [u8], seed: u32, stamp: Stamp, count: u32, events_at: usize) {
    let len = bytes.len();
    let behind = stamp.first.prev().0 - stamp.synced_upto.0;
    put_u32(bytes, 8, len as u32);
    put_u32(bytes, 12, count);
    bytes[16..24].copy_from_slice(&stamp.first.0.to_le_bytes());
    bytes[24..32].copy_from_slice(&stamp.recorded_at.micros.to_le_bytes());
    put_u32(bytes, 32, u32::try_from(behind).unwrap_or(u32::MAX));
    let header = crc(seed, &bytes[CHECKED_AT..FRAME_HEADER_BYTES]);
    put_u32(bytes, 0, header);
    let several = count & !KEYED;
    let mut body_end = bytes.len();
    if several > 1 {
        body_end = events_at;
        let rows = Rows { table: events_at - table_bytes(several), events_at, count: several, len };
        for slot in 0..several {
            let event = rows.event(bytes, slot).and_then(|(event, _)| bytes.get(event));
            let crc = crc(header.wrapping_add(slot), event.unwrap_or_default());
            put_u32(bytes, rows.row(slot).start + 4, crc);
        }
    }
    let body = crc(header, &bytes[FRAME_HEADER_BYTES..body_end]);
    put_u32(bytes, BODY_CRC_AT, body);
}

fn crc(seed: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(seed);
    hasher.update(bytes);
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

/// The header of a frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FrameHeader {
    pub(crate) len: u32,
    pub(crate) first: Position,
    pub(crate) recorded_at: Timestamp,
    pub(crate) synced_upto: Position,
    pub(crate) count: u32,
    pub(super) keyed: bool,
}

impl FrameHeader {
    /// Reads a header whose checksum fits: its length can be trusted. `None` when these bytes are
    /// none.
    pub(crate) fn decode(segment: &SegmentHeader, offset: u64, bytes: &[u8]) -> Option<Self> {
        let header: &[u8; FRAME_HEADER_BYTES] = bytes.first_chunk()?;
        let fits = u32_at(header, 0)? == crc(segment.seed(offset), &header[CHECKED_AT..]);
        if fits { Self::of(header) } else { None }
    }

    /// Whether all checksums of the body fit. `frame` begins with the frame whose header this is.
    pub(crate) fn body_fits(&self, frame: &[u8]) -> bool {
        self.fitting(frame).is_some_and(|fits| fits || checksum_ignored())
    }

    fn fitting(&self, frame: &[u8]) -> Option<bool> {
        let frame = frame.get(..self.len as usize)?;
        let (header, stored) = (u32_at(frame, 0)?, u32_at(frame, BODY_CRC_AT)?);
        if self.count < 2 {
            return Some(stored == crc(header, &frame[FRAME_HEADER_BYTES..]));
        }
        let rows = self.rows(frame)?;
        if stored != crc(header, frame.get(FRAME_HEADER_BYTES..rows.events_at)?) {
            return Some(false);
        }
        for slot in 0..self.count {
            let (event, stored) = rows.event(frame, slot)?;
            if stored != crc(header.wrapping_add(slot), frame.get(event)?) {
                return Some(false);
            }
        }
        Some(true)
    }

    /// Where the events of the frame lie. `frame` begins with its header and its key.
    pub(super) fn rows(&self, frame: &[u8]) -> Option<Rows> {
        let table = FRAME_HEADER_BYTES + self.key_bytes(frame)?;
        let events_at = table + table_bytes(self.count);
        Some(Rows { table, events_at, count: self.count, len: self.len as usize })
    }

    /// Bytes of the key that the body begins with.
    pub(super) fn key_bytes(&self, frame: &[u8]) -> Option<usize> {
        if self.keyed { key_bytes(frame) } else { Some(0) }
    }

    fn of(header: &[u8; FRAME_HEADER_BYTES]) -> Option<Self> {
        let (len, count) = (u32_at(header, 8)?, u32_at(header, 12)?);
        let aligned = (len as usize).is_multiple_of(FRAME_ALIGN);
        let first = u64_at(header, 16)?;
        // Positions are counted with from here on: no ledger comes near the end of the numbers.
        let next = first.checked_add(u64::from(count & !KEYED))?;
        let aligned = aligned && next <= POSITION_MOST;
        let synced_upto = first.checked_sub(1)?.saturating_sub(u32_at(header, 32)?.into());
        (aligned && len as usize >= FRAME_HEADER_BYTES).then_some(Self {
            len,
            first: Position(first),
            recorded_at: Timestamp::from_micros(u64_at(header, 24)?),
            synced_upto: Position(synced_upto),
            count: count & !KEYED,
            keyed: count & KEYED != 0,
        })
    }

    /// Whether it is the mark of a clean stop.
    pub(crate) fn is_mark(&self) -> bool {
        self.count == 0
    }
}

/// A frame whose checksums fit, and whose content still makes no sense: a bug, or a foreign writer.
pub(crate) type Nonsense = &'static str;

fn key_bytes(frame: &[u8]) -> Option<usize> {
    let length = |at| u16_at(frame, FRAME_HEADER_BYTES + at).map(usize::from);
    Some(KEY_HEAD_BYTES + length(0)? + length(2)? + length(4)?)
}

/// Where the events of a frame lie.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    table: usize,
    pub(super) events_at: usize,
    count: u32,
    len: usize,
}

impl Rows {
    /// Which bytes of a frame have the row of a slot, and where the next event begins.
    pub(super) fn row(&self, slot: u32) -> Range<usize> {
        let row = self.table + ROW_BYTES * slot as usize;
        let last = slot + 1 >= self.count;
        row..row + if last { ROW_BYTES } else { ROW_BYTES + 4 }
    }

    /// Which bytes of the frame are an event, and their checksum. `row` is what [`Rows::row`] named.
    pub(super) fn event_by(&self, row: &[u8]) -> Option<(Range<usize>, u32)> {
        let begin = self.events_at + u32_at(row, 0)? as usize;
        let end = match row.len() > ROW_BYTES {
            true => self.events_at + u32_at(row, ROW_BYTES)? as usize,
            false => self.len,
        };
        (begin <= end && end <= self.len).then_some((begin..end, u32_at(row, 4)?))
    }

    fn event(&self, frame: &[u8], slot: u32) -> Option<(Range<usize>, u32)> {
        self.event_by(frame.get(self.row(slot))?)
    }
}

/// Whether the bytes of one event of a frame of several are what was written.
pub(super) fn event_fits(frame: &[u8], slot: u32, event: &[u8], stored: u32) -> bool {
    let fits = |header: u32| stored == crc(header.wrapping_add(slot), event);
    u32_at(frame, 0).is_some_and(fits) || checksum_ignored()
}

/// A checked frame as it lies in a buffer.
#[derive(Clone, Copy)]
pub(crate) struct FrameRef<'a> {
    pub(crate) header: FrameHeader,
    id_root: IdRoot,
    /// All of it, header included; or no more than one of its events.
    pub(super) bytes: &'a [u8],
    only: Option<u32>,
}

impl<'a> FrameRef<'a> {
    /// The frame of a checked header and its bytes.
    pub(super) fn new(header: FrameHeader, id_root: IdRoot, bytes: &'a [u8]) -> Self {
        Self { header, id_root, bytes: &bytes[..header.len as usize], only: None }
    }

    /// The position after its last event.
    pub(crate) fn next(&self) -> Position {
        Position(self.header.first.0 + u64::from(self.header.count))
    }

    /// An event, without copying any of it; `None` when it was dropped.
    pub(crate) fn event(&self, slot: u32) -> Result<Option<EventRef<'a>>, Nonsense> {
        let position = Position(self.header.first.0 + u64::from(slot));
        let (bytes, at) = (self.event_bytes(slot)?, self.header.recorded_at);
        event::decode(bytes, position, at, || self.id_root.id(at, position))
    }

    /// What is left of an event that was dropped, and in how many bytes; `None` when it was not.
    pub(super) fn dropped(&self, slot: u32) -> Result<Option<(Dropped, usize)>, Nonsense> {
        let position = Position(self.header.first.0 + u64::from(slot));
        let at = self.header.recorded_at;
        dropped::decode(self.event_bytes(slot)?, || self.id_root.id(at, position))
    }

    pub(super) fn event_bytes(&self, slot: u32) -> Result<&'a [u8], Nonsense> {
        let cut = "the frame's table of events is cut off";
        if slot >= self.header.count {
            return Err("the frame has no such event");
        }
        if let Some(only) = self.only {
            return if slot == only { Ok(self.bytes) } else { Err("no more than one was read") };
        }
        let rows = self.header.rows(self.bytes).ok_or(cut)?;
        if self.header.count == 1 {
            return self.bytes.get(rows.events_at..).ok_or(cut);
        }
        let (event, _) = rows.event(self.bytes, slot).ok_or(cut)?;
        self.bytes.get(event).ok_or(cut)
    }
}

/// A checked frame, whose events are decoded when they are asked for. Everything that it hands out
/// are slices of the same bytes.
#[derive(Clone)]
pub(crate) struct Frame {
    /// The segment's file, for errors.
    path: Arc<Path>,
    pub(super) header: FrameHeader,
    id_root: IdRoot,
    /// Where it begins in the segment.
    offset: u64,
    /// All of it, header included; or no more than the bytes of one of its events.
    bytes: Bytes,
    only: Option<u32>,
}

impl Frame {
    /// The frame of a checked header and its bytes.
    pub(super) fn new(
        path: Arc<Path>,
        header: FrameHeader,
        id_root: IdRoot,
        offset: u64,
        bytes: Bytes,
    ) -> Self {
        Self { path, header, id_root, offset, bytes, only: None }
    }

    /// Of a frame of several events no more than this one, which was checked.
    pub(super) fn only(self, slot: u32, event: Bytes) -> Self {
        Self { bytes: event, only: Some(slot), ..self }
    }

    /// Whether the event of a slot can be had from it.
    pub(crate) fn has(&self, slot: u32) -> bool {
        slot < self.count() && self.only.is_none_or(|only| only == slot)
    }

    /// The slot of the only event of it that was read, if that is not all.
    pub(crate) fn read_slot(&self) -> Option<u32> {
        self.only
    }

    /// Bytes of memory that it holds on to.
    pub(crate) fn held_bytes(&self) -> u64 {
        self.bytes.len() as u64
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

    /// An event as it lies in the frame; `None` when a compaction has dropped it.
    pub(crate) fn peek(&self, slot: u32) -> Result<Option<EventRef<'_>>, EngineError> {
        self.sound(self.as_ref().event(slot))
    }

    /// What is left of an event that a compaction has dropped; `None` when it was not.
    pub(crate) fn dropped(&self, slot: u32) -> Result<Option<Dropped>, EngineError> {
        Ok(self.sound(self.as_ref().dropped(slot))?.map(|(dropped, _)| dropped))
    }

    /// A whole event, which was not dropped.
    pub(crate) fn event(&self, slot: u32) -> Result<RecordedEvent, EngineError> {
        let event = self.as_ref().event(slot).and_then(|event| match event {
            Some(event) => event.share(&self.bytes),
            None => Err("the event was dropped by a compaction"),
        });
        self.sound(event)
    }

    /// An event's identity.
    pub(crate) fn id(&self, slot: u32) -> Result<EventId, EngineError> {
        match self.peek(slot)? {
            Some(event) => Ok(event.id),
            None => {
                let id = self.dropped(slot)?.map(|dropped| dropped.id);
                self.sound(id.ok_or("an event in the frame is neither there nor dropped"))
            }
        }
    }

    /// The key that the batch was appended under.
    pub(crate) fn key(&self) -> Result<Option<IdempotencyKey>, EngineError> {
        self.sound(self.decode_key())
    }

    /// What was answered for the batch.
    pub(crate) fn receipt(&self) -> Result<Receipt, EngineError> {
        let ids = (0..self.header.count).map(|slot| self.id(slot)).collect::<Result<_, _>>()?;
        let (first, last, recorded_at) = (self.first(), self.last(), self.recorded_at());
        Ok(Receipt { first, last, recorded_at, ids, replayed: false })
    }

    /// The same as it lies in its bytes.
    pub(super) fn as_ref(&self) -> FrameRef<'_> {
        let (header, id_root, only) = (self.header, self.id_root, self.only);
        FrameRef { header, id_root, bytes: &self.bytes, only }
    }

    /// Content that makes no sense is damage, whatever the checksums say.
    pub(super) fn sound<T>(&self, decoded: Result<T, Nonsense>) -> Result<T, EngineError> {
        decoded.map_err(|what| damage(&self.path, self.offset, self.first(), what))
    }

    fn decode_key(&self) -> Result<Option<IdempotencyKey>, Nonsense> {
        if !self.header.keyed {
            return Ok(None);
        }
        let cut = "the frame's key is cut off";
        let end = FRAME_HEADER_BYTES + self.header.key_bytes(&self.bytes).ok_or(cut)?;
        let key = self.bytes.get(FRAME_HEADER_BYTES..end).ok_or(cut)?;
        let lengths = [0, 2, 4].map(|at| u16_at(key, at).unwrap_or_default() as usize);
        let request =
            key.get(8..KEY_HEAD_BYTES).and_then(|hash| hash.try_into().ok()).ok_or(cut)?;
        let mut at = KEY_HEAD_BYTES;
        let mut texts = lengths.iter().map(|len| {
            let text = key.get(at..at + len).ok_or(cut)?;
            at += len;
            ByteString::try_from(self.bytes.slice_ref(text)).map_err(|_| "the key is not UTF-8")
        });
        let mut text = || texts.next().unwrap_or(Err(cut));
        Ok(Some(IdempotencyKey {
            principal: text()?,
            operation: text()?,
            key: text()?,
            request: RequestHash(request),
        }))
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
