//! What a compaction leaves of an event that it drops: which event it was, a digest of its bytes,
//! so that proofs over them can still be checked, and, while it is the last of its stream, where
//! the stream ends.
//!
//! ```text
//!  offset  bytes
//!       0     16  id
//!      16      8  revision; all ones when it is not kept
//!      24      2  zero: every event that was not dropped has a type
//!      26      2  bytes of the stream's name, 0 when it is not kept
//!      28      4  zero
//!      32     32  SHA-256 of the event's bytes as they were
//!      64         stream
//! ```

use bytes::{BufMut, Bytes};
use factum_store::{EventId, Revision, StreamName, StreamPlace};
use sha2::{Digest as _, Sha256};

use super::{
    event::{BAD_NAME, CUT, Layout, NO_REVISION, decode_id, text},
    frame::{Nonsense, u16_at, u64_at},
};

const TYPE_BYTES_AT: usize = 24;
const STREAM_BYTES_AT: usize = 26;
const DIGEST_AT: usize = 32;
const FIXED_BYTES: usize = DIGEST_AT + 32;

/// What is left of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) id: EventId,
    /// Where its stream ends, when it was the last of its stream.
    pub(crate) end: Option<StreamPlace>,
    pub(crate) digest: [u8; 32],
}

pub(super) fn is_dropped(bytes: &[u8]) -> bool {
    u16_at(bytes, TYPE_BYTES_AT) == Some(0)
}

/// How many bytes it takes what is left of an event, when it was dropped.
pub(super) fn encoded_len(bytes: &[u8]) -> Option<usize> {
    let name = u16_at(bytes, STREAM_BYTES_AT)?;
    is_dropped(bytes).then_some(FIXED_BYTES + usize::from(name))
}

/// What is left of an event, when it was dropped.
pub(super) fn decode(bytes: &Bytes) -> Result<Option<Dropped>, Nonsense> {
    if !is_dropped(bytes) {
        return Ok(None);
    }
    let digest = bytes.get(DIGEST_AT..FIXED_BYTES).and_then(|digest| digest.try_into().ok());
    let name_bytes = usize::from(u16_at(bytes, STREAM_BYTES_AT).ok_or(CUT)?);
    let revision = u64_at(bytes, 16).ok_or(CUT)?;
    let end = match name_bytes {
        0 => None,
        len if FIXED_BYTES + len > bytes.len() => return Err(CUT),
        len => {
            let name = text(bytes.slice(FIXED_BYTES..FIXED_BYTES + len))?;
            let name = StreamName::new(name).map_err(|_| BAD_NAME)?;
            Some(StreamPlace { name, revision: Revision(revision) })
        }
    };
    Ok(Some(Dropped { id: decode_id(bytes)?, end, digest: digest.ok_or(CUT)? }))
}

/// Of an event that is there: what is left when it is dropped, and `end` is where its stream ends.
pub(super) fn of(bytes: &Bytes, end: Option<StreamPlace>) -> Result<Dropped, Nonsense> {
    let event = Layout::of(bytes).and_then(|layout| bytes.get(..layout.bytes())).ok_or(CUT)?;
    Ok(Dropped { id: decode_id(bytes)?, end, digest: Sha256::digest(event).into() })
}

impl Dropped {
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let name = self.end.as_ref().map_or("", |end| end.name.as_str());
        bytes.extend_from_slice(self.id.0.as_bytes());
        bytes.put_u64_le(self.end.as_ref().map_or(NO_REVISION, |end| end.revision.0));
        bytes.put_u16_le(0);
        bytes.put_u16_le(name.len() as u16);
        bytes.put_u32_le(0);
        bytes.extend_from_slice(&self.digest);
        bytes.extend_from_slice(name.as_bytes());
    }
}
