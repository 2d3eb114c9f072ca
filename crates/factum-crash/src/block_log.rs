//! The log of every write and flush that a block device got (the format of dm-log-writes), and
//! disks as a power cut might have left them: everything up to the last flush, and of what came
//! after it whatever chance has: whole writes, single sectors, or nothing.

use std::{fs::File, os::unix::fs::FileExt as _, path::Path};

use anyhow::Context as _;

/// The unit in which a disk writes.
const SECTOR: usize = 512;
const MAGIC: u64 = 0x006a_7366_7773_6872;
/// The sectors before this one hold the superblock.
const SUPERBLOCK_END: u64 = 8;
/// Flags of entries.
const FLUSH: u64 = 1;
const FORCED: u64 = 2;
const DISCARD: u64 = 4;

/// What a device was told, in order.
pub(crate) struct BlockLog {
    file: File,
    entries: Vec<Entry>,
}

/// One write, flush, or both.
#[derive(Clone, Copy)]
struct Entry {
    sector: u64,
    sectors: u64,
    flags: u64,
    /// Where its data lie in the log, and where the log had grown to with it.
    data: u64,
    end: u64,
}

impl BlockLog {
    /// Reads the entries of a log, all of them: it ends where its file does.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        let len = file.metadata()?.len();
        let [magic, ..] = words(&file, 0)?;
        anyhow::ensure!(magic == MAGIC, "{} is no log of a block device", path.display());
        let (mut entries, mut at) = (Vec::new(), SECTOR as u64);
        while at + SECTOR as u64 <= len {
            let [sector, sectors, flags, _] = words(&file, at)?;
            let data = at + SECTOR as u64;
            let bytes = if flags & DISCARD == 0 { sectors * SECTOR as u64 } else { 0 };
            at = data + bytes;
            if at > len {
                break;
            }
            entries.push(Entry { sector, sectors, flags, data, end: at });
        }
        Ok(Self { file, entries })
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many entries had been written when the log was so long.
    pub(crate) fn entries_at(&self, len: u64) -> usize {
        self.entries.partition_point(|entry| entry.end <= len)
    }

    /// How long the log was after so many entries.
    pub(crate) fn len_after(&self, entries: usize) -> u64 {
        entries.checked_sub(1).and_then(|last| self.entries.get(last)).map_or(0, |last| last.end)
    }

    fn write(
        &self,
        entry: &Entry,
        disk: &mut [u8],
        keep: &mut dyn FnMut() -> bool,
    ) -> anyhow::Result<()> {
        let begin = entry.sector as usize * SECTOR;
        let mut data = vec![0; entry.sectors as usize * SECTOR];
        if entry.flags & DISCARD == 0 {
            self.file.read_exact_at(&mut data, entry.data)?;
        }
        let into = disk.get_mut(begin..begin + data.len()).context("a write beyond the disk")?;
        for (into, from) in into.chunks_mut(SECTOR).zip(data.chunks(SECTOR)) {
            if keep() {
                into.copy_from_slice(from);
            }
        }
        Ok(())
    }
}

/// A disk that goes through its log, from cut to cut.
pub(crate) struct Disk<'a> {
    log: &'a BlockLog,
    /// What was flushed, up to this entry.
    flushed: Vec<u8>,
    upto: usize,
}

impl<'a> Disk<'a> {
    /// An empty disk.
    pub(crate) fn new(log: &'a BlockLog, bytes: u64) -> Self {
        Self { log, flushed: vec![0; bytes as usize], upto: 0 }
    }

    /// The disk as a power cut after so many entries might have left it. Cuts come in order.
    pub(crate) fn cut(
        &mut self,
        after: usize,
        random: &mut fastrand::Rng,
    ) -> anyhow::Result<Vec<u8>> {
        let log = self.log;
        let is_flush = |entry: &Entry| entry.flags & FLUSH != 0;
        let last_flush = log.entries[..after].iter().rposition(is_flush).map_or(0, |at| at + 1);
        for entry in log.entries.get(self.upto..last_flush).unwrap_or_default() {
            log.write(entry, &mut self.flushed, &mut || true)?;
        }
        self.upto = self.upto.max(last_flush);
        let mut disk = self.flushed.clone();
        for entry in &log.entries[self.upto..after] {
            let fate = match random.u8(..) {
                // File systems rely on a superblock being written whole, or not at all.
                200.. if entry.sector < SUPERBLOCK_END => 0,
                fate => fate,
            };
            match fate {
                _ if entry.flags & FORCED != 0 => log.write(entry, &mut disk, &mut || true)?,
                0..=99 => log.write(entry, &mut disk, &mut || true)?,
                100..=199 => {}
                _ => log.write(entry, &mut disk, &mut || random.bool())?,
            }
        }
        Ok(disk)
    }
}

fn words(file: &File, at: u64) -> anyhow::Result<[u64; 4]> {
    let mut bytes = [0; 32];
    file.read_exact_at(&mut bytes, at)?;
    let word = |i: usize| bytes[i * 8..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
    Ok([word(0), word(1), word(2), word(3)])
}

/// Writes a disk to a file, leaving out what is zero.
pub(crate) fn write_disk(disk: &[u8], path: &Path) -> anyhow::Result<()> {
    const PIECE: usize = 4_096;
    const ZERO: &[u8] = &[0; PIECE];
    let file = File::create(path)?;
    file.set_len(disk.len() as u64)?;
    for (number, piece) in disk.chunks(PIECE).enumerate() {
        if piece != &ZERO[..piece.len()] {
            file.write_all_at(piece, (number * PIECE) as u64)?;
        }
    }
    Ok(())
}
