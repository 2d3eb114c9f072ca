//! Snapshots of folds: derived files that may be deleted at any time.
//!
//! One file a state, named by a hash of the slice. A snapshot carries the fold's fingerprint, the
//! position and id of the last event in it, and a checksum; one that does not fit in every respect
//! is as good as none (G8). Failing to keep one is not an error.

use std::{fs, path::PathBuf};

use factum_domain::Slice;
use factum_store::{EventId, Position};

/// A state and the last event in it.
pub(crate) struct Snapshot {
    pub(crate) position: Position,
    pub(crate) id: EventId,
    pub(crate) state: Vec<u8>,
}

/// Where snapshots are kept, if anywhere.
pub(crate) struct Snapshots(Option<PathBuf>);

/// ```text
///  offset  bytes
///       0     32  blake3 of all that follows
///      32      8  fingerprint, little-endian
///      40      8  position, little-endian
///      48     16  id of the event at that position
///      64      …  the state
/// ```
const HEADER_BYTES: usize = 64;

impl Snapshots {
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn in_dir(dir: PathBuf) -> Self {
        Self(Some(dir))
    }

    pub(crate) fn get(&self, slice: &Slice) -> Option<Snapshot> {
        let bytes = fs::read(self.path(slice)?).ok()?;
        let body = bytes.get(32..)?;
        if bytes.len() < HEADER_BYTES || blake3::hash(body).as_bytes()[..] != bytes[..32] {
            return None;
        }
        let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
        let id = uuid::Uuid::from_slice(bytes.get(48..HEADER_BYTES)?).ok()?;
        (number(32)? == slice.fingerprint).then_some(Snapshot {
            position: Position(number(40)?),
            id: EventId(id),
            state: bytes.get(HEADER_BYTES..)?.to_vec(),
        })
    }

    pub(crate) fn put(&self, slice: &Slice, snapshot: &Snapshot) {
        let Some(path) = self.path(slice) else { return };
        let mut body = slice.fingerprint.to_le_bytes().to_vec();
        body.extend(snapshot.position.0.to_le_bytes());
        body.extend(snapshot.id.0.as_bytes());
        body.extend(&snapshot.state);
        let bytes = [&blake3::hash(&body).as_bytes()[..], &body].concat();
        // A name of its own for each write: two that keep the same state do not mix.
        let fresh = path.with_extension(format!("{}.tmp", uuid::Uuid::now_v7()));
        let kept = path.parent().map_or(Ok(()), fs::create_dir_all);
        let kept = kept.and_then(|()| fs::write(&fresh, bytes));
        if let Err(error) = kept.and_then(|()| fs::rename(&fresh, &path)) {
            tracing::warn!(path = %path.display(), %error, "a snapshot could not be kept");
        }
    }

    pub(crate) fn forget(&self, slice: &Slice) {
        if let Some(path) = self.path(slice) {
            let _ = fs::remove_file(path);
        }
    }

    fn path(&self, slice: &Slice) -> Option<PathBuf> {
        let dir = self.0.as_ref()?;
        let name = format!("{}\n{:016x}\n{}", slice.fold, slice.fingerprint, slice.key);
        let name = blake3::hash(name.as_bytes()).to_hex();
        Some(dir.join(&name[..2]).join(format!("{}.snapshot", &name[2..34])))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that fails says where")]
mod tests {
    use super::*;

    #[test]
    fn g10_a_snapshot_with_any_flipped_bit_is_none() {
        let dir = std::env::temp_dir().join(format!("factum-{}", uuid::Uuid::now_v7()));
        let snapshots = Snapshots::in_dir(dir.clone());
        let (key, query) = ("account:1".to_owned(), factum_store::Query::everything());
        let slice = Slice { fold: "account", fingerprint: 7, key, query };
        let (position, id) = (Position(9), EventId(uuid::Uuid::now_v7()));
        let state = br#"{"open":true,"cents":1200}"#.to_vec();
        snapshots.put(&slice, &Snapshot { position, id, state: state.clone() });
        assert_eq!(snapshots.get(&slice).map(|kept| kept.state), Some(state));
        let path = snapshots.path(&slice).unwrap();
        let sound = fs::read(&path).unwrap();
        for bit in 0..sound.len() * 8 {
            let mut damaged = sound.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, damaged).unwrap();
            assert!(snapshots.get(&slice).is_none(), "bit {bit}");
        }
        fs::remove_dir_all(dir).unwrap();
    }
}
