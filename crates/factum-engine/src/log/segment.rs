//! [`Segment`]: a file of frames, as a reader has it.

use std::{ops::Range, path::Path, sync::Arc};

use bytes::Bytes;
use factum_store::Position;

use super::{
    frame::{
        FRAME_HEADER_BYTES, Frame, FrameHeader, FrameRef, KEY_LENGTHS_BYTES, ROW_BYTES, event_fits,
    },
    header::{HeaderError, SEGMENT_FORMAT, SEGMENT_HEADER_BYTES, SegmentHeader},
    packed::Packed,
    packing::{HEAD_BYTES, PACKING_AT, Packing},
};
use crate::{
    error::{Damage, EngineError},
    machine::{File, Machine},
};

/// Bytes read for a frame before its length is known: most frames are smaller.
const FIRST_READ_BYTES: usize = 4_096;
/// Of a frame that is longer than this one event is read alone.
const LARGE_BYTES: usize = 16 << 10;
/// Bytes that are read ahead at first. Each further piece is twice as long as the one before, up to
/// [`SCAN_BYTES`]: who wants a page reads little more than it, and so keeps little in memory, which
/// its events share; who wants everything soon reads it in large pieces.
const AHEAD_BYTES: usize = 32 << 10;
/// Bytes that a scan reads ahead.
const SCAN_BYTES: usize = 1 << 20;

/// The name of a segment's file.
pub(crate) fn segment_name(header: &SegmentHeader) -> String {
    match header.generation {
        0 => format!("{:020}.log", header.first.0),
        generation => format!("{:020}-{generation}.log", header.first.0),
    }
}

/// A segment file.
pub(crate) struct Segment {
    pub(crate) header: SegmentHeader,
    pub(crate) path: Arc<Path>,
    /// Its bytes, also when they are compressed on the disk.
    pub(crate) file: Arc<dyn File>,
    /// Bytes on the disk, when it is compressed.
    packed_bytes: Option<u64>,
}

impl Segment {
    /// Opens a segment file and reads its header.
    pub(crate) fn open(
        machine: &dyn Machine,
        path: &Path,
        writable: bool,
    ) -> Result<Self, EngineError> {
        let opened = if writable { machine.open_writable(path) } else { machine.open(path) };
        let file = opened.map_err(|error| EngineError::io("opening", path, error))?;
        let mut bytes = [0; HEAD_BYTES];
        let read = file.read_at(&mut bytes, 0);
        let read = read.map_err(|error| EngineError::io("reading", path, error))?;
        if read < HEAD_BYTES {
            // A file that has more is not damaged: it can't be read just now.
            let len = file.len().map_err(|error| EngineError::io("measuring", path, error))?;
            if len >= HEAD_BYTES as u64 {
                let ended = std::io::ErrorKind::UnexpectedEof.into();
                return Err(EngineError::io("reading", path, ended));
            }
        }
        let bytes = &bytes[..read];
        let header = SegmentHeader::decode(bytes).map_err(|error| match error {
            HeaderError::Newer(found) => {
                EngineError::NewerFormat { path: path.to_owned(), found, supported: SEGMENT_FORMAT }
            }
            HeaderError::Damaged(what) => damage(path, 0, Position::START, what),
        })?;
        // What is cut off here may be what says that the rest is compressed.
        if read < HEAD_BYTES {
            return Err(damage(path, read as u64, header.first, "the file ends within its header"));
        }
        let packing = Packing::decode(bytes);
        let packing =
            packing.map_err(|what| damage(path, PACKING_AT as u64, header.first, what))?;
        let Some(packing) = packing else {
            return Ok(Self { header, path: path.into(), file, packed_bytes: None });
        };
        let disk_bytes = file.len().map_err(|error| EngineError::io("measuring", path, error))?;
        if !packing.fits(disk_bytes) {
            let what = "its header says another length of its compressed bytes than it has";
            return Err(damage(path, PACKING_AT as u64, header.first, what));
        }
        let file = Arc::new(Packed::new(file, header, packing));
        Ok(Self { header, path: path.into(), file, packed_bytes: Some(disk_bytes) })
    }

    /// A segment whose header is not read but known otherwise. Its frames say by their checksums
    /// whether that is right.
    pub(crate) fn with_header(header: SegmentHeader, path: &Path, file: Arc<dyn File>) -> Self {
        Self { header, path: path.into(), file, packed_bytes: None }
    }

    pub(crate) fn first(&self) -> Position {
        self.header.first
    }

    /// The frame that begins at `offset`, checked. `len` is its length where that is known: then
    /// it is read at once, and nothing else is.
    pub(crate) fn frame(&self, offset: u64, len: Option<u32>) -> Result<Frame, EngineError> {
        let mut bytes = vec![0; len.map_or(FIRST_READ_BYTES, |len| len as usize)];
        let read = self.read(&mut bytes, offset)?;
        bytes.truncate(read);
        let header = FrameHeader::decode(&self.header, offset, &bytes);
        let header = header.ok_or_else(|| self.damage(offset, "there is no frame"))?;
        let len = header.len as usize;
        if len > bytes.len() {
            let have = bytes.len();
            // A length that passed the header's checksum is what was written; the file may end
            // before it all the same.
            if offset + len as u64 > self.len()? {
                return Err(self.damage(offset, "the file ends within a frame"));
            }
            bytes.resize(len, 0);
            let rest = self.read(&mut bytes[have..], offset + have as u64)?;
            bytes.truncate(have + rest);
        }
        bytes.truncate(len);
        self.check_body(&header, offset, &bytes)?;
        let path = Arc::clone(&self.path);
        Ok(Frame::new(path, header, self.header.id_root, offset, bytes.into()))
    }

    /// Of the frame that begins at `offset` at least the event of a slot, checked. Of a large frame
    /// nothing else is read.
    pub(crate) fn frame_for(
        &self,
        offset: u64,
        len: Option<u32>,
        slot: u32,
    ) -> Result<Frame, EngineError> {
        if len.is_none_or(|len| len as usize <= LARGE_BYTES) {
            return self.frame(offset, len);
        }
        // Up to the row of the event where that is near, as it is unless the batch has a key.
        let mut head = [0; FIRST_READ_BYTES];
        let near = FRAME_HEADER_BYTES + ROW_BYTES * (slot as usize + 2);
        let near = if near <= head.len() { near } else { FRAME_HEADER_BYTES + KEY_LENGTHS_BYTES };
        let read = self.read(&mut head[..near], offset)?;
        let head = &head[..read];
        let header = FrameHeader::decode(&self.header, offset, head);
        let header = header.ok_or_else(|| self.damage(offset, "there is no frame"))?;
        if header.count < 2 || slot >= header.count {
            return self.frame(offset, len);
        }
        let cut = || self.damage(offset, "a frame's table of events is cut off");
        let rows = header.rows(head).ok_or_else(cut)?;
        let row = self.part(offset, head, rows.row(slot))?;
        let (event, stored) = rows.event_by(&row).ok_or_else(cut)?;
        let event = self.part(offset, head, event)?;
        if !event_fits(head, slot, &event, stored) {
            return Err(damage(
                &self.path,
                offset,
                header.first,
                &format!("the checksum of event {slot} of a frame does not fit"),
            ));
        }
        let path = Arc::clone(&self.path);
        let frame = Frame::new(path, header, self.header.id_root, offset, Bytes::new());
        Ok(frame.only(slot, event))
    }

    /// Bytes of a frame, of which the first are read already.
    fn part(&self, offset: u64, head: &[u8], range: Range<usize>) -> Result<Bytes, EngineError> {
        if let Some(part) = head.get(range.clone()) {
            return Ok(Bytes::copy_from_slice(part));
        }
        let at = offset + range.start as u64;
        let mut len = range.len();
        // A length that is damaged must not make us ask for memory.
        if len > SCAN_BYTES {
            len = (len as u64).min(self.len()?.saturating_sub(at)) as usize;
        }
        let mut bytes = vec![0; len];
        let read = self.read(&mut bytes, at)?;
        bytes.truncate(read);
        Ok(bytes.into())
    }

    /// The frames from `offset` up to `end`, one after the other.
    pub(crate) fn frames(&self, offset: u64, end: u64) -> Frames<'_> {
        let (ahead, piece) = (Bytes::new(), AHEAD_BYTES);
        Frames { segment: self, offset, end, ahead, ahead_at: offset, piece }
    }

    /// Where the first frame begins.
    pub(crate) fn begin(&self) -> u64 {
        SEGMENT_HEADER_BYTES
    }

    pub(crate) fn len(&self) -> Result<u64, EngineError> {
        self.file.len().map_err(|error| EngineError::io("measuring", &self.path, error))
    }

    /// Whether its bytes are compressed on the disk.
    pub(crate) fn is_packed(&self) -> bool {
        self.packed_bytes.is_some()
    }

    /// Bytes of its file.
    pub(crate) fn disk_bytes(&self) -> Result<u64, EngineError> {
        self.packed_bytes.map_or_else(|| self.len(), Ok)
    }

    pub(crate) fn damage(&self, offset: u64, what: &str) -> EngineError {
        damage(&self.path, offset, self.header.first, what)
    }

    fn check_body(
        &self,
        header: &FrameHeader,
        offset: u64,
        frame: &[u8],
    ) -> Result<(), EngineError> {
        if header.body_fits(frame) {
            return Ok(());
        }
        Err(damage(&self.path, offset, header.first, "a frame's checksum does not fit"))
    }

    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<usize, EngineError> {
        let read = self.file.read_at(bytes, offset);
        read.map_err(|error| EngineError::io("reading", &self.path, error))
    }
}

pub(super) fn damage(path: &Path, offset: u64, position: Position, what: &str) -> EngineError {
    let file = path.display().to_string();
    EngineError::Damaged(Damage { file, offset, position, what: what.to_owned() })
}

/// Frames one after the other, read ahead in large pieces; each frame's bytes are a slice of them.
pub(crate) struct Frames<'a> {
    segment: &'a Segment,
    offset: u64,
    end: u64,
    ahead: Bytes,
    ahead_at: u64,
    /// How long the next piece is.
    piece: usize,
}

impl Frames<'_> {
    /// The next frame; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, EngineError> {
        let offset = self.offset;
        let Some((header, at)) = self.advance()? else { return Ok(None) };
        let bytes = self.ahead.slice(at..at + header.len as usize);
        let path = Arc::clone(&self.segment.path);
        Ok(Some(Frame::new(path, header, self.segment.header.id_root, offset, bytes)))
    }

    /// The next frame as it lies in the buffer: until the one after it is asked for.
    pub(crate) fn next_ref(&mut self) -> Result<Option<FrameRef<'_>>, EngineError> {
        let Some((header, at)) = self.advance()? else { return Ok(None) };
        Ok(Some(FrameRef::new(header, self.segment.header.id_root, &self.ahead[at..])))
    }

    /// Where the next frame begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Checks the next frame and steps over it; says where it lies in the buffer.
    fn advance(&mut self) -> Result<Option<(FrameHeader, usize)>, EngineError> {
        if self.offset >= self.end {
            return Ok(None);
        }
        let offset = self.offset;
        let at = self.at_least(FRAME_HEADER_BYTES)?;
        let header = FrameHeader::decode(&self.segment.header, offset, &self.ahead[at..]);
        let header = header.ok_or_else(|| self.segment.damage(offset, "there is no frame"))?;
        if header.is_mark() {
            return Ok(None);
        }
        let at = self.at_least(header.len as usize)?;
        if self.ahead.len() - at < header.len as usize {
            return Err(self.segment.damage(offset, "the file ends within a frame"));
        }
        self.segment.check_body(&header, offset, &self.ahead[at..])?;
        self.offset += u64::from(header.len);
        Ok(Some((header, at)))
    }

    /// Reads on until the buffer has `want` bytes from the current offset, if the file has them.
    /// Says where that offset lies in the buffer.
    fn at_least(&mut self, want: usize) -> Result<usize, EngineError> {
        let skip = (self.offset - self.ahead_at) as usize;
        if skip + want <= self.ahead.len() {
            return Ok(skip);
        }
        let left = self.end - self.offset;
        let size = (self.piece.max(want) as u64).min(left.max(want as u64));
        self.piece = (2 * self.piece).min(SCAN_BYTES);
        // A length beyond the file's end must not make us ask for memory.
        let size = size.min(self.segment.len()?.saturating_sub(self.offset)) as usize;
        // The buffer is used again unless a frame that was handed out still shares it.
        let mut bytes = std::mem::take(&mut self.ahead).try_into_mut().unwrap_or_default();
        bytes.resize(size, 0);
        let read = self.segment.read(&mut bytes, self.offset)?;
        bytes.truncate(read);
        (self.ahead, self.ahead_at) = (bytes.freeze(), self.offset);
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use factum_store::{Append, NewEvent, Timestamp};

    use super::*;
    use crate::{
        log::{Encoded, IdRoot, Stamp},
        machine::SimulatedMachine,
    };

    const EVENTS: u64 = 4_000;

    /// A segment of some MiB, with a KiB in each frame.
    fn segment() -> (Segment, u64) {
        let (machine, path) = (SimulatedMachine::new(1), Path::new("/segment"));
        let first = Position(1);
        let header = SegmentHeader { ledger: 7, first, generation: 0, id_root: IdRoot(1) };
        let mut bytes = header.encode();
        for position in (1..=EVENTS).map(Position) {
            let event = NewEvent::new("a".parse().unwrap(), vec![b'x'; 1 << 10]);
            let (recorded_at, synced_upto) = (Timestamp::from_micros(1), Position::START);
            let stamp = Stamp { first: position, recorded_at, synced_upto };
            let frame = Encoded::new(&Append::new([event]));
            bytes.extend_from_slice(&frame.stamp(&header, bytes.len() as u64, stamp, &[]));
        }
        machine.create(path).unwrap().write_at(&bytes, 0).unwrap();
        (Segment::open(&machine, path, false).unwrap(), bytes.len() as u64)
    }

    #[test]
    fn g12_who_reads_a_few_frames_keeps_few_bytes_and_who_reads_all_reads_large_pieces() {
        let (segment, len) = segment();
        let (mut frames, mut pieces) = (segment.frames(segment.begin(), len), Vec::new());
        let mut read = 0;
        while frames.next().unwrap().is_some() {
            read += 1;
            // A piece begins where its first frame does.
            if pieces.last().is_none_or(|(at, _)| *at != frames.ahead_at) {
                pieces.push((frames.ahead_at, frames.ahead.len()));
            }
        }
        assert_eq!(read, EVENTS);
        assert_eq!(pieces[0].1, AHEAD_BYTES);
        assert!(pieces.iter().any(|(_, bytes)| *bytes == SCAN_BYTES));
        for (at, bytes) in pieces {
            let before = (at - segment.begin()) as usize;
            assert!(bytes <= 2 * before.max(AHEAD_BYTES), "{bytes} bytes after {before}");
        }
    }
}
