//! [`Packed`]: a compressed segment as the file that it was before. Nobody who reads it knows.
//!
//! Protects G10: a block is checked before it is decompressed, and what does not check is damage, at
//! its place in the real file; and G12: blocks that were decompressed are kept in one cache of
//! bounded size, and tables with them.

use std::{
    io,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use quick_cache::{Weighter, sync::Cache};

use super::{
    frame::{u32_at, u64_at},
    header::{SEGMENT_HEADER_BYTES, SegmentHeader},
    packing::{Packing, ROW_BYTES, TABLE, check},
};
use crate::machine::File;

/// Bytes of blocks that are kept decompressed, of all ledgers of the process.
const CACHE_BYTES: u64 = 32 << 20;

/// A block of a file: a number that is given once for each opened file, and the block's.
type Key = (u64, u32);

type Blocks = Cache<Key, Bytes, Weight>;

static CACHE: LazyLock<Blocks> = LazyLock::new(|| Cache::with_weighter(1_024, CACHE_BYTES, Weight));
static OPENED: AtomicU64 = AtomicU64::new(0);

#[cfg(feature = "simulation")]
thread_local! {
    /// What a simulation reads must not depend on what others have read.
    static OWN: std::cell::RefCell<Option<Arc<Blocks>>> = const {
        std::cell::RefCell::new(None)
    };
}

/// From now on this thread keeps blocks in a cache of its own, which is empty.
#[cfg(feature = "simulation")]
pub(crate) fn remember_alone() {
    OWN.set(Some(Arc::new(Cache::with_weighter(16, CACHE_BYTES, Weight))));
}

/// Asks the cache.
fn with_cache<T>(ask: impl FnOnce(&Blocks) -> T) -> T {
    #[cfg(feature = "simulation")]
    if let Some(own) = OWN.with_borrow(Clone::clone) {
        return ask(&own);
    }
    ask(&CACHE)
}

#[derive(Clone)]
struct Weight;

impl Weighter<Key, Bytes> for Weight {
    fn weight(&self, _: &Key, block: &Bytes) -> u64 {
        block.len() as u64
    }
}

/// Damaged bytes of a compressed segment, inside an error of the machine.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct PackedDamage {
    /// Where, in the real file.
    pub(crate) offset: u64,
    /// The segment's first position.
    pub(crate) position: factum_store::Position,
    pub(crate) what: &'static str,
}

/// A compressed segment's file.
pub(super) struct Packed {
    file: Arc<dyn File>,
    header: SegmentHeader,
    packing: Packing,
    number: u64,
}

impl Packed {
    pub(super) fn new(file: Arc<dyn File>, header: SegmentHeader, packing: Packing) -> Self {
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        Self { file, header, packing, number }
    }

    fn damage(&self, offset: u64, what: &'static str) -> io::Error {
        let position = self.header.first;
        io::Error::new(io::ErrorKind::InvalidData, PackedDamage { offset, position, what })
    }

    /// Bytes of the real file, when they are what was written.
    fn checked(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        let read = self.file.read_at(&mut bytes, offset)?;
        bytes.truncate(read);
        match read == len {
            true => Ok(bytes),
            // A read that ends early is no end of the file.
            false if self.file.len()? >= offset + len as u64 => {
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            false => Err(self.damage(offset, "the file ends within a block")),
        }
    }

    fn table(&self) -> io::Result<Bytes> {
        if let Some(table) = with_cache(|cache| cache.get(&(self.number, TABLE))) {
            return Ok(table);
        }
        let at = self.packing.table_at;
        let table = Bytes::from(self.checked(at, self.packing.table_bytes())?);
        let rows = table.slice(..table.len() - 8);
        if u64_at(&table, rows.len()) != Some(check(&self.header, TABLE, &rows)) {
            return Err(self.damage(at, "the table of its blocks is damaged"));
        }
        with_cache(|cache| cache.insert((self.number, TABLE), rows.clone()));
        Ok(rows)
    }

    /// A block as it was. Whoever reads all of it is reading through, and is not remembered.
    fn block(&self, block: u32, whole: bool) -> io::Result<Bytes> {
        let key = (self.number, block);
        if let Some(known) = with_cache(|cache| cache.get(&key)) {
            return Ok(known);
        }
        let table = self.table()?;
        let row = block as usize * ROW_BYTES;
        let end_of = |row: usize| u32_at(&table, row).map(u64::from);
        let begin = row.checked_sub(ROW_BYTES).map_or(Some(SEGMENT_HEADER_BYTES), end_of);
        let sound = |(begin, end): &(u64, u64)| begin < end && *end <= self.packing.table_at;
        let place = begin.zip(end_of(row)).filter(sound);
        let absurd = "the table of its blocks makes no sense";
        let (begin, end) = place.ok_or_else(|| self.damage(self.packing.table_at, absurd))?;
        let packed = self.checked(begin, (end - begin) as usize)?;
        if u64_at(&table, row + 4) != Some(check(&self.header, block, &packed)) {
            return Err(self.damage(begin, "a block's checksum does not fit"));
        }
        let len = self.packing.bytes_of(block);
        let bytes = zstd::bulk::decompress(&packed, len).ok().filter(|bytes| bytes.len() == len);
        let bytes = bytes.map(Bytes::from);
        let bytes = bytes.ok_or_else(|| self.damage(begin, "a block can't be decompressed"))?;
        if !whole {
            with_cache(|cache| cache.insert(key, bytes.clone()));
        }
        Ok(bytes)
    }
}

impl File for Packed {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let wanted = (buf.len() as u64).min(self.packing.len.saturating_sub(offset)) as usize;
        let mut done = 0;
        while done < wanted {
            let at = offset + done as u64;
            let into = &mut buf[done..wanted];
            let copied = match at.checked_sub(SEGMENT_HEADER_BYTES) {
                None => copy(into, &self.header.encode(), at),
                Some(at) => {
                    let size = u64::from(self.packing.block_bytes.max(1));
                    let whole = at.is_multiple_of(size) && into.len() as u64 >= size;
                    copy(into, &self.block((at / size) as u32, whole)?, at % size)
                }
            };
            if copied == 0 {
                return Err(self.damage(self.packing.table_at, "it has fewer blocks than it says"));
            }
            done += copied;
        }
        Ok(done)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.packing.len)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// Copies what there is from `at` on.
fn copy(into: &mut [u8], from: &[u8], at: u64) -> usize {
    let from = from.get(at as usize..).unwrap_or_default();
    let len = into.len().min(from.len());
    into[..len].copy_from_slice(&from[..len]);
    len
}
