//! Compressed segments: [`Packing`], what the header's block says of them, and [`Packer`], which
//! writes one.
//!
//! What is compressed is the segment's bytes in blocks of one size, each by itself, so that any part
//! of it is read by decompressing one or two of them. A reader sees the bytes as they were (see
//! `packed`), so frames, offsets and index files are those of a segment that is not compressed.
//!
//! ```text
//!   | header's block: header, packing at 64 | block 0 | block 1 | … | table |
//!
//!   packing   64   8  "FACTUMPK"                table   for each block:
//!             72   8  bytes of the segment                4  where it ends in this file
//!             80   8  where the table begins              8  check of its bytes here
//!             88   4  bytes of a block                  then 8: check of the table
//!             92   4  number of blocks
//!             96   4  crc32 of bytes 0..96
//! ```
//! A check is XXH3-64, seeded with the XXH3-64 of ledger, first position, generation and the
//! block's number (the table's is all ones). Blocks are zstd frames; the last may be shorter.

use std::{io, sync::Arc};

use twox_hash::XxHash3_64;

#[cfg(feature = "fuzzing")]
use super::frame::u16_at;
use super::{
    frame::{u32_at, u64_at},
    header::{SEGMENT_HEADER_BYTES, SegmentHeader},
};
use crate::machine::File;

/// Bytes of a block before it is compressed: what reading one event costs.
const BLOCK_BYTES: u32 = 64 << 10;
/// Blocks of other sizes are read, too; these bound what a header can make us ask memory for.
const BLOCK_BYTES_MIN: u32 = 4 << 10;
const BLOCK_BYTES_MAX: u32 = 4 << 20;
/// Compressing is done once and off the hot path; beyond this it takes much longer for little.
const LEVEL: i32 = 9;

pub(super) const PACKING_AT: usize = 64;
const MAGIC: &[u8; 8] = b"FACTUMPK";
const CHECKED: usize = PACKING_AT + 32;
/// How much of the header's block is used.
pub(super) const HEAD_BYTES: usize = CHECKED + 4;
/// Bytes of the table for each block.
pub(super) const ROW_BYTES: usize = 12;
/// The number that the table's check is seeded with.
pub(super) const TABLE: u32 = u32::MAX;

/// What the header's block of a compressed segment says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packing {
    /// Bytes of the segment before it was compressed, its header's block included.
    pub(super) len: u64,
    pub(super) table_at: u64,
    pub(super) block_bytes: u32,
    pub(super) blocks: u32,
}

impl Packing {
    /// What the first bytes of a segment's file say; `None` when it is not compressed.
    pub(super) fn decode(head: &[u8]) -> Result<Option<Self>, &'static str> {
        let rest = head.get(PACKING_AT..).unwrap_or_default();
        if rest.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let checked = head.get(..CHECKED).filter(|_| rest.starts_with(MAGIC));
        let check = u32_at(head, CHECKED);
        match checked.filter(|checked| Some(crc32fast::hash(checked)) == check) {
            None => Err("what its header says of its compression is damaged"),
            Some(head) => {
                let long = |at| u64_at(head, at).unwrap_or_default();
                let word = |at| u32_at(head, at).unwrap_or_default();
                let (len, table_at) = (long(72), long(80));
                Ok(Some(Self { len, table_at, block_bytes: word(88), blocks: word(92) }))
            }
        }
    }

    /// Whether it makes sense for a file of so many bytes.
    pub(super) fn fits(&self, disk_bytes: u64) -> bool {
        let Self { len, table_at, block_bytes, blocks } = *self;
        let sizes = (BLOCK_BYTES_MIN..=BLOCK_BYTES_MAX).contains(&block_bytes);
        let content = len.checked_sub(SEGMENT_HEADER_BYTES);
        let counts = content.map(|bytes| bytes.div_ceil(u64::from(block_bytes.max(1))));
        sizes
            && counts == Some(u64::from(blocks))
            && table_at.checked_add(self.table_bytes() as u64) == Some(disk_bytes)
    }

    /// The header's block of the file.
    fn encode(&self, header: &SegmentHeader) -> Vec<u8> {
        let mut head = header.encode();
        head[PACKING_AT..PACKING_AT + 8].copy_from_slice(MAGIC);
        head[72..80].copy_from_slice(&self.len.to_le_bytes());
        head[80..88].copy_from_slice(&self.table_at.to_le_bytes());
        head[88..92].copy_from_slice(&self.block_bytes.to_le_bytes());
        head[92..96].copy_from_slice(&self.blocks.to_le_bytes());
        let check = crc32fast::hash(&head[..CHECKED]);
        head[CHECKED..HEAD_BYTES].copy_from_slice(&check.to_le_bytes());
        head
    }

    /// Bytes of a block of the segment.
    pub(super) fn bytes_of(&self, block: u32) -> usize {
        let before = u64::from(block) * u64::from(self.block_bytes);
        let left = self.len.saturating_sub(SEGMENT_HEADER_BYTES).saturating_sub(before);
        left.min(u64::from(self.block_bytes)) as usize
    }

    /// Bytes of the table.
    pub(super) fn table_bytes(&self) -> usize {
        self.blocks as usize * ROW_BYTES + 8
    }
}

/// What the bytes of a block, or the table, must check to.
pub(super) fn check(header: &SegmentHeader, block: u32, bytes: &[u8]) -> u64 {
    let mut of = [0; 32];
    of[..16].copy_from_slice(&header.ledger.to_le_bytes());
    of[16..24].copy_from_slice(&header.first.0.to_le_bytes());
    of[24..28].copy_from_slice(&header.generation.to_le_bytes());
    of[28..].copy_from_slice(&block.to_le_bytes());
    XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot(&of), bytes)
}

/// A compressed segment of any blocks, whose checks all fit: the input is how many bytes the segment
/// says to have, then each block behind its length, and where the table says that it ends.
#[cfg(feature = "fuzzing")]
pub(crate) fn packed_of(header: &SegmentHeader, input: &[u8]) -> Option<Vec<u8>> {
    let (len, mut rest) = input.split_first_chunk()?;
    let (mut file, mut table) = (vec![0; SEGMENT_HEADER_BYTES as usize], Vec::new());
    let mut blocks = 0;
    while let Some((head, after)) = rest.split_first_chunk::<4>() {
        let (bytes, astray) = (u16_at(head, 0)?, u16_at(head, 2)?);
        let (block, after) = after.split_at(after.len().min(bytes.into()));
        file.extend_from_slice(block);
        let end = (file.len() as u32).wrapping_add(astray.cast_signed() as u32);
        table.extend_from_slice(&end.to_le_bytes());
        table.extend_from_slice(&check(header, blocks, block).to_le_bytes());
        (rest, blocks) = (after, blocks + 1);
    }
    let table_at = file.len() as u64;
    let sealed = check(header, TABLE, &table).to_le_bytes();
    [&table[..], &sealed].iter().for_each(|bytes| file.extend_from_slice(bytes));
    // Small blocks, so that short inputs have several of them.
    let (len, block_bytes) = (u32::from_le_bytes(*len).into(), BLOCK_BYTES_MIN);
    let head = Packing { len, table_at, block_bytes, blocks }.encode(header);
    file[..head.len()].copy_from_slice(&head);
    Some(file)
}

/// An input of [`packed_of`] for a segment that begins with a header's block.
#[cfg(feature = "fuzzing")]
pub(crate) fn unpacked(segment: &[u8]) -> Vec<u8> {
    let mut input = (segment.len() as u32).to_le_bytes().to_vec();
    for block in segment[SEGMENT_HEADER_BYTES as usize..].chunks(BLOCK_BYTES_MIN as usize) {
        let block = zstd::bulk::compress(block, LEVEL).unwrap_or_default();
        input.extend_from_slice(&(block.len() as u32).to_le_bytes());
        input.extend_from_slice(&block);
    }
    input
}

/// Writes a compressed segment from begin to end.
pub(crate) struct Packer {
    file: Arc<dyn File>,
    header: SegmentHeader,
    /// The bytes of the block that is not full yet.
    block: Vec<u8>,
    /// Bytes of the blocks before it.
    before: u64,
    /// Where the next block goes in the file.
    at: u64,
    table: Vec<u8>,
    blocks: u32,
}

impl Packer {
    /// Into a new, empty file.
    pub(crate) fn new(file: Arc<dyn File>, header: SegmentHeader) -> Self {
        let at = SEGMENT_HEADER_BYTES;
        Self { file, header, block: Vec::new(), before: 0, at, table: Vec::new(), blocks: 0 }
    }

    /// Where the next byte goes in the segment.
    pub(crate) fn end(&self) -> u64 {
        SEGMENT_HEADER_BYTES + self.before + self.block.len() as u64
    }

    pub(crate) fn put(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = BLOCK_BYTES as usize - self.block.len();
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.block.extend_from_slice(now);
            bytes = rest;
            if self.block.len() == BLOCK_BYTES as usize {
                self.finish_block()?;
            }
        }
        Ok(())
    }

    fn finish_block(&mut self) -> io::Result<()> {
        let packed = zstd::bulk::compress(&self.block, LEVEL)?;
        self.file.write_at(&packed, self.at)?;
        self.at += packed.len() as u64;
        // A segment is smaller than 4 GiB, and so is every place in it.
        self.table.extend_from_slice(&(self.at as u32).to_le_bytes());
        let check = check(&self.header, self.blocks, &packed);
        self.table.extend_from_slice(&check.to_le_bytes());
        self.blocks += 1;
        self.before += self.block.len() as u64;
        self.block.clear();
        Ok(())
    }

    /// Writes what is left: the last block, the table, the header.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        let len = self.end();
        if !self.block.is_empty() {
            self.finish_block()?;
        }
        let check = check(&self.header, TABLE, &self.table);
        self.table.extend_from_slice(&check.to_le_bytes());
        self.file.write_at(&self.table, self.at)?;
        let (table_at, blocks) = (self.at, self.blocks);
        let packing = Packing { len, table_at, block_bytes: BLOCK_BYTES, blocks };
        self.file.write_at(&packing.encode(&self.header), 0)
    }
}
