//! A frame as it is in the next generation of its segment: events that are to go are dropped, and
//! everything else of it stays, byte for byte: positions, time, key, ids.

use bytes::Bytes;
use factum_store::StreamPlace;

use super::{
    dropped,
    event::{CUT, EventParts, Layout, decode_parts},
    frame::{FRAME_ALIGN, FRAME_HEADER_BYTES, Frame, Nonsense, Stamp, put_header, put_u32},
    header::SegmentHeader,
};
use crate::error::EngineError;

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It stays as it is.
    Kept,
    /// It is dropped.
    Dropped,
    /// It is dropped but for where its stream ends, because it is the last of its stream.
    End,
}

/// The bytes of a frame at `offset` of another generation of its segment. There is a fate for each
/// of its events. `forgetful` is a deliberate bug: the key is dropped.
pub(crate) fn rewritten(
    frame: &Frame,
    segment: &SegmentHeader,
    offset: u64,
    fates: impl IntoIterator<Item = Fate>,
    forgetful: bool,
) -> Result<Vec<u8>, EngineError> {
    let key_bytes = if forgetful { 0 } else { frame.header.key_bytes };
    let key = frame.body.get(..key_bytes as usize);
    let key = frame.sound(key.ok_or("the frame's key is cut off"))?;
    let mut bytes = vec![0; FRAME_HEADER_BYTES];
    bytes.extend_from_slice(key);
    let table = bytes.len();
    bytes.resize(table + 4 * frame.count() as usize, 0);
    for (slot, fate) in (0..frame.count()).zip(fates) {
        let at = (bytes.len() - FRAME_HEADER_BYTES) as u32;
        put_u32(&mut bytes, table + 4 * slot as usize, at);
        let event = frame.event_bytes(slot);
        frame.sound(event.and_then(|event| put(&mut bytes, &event, fate)))?;
    }
    bytes.resize(bytes.len().next_multiple_of(FRAME_ALIGN), 0);
    let stamp = Stamp {
        first: frame.first(),
        recorded_at: frame.recorded_at(),
        synced_upto: frame.header.synced_upto,
    };
    put_header(&mut bytes, segment.seed(offset), stamp, frame.count(), key_bytes);
    Ok(bytes)
}

fn put(bytes: &mut Vec<u8>, event: &Bytes, fate: Fate) -> Result<(), Nonsense> {
    let end = match fate {
        Fate::Kept => {
            bytes.extend_from_slice(as_it_is(event)?);
            return Ok(());
        }
        Fate::Dropped => None,
        Fate::End => place_of(event)?,
    };
    let left = match dropped::decode(event)? {
        // Its digest is of what it was.
        Some(earlier) => dropped::Dropped { end, ..earlier },
        None => dropped::of(event, end)?,
    };
    left.encode(bytes);
    Ok(())
}

fn place_of(event: &Bytes) -> Result<Option<StreamPlace>, Nonsense> {
    let EventParts { stream, revision, .. } = decode_parts(event)?;
    Ok(stream.zip(revision).map(|(name, revision)| StreamPlace { name, revision }))
}

/// The event without the zeros that may fill its frame up.
fn as_it_is(event: &Bytes) -> Result<&[u8], Nonsense> {
    if let Some(len) = dropped::encoded_len(event) {
        return event.get(..len).ok_or(CUT);
    }
    Layout::of(event).and_then(|layout| event.get(..layout.bytes())).ok_or(CUT)
}
