//! A frame as it is in the next generation of its segment: events that are to go are dropped, and
//! everything else of it stays, byte for byte: positions, time, key, ids.

use factum_store::StreamPlace;

use super::{
    dropped::Dropped,
    event::{CUT, name_of},
    frame::{
        FRAME_ALIGN, FRAME_HEADER_BYTES, Frame, FrameRef, KEYED, Nonsense, Stamp, Table, finish,
    },
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
    let of = frame.as_ref();
    let keyed = of.header.keyed && !forgetful;
    let cut = "the frame's key is cut off";
    let key_bytes = if keyed { frame.sound(of.header.key_bytes(of.bytes).ok_or(cut))? } else { 0 };
    let mut bytes = vec![0; FRAME_HEADER_BYTES];
    let key = of.bytes.get(FRAME_HEADER_BYTES..FRAME_HEADER_BYTES + key_bytes);
    bytes.extend_from_slice(frame.sound(key.ok_or(cut))?);
    let mut table = Table::begin(&mut bytes, frame.count());
    for (slot, fate) in (0..frame.count()).zip(fates) {
        table.row(&mut bytes);
        frame.sound(put(&mut bytes, of, slot, fate))?;
    }
    bytes.resize(bytes.len().next_multiple_of(FRAME_ALIGN), 0);
    let stamp = Stamp {
        first: frame.first(),
        recorded_at: frame.recorded_at(),
        synced_upto: frame.header.synced_upto,
    };
    let count = frame.count() | if keyed { KEYED } else { 0 };
    finish(&mut bytes, segment.seed(offset), stamp, count, table.events_at);
    Ok(bytes)
}

fn put(bytes: &mut Vec<u8>, frame: FrameRef<'_>, slot: u32, fate: Fate) -> Result<(), Nonsense> {
    let Some(event) = frame.event(slot)? else {
        let (left, len) = frame.dropped(slot)?.ok_or(CUT)?;
        match fate {
            Fate::Dropped => Dropped { end: None, ..left }.encode(bytes),
            Fate::Kept | Fate::End => {
                bytes.extend_from_slice(frame.event_bytes(slot)?.get(..len).ok_or(CUT)?);
            }
        }
        return Ok(());
    };
    let end = match fate {
        Fate::Kept => {
            bytes.extend_from_slice(event.bytes);
            return Ok(());
        }
        Fate::Dropped => None,
        Fate::End => match event.stream {
            None => None,
            Some((name, revision)) => Some(StreamPlace { name: name_of(name)?, revision }),
        },
    };
    Dropped::of(&event, end).encode(bytes);
    Ok(())
}
