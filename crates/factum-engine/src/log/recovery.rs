//! What a segment's bytes hold after a stop of any kind: a pure function.
//!
//! Protects G1, G2 and G10. A bad frame at position p is
//! * **damage** when a later frame or mark says `synced_upto >= p`: p was known durable, so the
//!   bytes were good once. It is reported, and nothing is cut.
//! * a **torn tail** otherwise: p was never acknowledged. It is cut, and said how much.

use std::{path::Path, sync::Arc};

use bytes::Bytes;
use factum_store::{Position, Timestamp};

use super::{
    frame::{FRAME_ALIGN, Frame, FrameHeader},
    header::{SEGMENT_HEADER_BYTES, SegmentHeader},
};

/// What a segment holds.
pub(crate) struct Recovered {
    /// The whole frames, in order.
    pub(crate) frames: Vec<Frame>,
    /// Where the next frame goes.
    pub(crate) end: u64,
    /// The position of the next event.
    pub(crate) next: Position,
    /// Where the frames begin of which nothing says that they were safe on disk.
    pub(crate) unwitnessed: u64,
    /// What lies after the last whole frame.
    pub(crate) tail: Tail,
}

/// What lies after the last whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing, or the mark of a clean stop.
    Clean,
    /// Bytes of a batch that was never acknowledged: from the end of the frames to here.
    Torn { to: u64 },
}

/// A bad frame that was known durable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rot {
    pub(crate) offset: u64,
    pub(crate) position: Position,
    pub(crate) what: String,
}

/// Reads the frames of a segment up to the one that holds a position. `bytes` is the whole file,
/// header included; `path` names it in errors. What lies after that frame is not looked at: somebody
/// may be writing there.
pub(crate) fn recover(
    header: &SegmentHeader,
    path: &Arc<Path>,
    bytes: &Bytes,
    upto: Position,
) -> Result<Recovered, Rot> {
    let mut frames = Vec::new();
    let (mut at, mut next) = (SEGMENT_HEADER_BYTES as usize, header.first);
    let (mut time, mut safe) = (Timestamp::default(), header.first.prev());
    loop {
        if next > upto {
            let end = at as u64;
            return Ok(Recovered { frames, end, next, unwitnessed: end, tail: Tail::Clean });
        }
        match read(header, path, bytes, at) {
            Read::Frame(frame, synced_upto) => {
                if frame.first() != next || frame.recorded_at() < time {
                    let found = frame.first();
                    let what = format!("a whole frame says that it begins at position {found}");
                    return Err(Rot { offset: at as u64, position: next, what });
                }
                (next, time) = (frame.last().next(), frame.recorded_at());
                at = frame.end() as usize;
                safe = synced_upto;
                frames.push(frame);
            }
            Read::Mark(mark) if mark.synced_upto >= next => {
                // It speaks of events that are not here: frames before it are gone.
                let what = format!("events up to position {} were here", mark.synced_upto);
                return Err(Rot { offset: at as u64, position: next, what });
            }
            Read::Mark(mark) => {
                let after = at + mark.len as usize;
                let tail = tail(header, bytes, after, next)?;
                let end = at as u64;
                return Ok(Recovered { frames, end, next, unwitnessed: end, tail });
            }
            Read::Nothing => {
                let tail = tail(header, bytes, at, next)?;
                let end = at as u64;
                let first = frames.iter().find(|frame: &&Frame| frame.last() > safe);
                let unwitnessed = first.map_or(end, Frame::offset);
                return Ok(Recovered { frames, end, next, unwitnessed, tail });
            }
        }
    }
}

/// What is left of a segment, however much of it is bad.
pub(crate) struct Survivors {
    /// The whole frames, in order of position; what was between them is gone.
    pub(crate) frames: Vec<Frame>,
    /// The last position that any of them, or a mark, says was safe on disk.
    pub(crate) witness: Position,
}

/// Finds every whole frame of a segment, whatever lies before it.
pub(crate) fn survivors(header: &SegmentHeader, path: &Arc<Path>, bytes: &Bytes) -> Survivors {
    let mut found = Survivors { frames: Vec::new(), witness: Position::START };
    let (mut at, mut next) = (SEGMENT_HEADER_BYTES as usize, header.first);
    while at < bytes.len() {
        let says = FrameHeader::decode(header, at as u64, &bytes[at..]);
        found.witness = found.witness.max(says.map_or(Position::START, |says| says.synced_upto));
        match read(header, path, bytes, at) {
            Read::Frame(frame, _) if frame.first() >= next => {
                (at, next) = (frame.end() as usize, frame.last().next());
                found.frames.push(frame);
            }
            _ => at += FRAME_ALIGN,
        }
    }
    found
}

enum Read {
    /// A frame, and its `synced_upto`.
    Frame(Frame, Position),
    Mark(FrameHeader),
    Nothing,
}

fn read(header: &SegmentHeader, path: &Arc<Path>, bytes: &Bytes, at: usize) -> Read {
    let offset = at as u64;
    let Some(found) = bytes.get(at..).and_then(|b| FrameHeader::decode(header, offset, b)) else {
        return Read::Nothing;
    };
    if found.is_mark() {
        return Read::Mark(found);
    }
    match bytes.get(at..at + found.len as usize) {
        Some(frame) if found.body_fits(frame) => {
            let (path, frame) = (Arc::clone(path), bytes.slice_ref(frame));
            let frame = Frame::new(path, found, header.id_root, offset, frame);
            Read::Frame(frame, found.synced_upto)
        }
        _ => Read::Nothing,
    }
}

/// What lies from `at` on, where the event of `position` would be.
fn tail(header: &SegmentHeader, bytes: &Bytes, at: usize, position: Position) -> Result<Tail, Rot> {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(last) = rest.iter().rposition(|byte| *byte != 0) else { return Ok(Tail::Clean) };
    let end = at + last + 1;
    // A frame begins at a multiple of its alignment; one that begins at `at` is the bad one itself,
    // unless only its body is bad: then its own header says nothing of itself.
    let later = (at.next_multiple_of(FRAME_ALIGN)..end).step_by(FRAME_ALIGN).skip(1);
    for offset in later {
        let found = FrameHeader::decode(header, offset as u64, &bytes[offset..]);
        if let Some(found) = found
            && found.synced_upto >= position
        {
            let witness = found.synced_upto;
            let what = format!(
                "there is no whole frame, and the one at byte {offset} says that events up to \
                 position {witness} were safe on disk"
            );
            return Err(Rot { offset: at as u64, position, what });
        }
    }
    Ok(Tail::Torn { to: end as u64 })
}

#[cfg(test)]
mod tests {
    use factum_store::{Append, EventType, NewEvent};

    use super::*;
    use crate::log::{Encoded, IdRoot, Stamp, frame::MARK_BYTES, mark};

    const HEADER: SegmentHeader =
        SegmentHeader { ledger: 9, first: Position(5), generation: 0, id_root: IdRoot(1) };

    fn found(header: &SegmentHeader, bytes: &Bytes) -> Result<Recovered, Rot> {
        recover(header, &Path::new("segment").into(), bytes, Position::END)
    }

    fn stamp(first: u64) -> Stamp {
        let recorded_at = Timestamp::from_micros(first);
        Stamp { first: Position(first), recorded_at, synced_upto: Position(first - 1) }
    }

    /// A segment of frames with one event each, each synced before the next, and where they begin.
    fn segment(frames: u64, marked: bool) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = HEADER.encode();
        let mut begins = Vec::new();
        for i in 0..frames {
            begins.push(bytes.len());
            let event = NewEvent::new(EventType::new("t").unwrap(), vec![i as u8; 21]);
            let frame = Encoded::new(&Append::new([event]));
            bytes.extend(frame.stamp(&HEADER, bytes.len() as u64, stamp(5 + i), &[]));
        }
        if marked {
            let at = bytes.len() as u64;
            bytes.extend(mark(&HEADER, at, stamp(5 + frames)));
        }
        begins.push(bytes.len());
        bytes.resize(bytes.len() + 4_096, 0);
        (bytes, begins)
    }

    #[test]
    fn whole_frames_are_found_and_zeros_are_the_end() {
        for marked in [false, true] {
            let (bytes, begins) = segment(3, marked);
            let found = found(&HEADER, &bytes.into()).unwrap();
            assert_eq!((found.frames.len(), found.next, found.tail), (3, Position(8), Tail::Clean));
            let mark = if marked { MARK_BYTES } else { 0 };
            assert_eq!(found.end as usize, begins[3] - mark);
        }
    }

    #[test]
    fn g1_a_file_cut_anywhere_holds_the_frames_before_the_cut() {
        let (bytes, begins) = segment(3, false);
        for cut in SEGMENT_HEADER_BYTES as usize..begins[3] {
            let mut torn = bytes.clone();
            torn[cut..].fill(0);
            let found = found(&HEADER, &torn.into()).unwrap();
            let mut whole = begins[1..].iter().filter(|end| **end <= cut).count();
            // A frame may end in zeros of its own: cutting those off cuts nothing.
            whole +=
                usize::from(begins.get(whole + 1).is_some_and(|end| {
                    *end > cut && bytes[cut..*end].iter().all(|byte| *byte == 0)
                }));
            assert_eq!(found.frames.len(), whole, "cut at {cut}");
            assert_eq!(found.end as usize, begins[whole]);
        }
    }

    #[test]
    fn g10_a_flipped_bit_in_what_was_synced_is_damage_and_in_the_last_frame_a_torn_tail() {
        let (bytes, begins) = segment(3, false);
        for bit in begins[0] * 8..begins[3] * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let found = found(&HEADER, &flipped.into());
            if bit / 8 < begins[2] {
                let rot = found.err().unwrap_or_else(|| panic!("bit {bit} was not noticed"));
                assert!(begins.contains(&(rot.offset as usize)), "bit {bit}: {rot:?}");
            } else {
                let found = found.unwrap();
                assert_eq!((found.frames.len(), found.next), (2, Position(7)), "bit {bit}");
                assert!(matches!(found.tail, Tail::Torn { .. }));
            }
        }
    }

    #[test]
    fn g10_after_a_clean_stop_a_flipped_bit_in_the_last_frame_is_damage_too() {
        let (bytes, begins) = segment(3, true);
        for bit in begins[0] * 8..(begins[3] - MARK_BYTES) * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(found(&HEADER, &flipped.into()).is_err(), "bit {bit} was not noticed");
        }
    }

    #[test]
    fn g10_a_position_that_cant_be_is_damage_and_is_not_counted_with() {
        for first in [u64::MAX, u64::MAX - 1, 1 << 63] {
            let header = SegmentHeader { first: Position(first), ..HEADER };
            let mut bytes = header.encode();
            assert!(SegmentHeader::decode(&bytes).is_err(), "{first}");
            let event = NewEvent::new(EventType::new("t").unwrap(), "{}");
            let frame = Encoded::new(&Append::new([event.clone(), event]));
            bytes.extend(frame.stamp(&header, bytes.len() as u64, stamp(first), &[]));
            let bytes = bytes.into();
            assert!(survivors(&header, &Path::new("s").into(), &bytes).frames.is_empty());
            assert!(found(&header, &bytes).is_ok_and(|found| found.frames.is_empty()));
        }
    }

    #[test]
    fn a_frame_of_another_place_or_segment_is_none() {
        let (bytes, begins) = segment(2, false);
        let mut moved = bytes.clone();
        moved.copy_within(begins[0]..begins[1], begins[2]);
        let whole = found(&HEADER, &moved.into()).unwrap();
        assert_eq!(whole.frames.len(), 2);
        let other = SegmentHeader { ledger: 10, ..HEADER };
        assert!(found(&other, &bytes.into()).unwrap().frames.is_empty());
    }
}
