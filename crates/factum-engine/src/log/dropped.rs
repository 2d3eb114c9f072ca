//! What a compaction leaves of an event that it drops: which event it was, a digest of its bytes,
//! so that proofs over them can still be checked, and, while it is the last of its stream, where
//! the stream ends.
//!
//! ```text
//!  bytes
//!      2  flags: 16, with 1 when the id is here, with 2 when the stream's end is here
//!     16  id, with flag 1; without it the ledger made the id, and it follows from the place
//!      8  revision, with flag 2
//!      2  bytes of the stream's name, with flag 2
//!     32  SHA-256 of the event's bytes as they were
//!         stream
//! ```

use bytes::BufMut;
use factum_store::{EventId, Revision, StreamPlace};
use sha2::{Digest as _, Sha256};

use super::{
    event::{Cut, DROPPED, EventRef, IN_STREAM, OWN_ID, name_of},
    frame::Nonsense,
};

/// What is left of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) id: EventId,
    /// Whether that id came with the event: otherwise the ledger made it.
    pub(crate) own_id: bool,
    /// Where its stream ends, when it was the last of its stream.
    pub(crate) end: Option<StreamPlace>,
    pub(crate) digest: [u8; 32],
}

/// What is left of the event that these bytes begin with, when it was dropped, and how many bytes
/// that is. `made` is its id if the ledger made it.
pub(super) fn decode(
    bytes: &[u8],
    made: impl FnOnce() -> EventId,
) -> Result<Option<(Dropped, usize)>, Nonsense> {
    let mut rest = Cut(bytes);
    let flags = rest.u16()?;
    if flags & DROPPED == 0 {
        return Ok(None);
    }
    let own_id = flags & OWN_ID != 0;
    let id = if own_id { EventId(uuid::Uuid::from_bytes(rest.array()?)) } else { made() };
    let place = match flags & IN_STREAM {
        0 => None,
        _ => Some((Revision(u64::from_le_bytes(rest.array()?)), rest.u16()?)),
    };
    let digest = rest.array()?;
    let end = match place {
        None => None,
        Some((revision, len)) => {
            Some(StreamPlace { name: name_of(rest.text(len.into())?)?, revision })
        }
    };
    Ok(Some((Dropped { id, own_id, end, digest }, bytes.len() - rest.0.len())))
}

impl Dropped {
    /// Of an event that is there: what is left when it is dropped, and `end` is where its stream
    /// ends.
    pub(super) fn of(event: &EventRef<'_>, end: Option<StreamPlace>) -> Self {
        let digest = Sha256::digest(event.bytes).into();
        Self { id: event.id, own_id: event.own_id, end, digest }
    }

    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let own_id = if self.own_id { OWN_ID } else { 0 };
        let in_stream = if self.end.is_some() { IN_STREAM } else { 0 };
        bytes.put_u16_le(DROPPED | own_id | in_stream);
        if self.own_id {
            bytes.extend_from_slice(self.id.0.as_bytes());
        }
        if let Some(end) = &self.end {
            bytes.put_u64_le(end.revision.0);
            bytes.put_u16_le(end.name.as_str().len() as u16);
        }
        bytes.extend_from_slice(&self.digest);
        let name = self.end.as_ref().map_or("", |end| end.name.as_str());
        bytes.extend_from_slice(name.as_bytes());
    }
}
