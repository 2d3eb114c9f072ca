//! The log: segments of checksummed frames, one frame a batch. It is the truth; everything else
//! is derived from it.
//!
//! `FORMAT.md` has every byte. A frame that is read was checked against its checksums, which are
//! seeded with its segment and its place: zeros, stale blocks and misdirected writes never parse
//! (G10).

mod dropped;
mod envelope;
mod event;
mod frame;
mod header;
mod id;
mod packed;
mod packing;
mod recovery;
mod rewrite;
mod segment;

#[cfg(feature = "fuzzing")]
pub(crate) use envelope::{decode as decode_envelope, encode as encode_envelope};
pub use event::{EventRef, TagsRef};
pub(crate) use frame::{Encoded, Frame, FrameRef, POSITION_MOST, Patch, Stamp, mark};
pub(crate) use header::{SEGMENT_HEADER_BYTES, SegmentHeader};
pub(crate) use id::IdRoot;
pub(crate) use packed::PackedDamage;
#[cfg(feature = "simulation")]
pub(crate) use packed::remember_alone;
pub(crate) use packing::Packer;
#[cfg(feature = "fuzzing")]
pub(crate) use packing::{packed_of, unpacked};
pub(crate) use recovery::{Recovered, Survivors, Tail as RecoveredTail, recover, survivors};
pub(crate) use rewrite::{Fate, rewritten};
pub(crate) use segment::{Frames, Segment, segment_name};
