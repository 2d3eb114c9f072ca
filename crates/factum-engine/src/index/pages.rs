//! Pages: an index file is nothing but pages of 4 KiB, each with its own checksum, so every part of
//! it can be read alone and nothing damaged or misplaced is ever believed (G10).
//!
//! ```text
//!   page n   | body, 4,092 bytes, filled up with zeros                         | check, u32 |
//!            check = CRC-32(seal, n, body)      seal = XXH3-64 of the header's body, 0 for page 0
//! ```
//! All numbers are little-endian; `varint` is LEB128.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{filter::FilterRoom, header::Span};
use crate::machine::File;

pub(super) const PAGE_BYTES: usize = 4096;
pub(super) const BODY_BYTES: usize = PAGE_BYTES - 4;

/// The checked body of a page.
pub(super) type Body = Arc<[u8]>;

/// Why an index could not be asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum IndexError {
    /// The machine could not read the file.
    #[error("an index file can't be read: {0}")]
    Io(#[from] Arc<io::Error>),
    /// The file is not what was written. It is derived: it is built again from the log.
    #[error("page {page} of an index file is damaged: {problem}")]
    Damaged {
        /// Which page of the file.
        page: u32,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// How many pages were read; what `explain` and the tests of the cost look at.
#[derive(Default, Debug)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    pub(crate) fn pages(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn count_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Pages and filters of index files in memory, up to a number of bytes, whatever the length of the
/// ledgers (G12). Cheap to clone; clones share it.
#[derive(Clone)]
pub struct IndexCache {
    pages: Arc<quick_cache::sync::Cache<(u64, u32), Body>>,
    files: Arc<AtomicU64>,
    filters: FilterRoom,
}

impl IndexCache {
    /// Bytes of it unless something else is said.
    pub const BYTES: u64 = 64 << 20;

    /// A cache of at most this many bytes: half for pages, half for filters.
    #[must_use]
    pub fn with_bytes(bytes: u64) -> Self {
        let pages = usize::try_from(bytes / 2).unwrap_or(usize::MAX) / PAGE_BYTES;
        let pages = Arc::new(quick_cache::sync::Cache::new(pages.max(1)));
        Self { pages, files: Arc::default(), filters: FilterRoom::new(bytes / 2) }
    }

    /// A number for a file that is opened: one that is written again is another file.
    fn next_file(&self) -> u64 {
        self.files.fetch_add(1, Ordering::Relaxed)
    }
}

impl std::fmt::Debug for IndexCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IndexCache({} pages)", self.pages.capacity())
    }
}

fn check(seal: u64, page: u32, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&seal.to_le_bytes());
    hasher.update(&page.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// The pages of an open index file.
pub(super) struct Pages {
    pub(super) file: Arc<dyn File>,
    pub(super) seal: u64,
    pub(super) filters: FilterRoom,
    cache: IndexCache,
    /// Which file of the cache it is.
    number: u64,
}

impl Pages {
    /// The pages of a file that is just being opened.
    pub(super) fn new(file: Arc<dyn File>, cache: &IndexCache) -> Self {
        let (filters, number) = (cache.filters.clone(), cache.next_file());
        Self { file, seal: 0, filters, cache: cache.clone(), number }
    }

    /// The body of a page, read and checked once while the cache keeps it.
    pub(super) fn read(&self, page: u32, tally: &Tally) -> Result<Body, IndexError> {
        tally.count_one();
        let key = (self.number, page);
        if let Some(body) = self.cache.pages.get(&key) {
            return Ok(body);
        }
        let body = self.fetch(page)?;
        self.cache.pages.insert(key, Arc::clone(&body));
        Ok(body)
    }

    /// Reads a page from the file and checks it.
    pub(super) fn fetch(&self, page: u32) -> Result<Body, IndexError> {
        let mut bytes = [0; PAGE_BYTES];
        let read = self.file.read_at(&mut bytes, u64::from(page) * PAGE_BYTES as u64);
        let read = read.map_err(Arc::new)?;
        self.checked(page, &bytes[..read]).map(Body::from)
    }

    /// Hands the bodies of pages that lie one after the other to `take`; they are read at once and
    /// not kept.
    pub(super) fn run<T>(
        &self,
        span: Span,
        take: impl FnOnce(&mut dyn Iterator<Item = &[u8]>) -> T,
    ) -> Result<T, IndexError> {
        let mut bytes = vec![0; span.pages as usize * PAGE_BYTES];
        let read = self.file.read_at(&mut bytes, u64::from(span.first) * PAGE_BYTES as u64);
        bytes.truncate(read.map_err(Arc::new)?);
        let (pages, mut bodies) = (span.first..span.then(0).first, Vec::new());
        for (at, page) in pages.enumerate() {
            let page_bytes = bytes.get(at * PAGE_BYTES..).unwrap_or_default();
            bodies.push(self.checked(page, page_bytes)?);
        }
        Ok(take(&mut bodies.into_iter()))
    }

    /// The body of the page that some bytes begin with.
    fn checked<'a>(&self, page: u32, bytes: &'a [u8]) -> Result<&'a [u8], IndexError> {
        let damaged = |problem| IndexError::Damaged { page, problem };
        let bytes = bytes.get(..PAGE_BYTES).ok_or(damaged("the file is too short"))?;
        let (body, stored) = bytes.split_at(BODY_BYTES);
        if check(self.seal, page, body).to_le_bytes() != *stored {
            return Err(damaged("its checksum does not fit"));
        }
        Ok(body)
    }
}

/// A run of pages that is being written. Checksums come last, when the whole file is known.
#[derive(Default)]
pub(super) struct PageRun {
    bytes: Vec<u8>,
}

impl PageRun {
    /// A run that is not moved while it has at most so many pages.
    pub(super) fn for_pages(pages: u32) -> Self {
        Self { bytes: Vec::with_capacity(pages as usize * PAGE_BYTES) }
    }

    pub(super) fn pages(&self) -> u32 {
        (self.bytes.len() / PAGE_BYTES) as u32
    }

    /// Adds a page; says its place in the run.
    pub(super) fn push(&mut self, body: &[u8]) -> u32 {
        assert!(body.len() <= BODY_BYTES, "a page's body has {} bytes", body.len());
        let page = self.pages();
        self.bytes.extend_from_slice(body);
        self.bytes.resize((page as usize + 1) * PAGE_BYTES, 0);
        page
    }

    pub(super) fn append(&mut self, other: Self) {
        self.bytes.extend_from_slice(&other.bytes);
    }

    /// The bytes of the whole file, with each page's checksum. The first page is the header.
    pub(super) fn seal(mut self) -> Vec<u8> {
        let mut seal = 0;
        for (page, bytes) in self.bytes.chunks_exact_mut(PAGE_BYTES).enumerate() {
            let (body, stored) = bytes.split_at_mut(BODY_BYTES);
            stored.copy_from_slice(&check(seal, page as u32, body).to_le_bytes());
            if page == 0 {
                seal = seal_of(body);
            }
        }
        self.bytes
    }
}

/// A file of pages with these bodies, each with a checksum that fits.
#[cfg(feature = "fuzzing")]
pub(crate) fn resealed(bodies: &[u8]) -> Vec<u8> {
    let mut run = PageRun::default();
    for body in bodies.chunks(BODY_BYTES) {
        run.push(body);
    }
    run.seal()
}

/// The bodies of the pages of a file.
#[cfg(feature = "fuzzing")]
pub(crate) fn bodies(file: &[u8]) -> Vec<u8> {
    file.chunks(PAGE_BYTES).flat_map(|page| page.iter().take(BODY_BYTES)).copied().collect()
}

/// What seeds the checksums of a file's pages: no page of another file, or of another build of
/// this one, passes for one of its own.
pub(super) fn seal_of(header: &[u8]) -> u64 {
    twox_hash::XxHash3_64::oneshot(header)
}

/// Some of the pages that were read last, so that walking on costs no second read.
pub(super) struct Recent<'a> {
    pages: &'a Pages,
    tally: &'a Tally,
    bodies: Vec<(u32, Body)>,
}

/// As many as a tree is high, and one to spare.
const RECENT_MAX: usize = 4;

impl<'a> Recent<'a> {
    pub(super) fn new(pages: &'a Pages, tally: &'a Tally) -> Self {
        Self { pages, tally, bodies: Vec::new() }
    }

    pub(super) fn read(&mut self, page: u32) -> Result<Body, IndexError> {
        if let Some(at) = self.bodies.iter().position(|(known, _)| *known == page) {
            self.bodies[..=at].rotate_right(1);
        } else {
            let body = self.pages.read(page, self.tally)?;
            self.bodies.truncate(RECENT_MAX - 1);
            self.bodies.insert(0, (page, body));
        }
        Ok(Arc::clone(&self.bodies[0].1))
    }
}

pub(super) fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Takes numbers off the front of some bytes; `None` when they are not there.
#[derive(Clone, Copy)]
pub(super) struct Take<'a>(pub(super) &'a [u8]);

impl<'a> Take<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes(self.bytes(2)?.try_into().ok()?))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(4)?.try_into().ok()?))
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.bytes(8)?.try_into().ok()?))
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn varint32(&mut self) -> Option<u32> {
        self.varint()?.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_come_back() {
        let values = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
        let mut bytes = Vec::new();
        values.iter().for_each(|value| put_varint(&mut bytes, *value));
        let mut take = Take(&bytes);
        assert!(values.iter().all(|value| take.varint() == Some(*value)));
        assert_eq!(take.varint(), None);
        assert_eq!(Take(&[0x80; 12]).varint(), None);
    }
}
