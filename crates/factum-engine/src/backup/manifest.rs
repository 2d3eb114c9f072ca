//! [`Manifest`]: what a backup holds, as a text that ends with its own checksum.
//!
//! ```text
//!   factum backup 1
//!   by 0.1.0
//!   at 1763714000000000
//!   ledger <id, 32 hex> <head> <recorded at> <name>
//!   log <BLAKE3, 64 hex> <bytes> <last position> <file's name>
//!   idx <BLAKE3, 64 hex> <bytes> <last position> <file's name>
//!   end <BLAKE3 of everything above, 64 hex>
//! ```

use std::{fmt::Write, io::ErrorKind, path::Path};

use blake3::Hash;
use factum_store::{Position, Timestamp};

use super::{MANIFEST, MARKER};
use crate::{
    error::{Damage, EngineError},
    machine::Machine,
};

/// The format of backups.
const FORMAT: u32 = 1;
/// No manifest is longer: at a segment of 64 MiB a line this is enough for 50 TiB.
const BYTES_MAX: u64 = 128 << 20;

/// What a backup holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// The version that wrote it.
    pub(crate) by: String,
    /// When.
    pub(crate) at: Timestamp,
    pub(crate) ledgers: Vec<Kept>,
}

/// A ledger and its files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) facts: LedgerFacts,
    pub(crate) files: Vec<Entry>,
}

/// A ledger of a backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerFacts {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: u128,
    /// Its last position in the backup.
    pub head: Position,
    /// When that was recorded.
    pub recorded_at: Timestamp,
}

/// A file, as far as the backup speaks of it: the file itself may be longer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) kind: Kind,
    pub(crate) hash: Hash,
    pub(crate) bytes: u64,
    /// The last position in it.
    pub(crate) last: Position,
    pub(crate) name: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Log,
    Index,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Index => "idx",
        }
    }
}

impl Kept {
    pub(crate) fn logs(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.files.iter().filter(|entry| entry.kind == Kind::Log)
    }

    pub(crate) fn file(&self, name: &str) -> Option<&Entry> {
        self.files.iter().find(|entry| entry.name == name)
    }
}

impl Manifest {
    pub(crate) fn ledger(&self, name: &str) -> Option<&Kept> {
        self.ledgers.iter().find(|kept| kept.facts.name == name)
    }

    /// Bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.ledgers.iter().flat_map(|kept| &kept.files).map(|entry| entry.bytes).sum()
    }

    pub(crate) fn encode(&self) -> String {
        let mut text = format!("{}by {}\nat {}\n", first_line(), self.by, self.at.micros);
        // Writing to a string can't fail.
        for Kept { facts, files } in &self.ledgers {
            let LedgerFacts { name, id, head, recorded_at } = facts;
            let _ = writeln!(text, "ledger {id:032x} {head} {} {name}", recorded_at.micros);
            for Entry { kind, hash, bytes, last, name } in files {
                let (kind, hash) = (kind.word(), hash.to_hex());
                let _ = writeln!(text, "{kind} {hash} {bytes} {last} {name}");
            }
        }
        let hash = blake3::hash(text.as_bytes()).to_hex();
        let _ = writeln!(text, "end {hash}");
        text
    }

    /// Reads a text; `None` when it is none of a manifest, as it was written.
    fn decode(text: &str) -> Option<Self> {
        let (body, end) = text.split_at(text.strip_suffix('\n')?.rfind('\n')? + 1);
        if end.strip_prefix("end ")?.trim_end() != blake3::hash(body.as_bytes()).to_hex().as_str() {
            return None;
        }
        let mut lines = body.strip_prefix(&first_line())?.lines();
        let by = lines.next()?.strip_prefix("by ")?.to_owned();
        let at = Timestamp::from_micros(lines.next()?.strip_prefix("at ")?.parse().ok()?);
        let mut ledgers: Vec<Kept> = Vec::new();
        for line in lines {
            match line.split_once(' ')? {
                ("ledger", rest) => {
                    ledgers.push(Kept { facts: decode_ledger(rest)?, files: Vec::new() });
                }
                ("log", rest) => ledgers.last_mut()?.files.push(decode_entry(Kind::Log, rest)?),
                ("idx", rest) => ledgers.last_mut()?.files.push(decode_entry(Kind::Index, rest)?),
                _ => return None,
            }
        }
        Some(Self { by, at, ledgers })
    }

    /// Reads the manifest of a directory; `None` when there is none.
    pub(crate) fn read(machine: &dyn Machine, dir: &Path) -> Result<Option<Self>, EngineError> {
        let path = dir.join(MANIFEST);
        let Some(bytes) = small_file(machine, &path, BYTES_MAX)? else { return Ok(None) };
        let text = String::from_utf8(bytes).ok();
        let manifest = text.as_deref().and_then(Self::decode);
        manifest.map(Some).ok_or_else(|| {
            let what = "the manifest's checksum does not fit".to_owned();
            let (file, offset) = (path.display().to_string(), 0);
            EngineError::Damaged(Damage { file, offset, position: Position::START, what })
        })
    }
}

fn first_line() -> String {
    format!("factum backup {FORMAT}\n")
}

/// The content of the marker.
pub(crate) fn marker() -> String {
    first_line()
}

/// Whether a directory says that it is a backup.
pub(crate) fn is_marked(machine: &dyn Machine, dir: &Path) -> Result<bool, EngineError> {
    let path = dir.join(MARKER);
    let Some(bytes) = small_file(machine, &path, 64)? else { return Ok(false) };
    let text = std::str::from_utf8(&bytes).unwrap_or_default().trim();
    match text.strip_prefix("factum backup ").and_then(|format| format.parse::<u32>().ok()) {
        Some(FORMAT) => Ok(true),
        Some(found) if found > FORMAT => {
            Err(EngineError::NewerFormat { path, found, supported: FORMAT })
        }
        _ => {
            let what = "it does not say that this is a backup, and of which format".to_owned();
            let (file, offset) = (path.display().to_string(), 0);
            Err(EngineError::Damaged(Damage { file, offset, position: Position::START, what }))
        }
    }
}

fn small_file(
    machine: &dyn Machine,
    path: &Path,
    max: u64,
) -> Result<Option<Vec<u8>>, EngineError> {
    let failed = |error| EngineError::io("reading", path, error);
    let file = match machine.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let mut bytes = vec![0; file.len().map_err(failed)?.min(max) as usize];
    let read = file.read_at(&mut bytes, 0).map_err(failed)?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

fn decode_ledger(rest: &str) -> Option<LedgerFacts> {
    let mut words = rest.splitn(4, ' ');
    let id = u128::from_str_radix(words.next()?, 16).ok()?;
    let head = Position(words.next()?.parse().ok()?);
    let recorded_at = Timestamp::from_micros(words.next()?.parse().ok()?);
    Some(LedgerFacts { name: words.next()?.to_owned(), id, head, recorded_at })
}

fn decode_entry(kind: Kind, rest: &str) -> Option<Entry> {
    let mut words = rest.splitn(4, ' ');
    let hash = Hash::from_hex(words.next()?).ok()?;
    let bytes = words.next()?.parse().ok()?;
    let last = Position(words.next()?.parse().ok()?);
    Some(Entry { kind, hash, bytes, last, name: words.next()?.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let file = |kind, name: &str| Entry {
            kind,
            hash: blake3::hash(name.as_bytes()),
            bytes: 17,
            last: Position(9),
            name: name.to_owned(),
        };
        let facts = |name: &str| LedgerFacts {
            name: name.to_owned(),
            id: 0xabc,
            head: Position(9),
            recorded_at: Timestamp::from_micros(5),
        };
        let files = vec![file(Kind::Log, "1.log"), file(Kind::Index, "1.idx")];
        let ledgers =
            vec![Kept { facts: facts("a"), files }, Kept { facts: facts("b"), files: Vec::new() }];
        Manifest { by: "1.2.3".into(), at: Timestamp::from_micros(77), ledgers }
    }

    #[test]
    fn a_manifest_is_read_back() {
        assert_eq!(Manifest::decode(&manifest().encode()), Some(manifest()));
    }

    #[test]
    fn g10_a_flipped_bit_or_a_cut_anywhere_in_a_manifest_is_noticed() {
        let bytes = manifest().encode().into_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let found = String::from_utf8(flipped).ok().and_then(|text| Manifest::decode(&text));
            assert_eq!(found, None, "bit {bit}");
        }
        for cut in 0..bytes.len() {
            let text = String::from_utf8_lossy(&bytes[..cut]);
            assert_eq!(Manifest::decode(&text), None, "cut at {cut}");
        }
    }
}
