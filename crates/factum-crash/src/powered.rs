//! [`Powered`]: the operating system, which answers a sync only while its file system has power.
//!
//! A machine whose power is gone answers nothing. A file system that is shut down leaves its
//! processes alive, and ext4 answers a sync that is under way then with success even when blocks that
//! are written for the first time are lost (see `docs/durability.md`). Without this that lie would be
//! taken for the engine's own.

use std::{io, path::Path, sync::Arc};

use factum_engine::machine::{File, Lock, Machine, RealMachine};
use factum_store::Timestamp;

/// The real machine.
pub(crate) struct Powered;

struct PoweredFile(Arc<dyn File>);

fn powered(file: Arc<dyn File>) -> Arc<dyn File> {
    Arc::new(PoweredFile(file))
}

impl Machine for Powered {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        RealMachine.open(path)
    }

    fn open_writable(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        RealMachine.open_writable(path).map(powered)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        RealMachine.create(path).map(powered)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealMachine.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealMachine.remove(path)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        RealMachine.create_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealMachine.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealMachine.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        RealMachine.lock(path)
    }

    fn now(&self) -> Timestamp {
        RealMachine.now()
    }

    fn random(&self) -> u128 {
        RealMachine.random()
    }
}

impl File for PoweredFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buf, offset)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(buf, offset)
    }

    fn allocate(&self, from: u64, upto: u64) -> io::Result<()> {
        self.0.allocate(from, upto)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()?;
        // A file system that was shut down lets nothing be read, from memory or not: if this can be
        // read, then the power was on during all of the sync.
        self.0.read_at(&mut [0], 0).map(drop)
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}
