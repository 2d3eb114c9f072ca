//! Every decoder of this crate as a function of bytes, for fuzzing (G10). Only with the feature
//! `fuzzing`; no part of the API.
//!
//! What stands behind a checksum is given one that fits: chance never finds it. A decoder may refuse
//! anything; it may not panic, hang, ask for memory that the input does not justify, or read back
//! something else than what it would write.

use std::{io, path::Path, sync::Arc};

use bytes::Bytes;
use factum_store::{
    Append, ContentType, Direction, EventId, EventType, IdempotencyKey, NewEvent, Position,
    RecordedEvent, RequestHash, Revision, Schema, StreamName, Tag, Timestamp,
};

use crate::{
    DataDir, Options,
    index::{IndexCache, Sealed, Tail, Tally, Term, View, bodies, resealed},
    log::{
        Encoded, IdRoot, Patch, Segment, SegmentHeader, Stamp, Survivors, decode_envelope,
        encode_envelope, mark, packed_of, recover, survivors, unpacked,
    },
    machine::{File, Machine as _, SimulatedMachine},
    sealing::push_frame,
};

/// A decoder, by name.
pub type Target = (&'static str, fn(&[u8]));

/// Every decoder of this crate.
pub const TARGETS: &[Target] = &[
    ("segment_header", segment_header),
    ("frame", frame),
    ("envelope", envelope),
    ("recovery", recovery),
    ("packed", packed),
    ("index", index),
    ("format_file", format_file),
];

const SEGMENT: SegmentHeader =
    SegmentHeader { ledger: 9, first: Position(5), generation: 0, id_root: IdRoot(3) };

fn segment_header(bytes: &[u8]) {
    if let Ok(header) = SegmentHeader::decode(bytes) {
        assert_eq!(SegmentHeader::decode(&header.encode()), Ok(header));
    }
}

/// The bytes of a segment whose frames are these.
fn segment_of(frames: &[u8]) -> Bytes {
    [&SEGMENT.encode(), frames].concat().into()
}

fn path() -> Arc<Path> {
    Path::new("segment").into()
}

fn stamp(first: u64) -> Stamp {
    Stamp {
        first: Position(first),
        recorded_at: Timestamp::from_micros(first),
        synced_upto: Position(first - 1),
    }
}

/// The first four bytes are how many events a frame says to have, the rest is its body.
fn frame(bytes: &[u8]) {
    let Some((count, body)) = bytes.split_first_chunk() else { return };
    let count = (u32::from_le_bytes(*count) % 40) | (u32::from(count[3] >> 7) << 31);
    let at = SEGMENT.encode().len() as u64;
    let stamped = Encoded::of_body(body, count).stamp(&SEGMENT, at, stamp(SEGMENT.first.0), &[]);
    let Ok(found) = recover(&SEGMENT, &path(), &segment_of(&stamped), Position::END) else {
        return;
    };
    for frame in &found.frames {
        let (_, _) = (frame.key(), frame.receipt());
        for slot in 0..=frame.count() {
            let (_, _) = (frame.dropped(slot), frame.id(slot));
            if let Ok(event) = frame.event(slot) {
                reads_back(&event);
            }
        }
    }
}

/// An event that was read is written and read again, and is the same.
fn reads_back(event: &RecordedEvent) {
    let new = NewEvent {
        id: Some(event.id),
        stream: event.stream.clone().map(|place| place.name),
        event_type: event.event_type.clone(),
        tags: event.tags.clone(),
        data: event.data.clone(),
        content_type: event.content_type.clone(),
        metadata: event.metadata.clone(),
        envelope: event.envelope.clone(),
    };
    let place = event.stream.iter();
    let patches: Vec<_> = place.map(|place| Patch { slot: 0, revision: place.revision }).collect();
    let (at, stamp) = (SEGMENT.encode().len() as u64, stamp(SEGMENT.first.0));
    let bytes = Encoded::new(&Append::new([new])).stamp(&SEGMENT, at, stamp, &patches);
    let found = recover(&SEGMENT, &path(), &segment_of(&bytes), Position::END);
    let Ok(found) = found else { panic!("a frame of ours is not found") };
    let again = found.frames[0].event(0).expect("an event of ours");
    let wanted =
        RecordedEvent { position: again.position, recorded_at: again.recorded_at, ..event.clone() };
    assert_eq!(again, wanted, "it reads back something else");
}

fn envelope(bytes: &[u8]) {
    let Ok((envelope, content_type)) = decode_envelope(Bytes::copy_from_slice(bytes)) else {
        return;
    };
    let again = encode_envelope(&envelope, &content_type);
    assert_eq!(decode_envelope(again.into()), Ok((envelope, content_type)));
}

fn recovery(bytes: &[u8]) {
    let bytes = segment_of(bytes);
    let Survivors { frames, .. } = survivors(&SEGMENT, &path(), &bytes);
    assert!(frames.is_sorted_by(|a, b| a.last() < b.first()));
    let Ok(found) = recover(&SEGMENT, &path(), &bytes, Position::END) else { return };
    assert!(found.end <= bytes.len() as u64 && found.frames.len() <= frames.len());
    let mut next = SEGMENT.first;
    for frame in &found.frames {
        assert_eq!(frame.first(), next, "a gap between frames");
        next = frame.last().next();
    }
    assert_eq!(found.next, next);
}

/// A compressed segment reads the same in one piece and in many, or is damaged.
fn packed(bytes: &[u8]) {
    let Some(bytes) = packed_of(&SEGMENT, bytes) else { return };
    let (machine, path) = (SimulatedMachine::new(1), Path::new("/segment"));
    let made = machine.create(path).and_then(|file| file.write_at(&bytes, 0));
    made.expect("the simulated disk has room");
    let Ok(segment) = Segment::open(&machine, path, false) else { return };
    assert!(segment.is_packed() && segment.header == SEGMENT);
    let len = segment.len().expect("its header says it") as usize;
    assert!(len as u64 <= bytes.len() as u64 * 4_096, "blocks come from nowhere");
    let mut whole = vec![0; len];
    if segment.file.read_at(&mut whole, 0).is_ok_and(|read| read == len) {
        let mut piece = [0; 700];
        for at in (0..len).step_by(piece.len() - 1) {
            let read = segment.file.read_at(&mut piece, at as u64).expect("it was read before");
            assert_eq!(piece[..read], whole[at..len.min(at + piece.len())], "at {at}");
        }
    }
    let mut frames = segment.frames(segment.begin(), len as u64);
    while let Ok(Some(frame)) = frames.next() {
        let (_, _) = (frame.key(), frame.receipt());
    }
}

/// The input is the bodies of pages.
fn index(bytes: &[u8]) {
    let file = Arc::new(Memory(resealed(bytes)));
    let Ok(sealed) = Sealed::open(file, &IndexCache::with_bytes(1 << 20)) else { return };
    let tally = Tally::default();
    let view = View::Sealed { sealed: &sealed, tally: &tally };
    for number in 0..8 {
        let term = Term(number << 61 | number);
        let Ok((_, mut cursor)) = view.postings(term) else { continue };
        let mut target = view.first();
        for _ in 0..64 {
            match cursor.seek(target, Direction::Forward) {
                Ok(Some(found)) => {
                    assert!(found >= target, "a cursor goes back");
                    target = found.next();
                }
                Ok(None) | Err(_) => break,
            }
        }
        let _ = cursor.seek(view.last(), Direction::Backward);
    }
    let mut locator = view.locator();
    for position in [view.first(), view.last(), view.last().next()] {
        let _ = locator.locate(position);
    }
    for time in [0, 7, u64::MAX] {
        let _ = view.around(Timestamp::from_micros(time));
    }
}

fn format_file(bytes: &[u8]) {
    let (machine, dir) = (SimulatedMachine::new(1), Path::new("/data"));
    let made = machine.create_dir(dir).and_then(|()| machine.create(&dir.join("FORMAT")));
    let made = made.and_then(|file| file.write_at(bytes, 0));
    made.expect("the simulated disk has room");
    let opened = DataDir::open_read_only(dir, Options::on(machine));
    assert_eq!(opened.is_ok(), is_format(bytes));
}

fn is_format(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(&bytes[..bytes.len().min(64)]).unwrap_or_default();
    text.trim().strip_prefix("factum ").is_some_and(|number| number.parse() == Ok(1))
}

/// Inputs of a target that are whole, to begin with.
#[must_use]
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "segment_header" => vec![SEGMENT.encode()[..64].to_vec()],
        "envelope" => vec![envelope_seed()],
        "frame" => vec![frame_seed()],
        "recovery" => vec![recovery_seed()],
        "packed" => vec![unpacked(&segment_of(&recovery_seed())), packed_seed()],
        "index" => vec![index_seed()],
        "format_file" => vec![b"factum 1\n".to_vec(), b"factum 2\n".to_vec()],
        _ => Vec::new(),
    }
}

fn batch() -> Append {
    let new = |number: u8| {
        let mut event = NewEvent::new(named::<EventType>("thing.happened"), vec![number; 20]);
        event.metadata = "{}".into();
        event.envelope.actor = Some("ann".into());
        event.envelope.causation_ids = vec![EventId(uuid::Uuid::from_u128(3))];
        event.envelope.schema = Some(Schema { name: "thing".into(), version: 2 });
        event.tagged([named::<Tag>("k:1"), named::<Tag>("k:2")])
    };
    let key = IdempotencyKey {
        principal: "ann".into(),
        operation: "append".into(),
        key: "once".into(),
        request: RequestHash([7; 32]),
    };
    let mut second = new(2).in_stream(named::<StreamName>("s-1"));
    second.id = Some(EventId(uuid::Uuid::from_u128(2)));
    Append::new([new(1), second]).keyed(key)
}

fn named<T: std::str::FromStr>(text: &str) -> T {
    text.parse().ok().expect("a name")
}

fn envelope_seed() -> Vec<u8> {
    encode_envelope(&batch().events[0].envelope, &ContentType::Other("text/x".into()))
}

/// Three frames, and the mark of a clean stop.
fn recovery_seed() -> Vec<u8> {
    let (begin, mut bytes, mut next) = (SEGMENT.encode().len(), Vec::new(), SEGMENT.first.0);
    for _ in 0..3 {
        let append = batch();
        let at = (begin + bytes.len()) as u64;
        let patch = Patch { slot: 1, revision: Revision(next / 2) };
        bytes.extend(Encoded::new(&append).stamp(&SEGMENT, at, stamp(next), &[patch]));
        next += append.events.len() as u64;
    }
    bytes.extend(mark(&SEGMENT, (begin + bytes.len()) as u64, stamp(next)));
    bytes
}

/// Several blocks, the last one shorter.
fn packed_seed() -> Vec<u8> {
    let filler: Vec<u8> = (0..10_000_u32).map(|n| ((n * n) >> 5) as u8).collect();
    unpacked(&segment_of(&filler))
}

fn frame_seed() -> Vec<u8> {
    let (count, body) = Encoded::new(&batch()).into_body();
    [&count.to_le_bytes()[..], &body].concat()
}

/// The bodies of the pages of an index of the same three frames.
fn index_seed() -> Vec<u8> {
    let bytes = segment_of(&recovery_seed());
    let tail = Tail::new(SEGMENT.first);
    let Ok(found) = recover(&SEGMENT, &path(), &bytes, Position::END) else { return Vec::new() };
    for frame in &found.frames {
        push_frame(&tail, frame, |_, _| {}).expect("a frame of ours");
    }
    bodies(&tail.seal())
}

/// A file in memory.
struct Memory(Vec<u8>);

impl File for Memory {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(self.0.len());
        let len = buf.len().min(self.0.len() - begin);
        buf[..len].copy_from_slice(&self.0[begin..begin + len]);
        Ok(len)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}
