//! [`SimulatedMachine`]: a disk that can crash, a clock that can be set, chance from a seed.
//!
//! Strict POSIX rules: what was written and not synced may be lost, kept, or torn at sectors when
//! the machine crashes; a name is durable only after its directory was synced; after a failed sync
//! the data is gone although later syncs succeed.

mod chance;
mod disk;
mod faults;

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use factum_store::Timestamp;

pub use self::faults::{Faults, Fired};
use self::{chance::Chance, disk::Disk};
use super::{File, Lock, Machine};

/// A machine whose every fault comes from its seed and its [`Faults`].
#[derive(Clone)]
pub struct SimulatedMachine {
    world: Arc<Mutex<World>>,
    reads: Arc<(AtomicU64, AtomicU64)>,
}

/// How much was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Calls.
    pub calls: u64,
    /// Bytes.
    pub bytes: u64,
}

/// What happens just before a file is written or synced.
type Watch = Arc<dyn Fn(&Path) + Send + Sync>;

struct World {
    chance: Chance,
    now: u64,
    disk: Disk,
    locks: BTreeMap<PathBuf, String>,
    crashed: bool,
    faults: Faults,
    fired: Fired,
    counts: Counts,
    watch: Option<Watch>,
}

/// Calls since the faults were set.
#[derive(Clone, Copy, Default)]
struct Counts {
    changes: u64,
    syncs: u64,
    writes: u64,
    reads: u64,
}

impl SimulatedMachine {
    /// A machine with an empty disk.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::of(World::new(Chance::new(seed), 1_000_000, Disk::default(), Fired::default()))
    }

    /// What goes wrong from now on; calls are counted anew.
    pub fn set_faults(&self, faults: Faults) {
        let mut world = self.world();
        (world.faults, world.counts) = (faults, Counts::default());
    }

    /// What has gone wrong so far, on this machine and on those that it was restarted from.
    #[must_use]
    pub fn fired(&self) -> Fired {
        self.world().fired
    }

    /// How many calls changed the disk since the faults were set.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.world().counts.changes
    }

    /// How many bytes the files have.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.world().disk.used()
    }

    /// Whether the machine has crashed.
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.world().crashed
    }

    /// The machine after a power cut and a restart: what was synced is there, and of the rest each
    /// sector and each name by chance. Whoever still uses the old one gets errors.
    #[must_use]
    pub fn restart(&self) -> Self {
        let mut world = self.world();
        world.crashed = true;
        let (mut chance, mut fired, mut disk) = (world.chance, world.fired, world.disk.clone());
        disk.cut(&mut chance, &mut fired);
        Self::of(World::new(chance, world.now, disk, fired))
    }

    /// The machine after its process was killed: what was written is there, and what of it is
    /// durable has not changed. Whoever still uses the old one gets errors.
    #[must_use]
    pub fn kill(&self) -> Self {
        self.world().crashed = true;
        self.copy()
    }

    /// Another machine in the same state, to try something on.
    #[must_use]
    pub fn copy(&self) -> Self {
        let world = self.world();
        Self::of(World::new(world.chance, world.now, world.disk.clone(), world.fired))
    }

    /// `watch` is called just before a file is written or synced, with its path: a test can read
    /// and append there, as other threads would. It may use the machine.
    pub fn watch(&self, watch: impl Fn(&Path) + Send + Sync + 'static) {
        self.world().watch = Some(Arc::new(watch));
    }

    /// Sets the wall clock.
    pub fn set_now(&self, now: Timestamp) {
        self.world().now = now.micros;
    }

    /// How much was read so far.
    #[must_use]
    pub fn reads(&self) -> Reads {
        let (calls, bytes) = &*self.reads;
        Reads { calls: calls.load(Ordering::Relaxed), bytes: bytes.load(Ordering::Relaxed) }
    }

    /// Changes a file's bytes behind the ledger's back.
    ///
    /// # Panics
    /// When there is no such file.
    pub fn damage(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        let mut world = self.world();
        let file = world.disk.number(path).unwrap_or_else(|| panic!("no file {}", path.display()));
        world.disk.damage(file, change);
    }

    /// The paths of all files, sorted.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.world().disk.paths()
    }

    fn of(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)), reads: Arc::default() }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, path: &Path, number: usize) -> Arc<dyn File> {
        Arc::new(SimulatedFile { machine: self.clone(), path: path.into(), number })
    }

    fn open_file(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let world = self.world();
        world.alive()?;
        let number = world.disk.number(path).ok_or(io::ErrorKind::NotFound)?;
        drop(world);
        Ok(self.file(path, number))
    }

    /// Lets the watch look on. Nothing is held meanwhile.
    fn announce(&self, path: &Path) {
        let watch = self.world().watch.clone();
        if let Some(watch) = watch {
            watch(path);
        }
    }
}

impl World {
    fn new(chance: Chance, now: u64, disk: Disk, fired: Fired) -> Self {
        let (faults, counts) = (Faults::default(), Counts::default());
        let (locks, crashed, watch) = (BTreeMap::new(), false, None);
        Self { chance, now, disk, locks, crashed, faults, fired, counts, watch }
    }

    fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(io::Error::other("the machine has crashed")) } else { Ok(()) }
    }

    /// Counts a call that changes the disk; at the chosen ones the machine crashes, or has no room.
    fn change(&mut self) -> io::Result<()> {
        self.alive()?;
        self.counts.changes += 1;
        if self.faults.crash_at.is_some_and(|at| self.counts.changes >= at) {
            self.crashed = true;
            self.fired.crashes += 1;
        }
        self.alive()?;
        if self.faults.full_at == Some(self.counts.changes) {
            return Err(self.full());
        }
        Ok(())
    }

    fn full(&mut self) -> io::Error {
        self.fired.full += 1;
        io::ErrorKind::StorageFull.into()
    }

    fn room(&mut self, file: usize, len: usize) -> io::Result<()> {
        let more = len.saturating_sub(self.disk.bytes(file).len()) as u64;
        let capacity = self.faults.capacity.unwrap_or(u64::MAX);
        if more > 0 && self.disk.used() + more > capacity { Err(self.full()) } else { Ok(()) }
    }

    /// How a write fares: how much of it is written, and what is answered.
    fn fate(&mut self, file: usize, begin: usize, len: usize) -> (usize, io::Result<()>) {
        if let Err(error) = self.alive() {
            return (0, Err(error));
        }
        let mut answer = self.change();
        self.counts.writes += 1;
        let Faults { failing_write, sticky, .. } = self.faults;
        let writes = self.counts.writes;
        if answer.is_ok() && failing_write.is_some_and(|at| writes == at || sticky && writes > at) {
            self.fired.writes += 1;
            answer = Err(io::Error::other("the disk failed to write"));
        }
        let answer = answer.and_then(|()| self.room(file, begin + len));
        if answer.is_ok() {
            return (len, answer);
        }
        let part = match self.chance.below(4) {
            0 => 0,
            1 => len,
            _ => self.chance.below(len as u64 + 1) as usize,
        };
        let part = if self.room(file, begin + part).is_ok() { part } else { 0 };
        self.fired.short_writes += u64::from(part > 0 && part < len);
        (part, answer)
    }
}

impl Machine for SimulatedMachine {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.open_file(path)
    }

    fn open_writable(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.open_file(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut world = self.world();
        world.change()?;
        let number = world.disk.create(path)?;
        drop(world);
        Ok(self.file(path, number))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        let answer = world.change();
        // A call that fails may have had its effect all the same.
        if answer.is_ok() || world.chance.one_in(2) {
            world.disk.rename(from, to)?;
        }
        answer
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.change()?;
        world.disk.remove(path)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.alive()?;
        world.disk.create_dir(dir);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let world = self.world();
        world.alive()?;
        let mut names = world.disk.list(dir)?;
        let locks = world.locks.keys().filter(|path| path.parent() == Some(dir));
        names.extend(locks.filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned())));
        Ok(names.into_iter().collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.change()?;
        world.disk.sync_dir(dir);
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let mut world = self.world();
        world.alive()?;
        if world.locks.contains_key(path) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        world.locks.insert(path.to_owned(), String::new());
        Ok(Box::new(SimulatedLock { machine: self.clone(), path: path.to_owned() }))
    }

    fn now(&self) -> Timestamp {
        let mut world = self.world();
        world.now += 1;
        Timestamp::from_micros(world.now)
    }

    fn random(&self) -> u128 {
        let mut world = self.world();
        let high = world.chance.next();
        u128::from(high) << 64 | u128::from(world.chance.next())
    }
}

struct SimulatedFile {
    machine: SimulatedMachine,
    path: Arc<Path>,
    number: usize,
}

impl File for SimulatedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut world = self.machine.world();
        world.alive()?;
        world.counts.reads += 1;
        let (reads, Faults { failing_read, short_read, .. }) = (world.counts.reads, world.faults);
        if failing_read == Some(reads) {
            world.fired.reads += 1;
            return Err(io::Error::other("the disk failed to read"));
        }
        let content = world.disk.bytes(self.number);
        let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let mut len = buf.len().min(content.len() - begin);
        buf[..len].copy_from_slice(&content[begin..begin + len]);
        if short_read == Some(reads) && len > 0 {
            len = world.chance.below(len as u64) as usize;
            world.fired.short_reads += 1;
        }
        self.machine.reads.0.fetch_add(1, Ordering::Relaxed);
        self.machine.reads.1.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.machine.announce(&self.path);
        let begin = usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut world = self.machine.world();
        let (len, answer) = world.fate(self.number, begin, buf.len());
        if len > 0 {
            world.disk.write(self.number, &buf[..len], begin);
        }
        answer
    }

    fn sync(&self) -> io::Result<()> {
        self.machine.announce(&self.path);
        let mut world = self.machine.world();
        world.change()?;
        world.counts.syncs += 1;
        let (syncs, Faults { failing_sync, sticky, .. }) = (world.counts.syncs, world.faults);
        if failing_sync.is_some_and(|at| syncs == at || (sticky && syncs > at)) {
            world.fired.syncs += 1;
            world.disk.fail_sync(self.number);
            return Err(io::Error::other("the disk failed to sync"));
        }
        world.disk.sync(self.number);
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let world = self.machine.world();
        world.alive()?;
        Ok(world.disk.bytes(self.number).len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut world = self.machine.world();
        world.change()?;
        world.room(self.number, len)?;
        world.disk.set_len(self.number, len);
        Ok(())
    }
}

struct SimulatedLock {
    machine: SimulatedMachine,
    path: PathBuf,
}

impl Lock for SimulatedLock {
    fn note(&self) -> io::Result<String> {
        Ok(self.machine.world().locks.get(&self.path).cloned().unwrap_or_default())
    }

    fn set_note(&self, note: &str) -> io::Result<()> {
        self.machine.world().locks.insert(self.path.clone(), note.to_owned());
        Ok(())
    }
}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.machine.world().locks.remove(&self.path);
    }
}
