//! The only door to the world: disk, clock and randomness behind one narrow trait, [`Machine`].
//!
//! Everything else in this crate is a function of what comes through here, so a test can crash the
//! disk at any call, count the reads that a query costs, or turn the clock back (G1, G2, G10, G12).
//! Nothing outside this folder may use `std::fs`, `std::time` or a random generator.

mod real;
mod simulated;

use std::{io, path::Path, sync::Arc};

use factum_store::Timestamp;

pub use real::RealMachine;
pub use simulated::{Faults, Fired, Reads, SimulatedMachine};

/// The machine that a ledger runs on.
pub trait Machine: Send + Sync + 'static {
    /// Opens an existing file for reading only.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Opens an existing file for reading and writing.
    fn open_writable(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Makes a new, empty file; fails with `AlreadyExists` when there is one. The file's name is
    /// durable only after [`Machine::sync_dir`].
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Gives a file a new name, replacing what had that name. Durable only after
    /// [`Machine::sync_dir`].
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory and its parents; nothing happens when it exists.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// The names in a directory, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Makes the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the exclusive lock on a file, which is made if missing, until the value is dropped.
    /// Fails with `WouldBlock` when another process has it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;

    /// The wall clock. It may jump in either direction.
    fn now(&self) -> Timestamp;

    /// 128 random bits.
    fn random(&self) -> u128;
}

/// An open file.
#[expect(clippy::len_without_is_empty, reason = "nobody asks whether a file is empty")]
pub trait File: Send + Sync + 'static {
    /// Reads at `offset` until `buf` is full or the file ends; says how many bytes were read.
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `buf` at `offset`. An error leaves any part of it written.
    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()>;

    /// Gives the bytes from `from`, where the file ends, up to `upto` their room, so that no write
    /// there finds the disk full. They read as zeros. Nothing of it is durable before a sync.
    fn allocate(&self, from: u64, upto: u64) -> io::Result<()> {
        const ZEROS: &[u8] = &[0; 256 << 10];
        let mut at = from;
        while at < upto {
            let piece = ZEROS.len().min((upto - at) as usize);
            self.write_at(&ZEROS[..piece], at)?;
            at += piece as u64;
        }
        Ok(())
    }

    /// Makes everything written so far durable (`fdatasync`). After an error nothing that was
    /// written since the last success may be relied on, whatever a later call says.
    fn sync(&self) -> io::Result<()>;

    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Cuts or extends (with zeros) the file.
    fn set_len(&self, len: u64) -> io::Result<()>;
}

/// A lock that is held until it is dropped.
pub trait Lock: Send + Sync + 'static {
    /// The text that the holder left for others, such as its process id and address.
    fn note(&self) -> io::Result<String>;

    /// Leaves a text for others.
    fn set_note(&self, note: &str) -> io::Result<()>;
}
