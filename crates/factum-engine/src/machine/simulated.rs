//! [`SimulatedMachine`]: a disk that can crash, a clock that can be set, chance from a seed.
//!
//! Strict POSIX rules: what was written and not synced may be lost, kept, or torn at sectors when
//! the machine crashes; a name is durable only after its directory was synced; after a failed sync
//! the data is gone although later syncs succeed. Small enough to read at one sitting.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use factum_store::Timestamp;

use super::{File, Lock, Machine};

/// The unit in which a crash tears what was not synced.
const SECTOR: usize = 512;

/// A machine whose every fault comes from its seed and its [`Faults`].
#[derive(Clone)]
pub struct SimulatedMachine {
    world: Arc<Mutex<World>>,
    reads: Arc<(AtomicU64, AtomicU64)>,
}

/// What goes wrong. Calls that change the disk are counted from 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// The machine crashes at this call: it and all later ones fail.
    pub crash_at: Option<u64>,
    /// This sync of a file fails, and what it should have made durable is lost.
    pub failing_sync: Option<u64>,
    /// Syncs from `failing_sync` on fail for good, instead of once.
    pub sticky: bool,
    /// The disk has room for so many bytes.
    pub capacity: Option<u64>,
}

/// How much was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reads {
    /// Calls.
    pub calls: u64,
    /// Bytes.
    pub bytes: u64,
}

#[derive(Default)]
struct World {
    chance: u64,
    now: u64,
    faults: Faults,
    calls: u64,
    syncs: u64,
    crashed: bool,
    /// Names as a running program sees them, and as they would be after a crash.
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    dirs: BTreeSet<PathBuf>,
    files: Vec<Content>,
    locks: BTreeMap<PathBuf, String>,
}

#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    /// What a failed sync left in the cache, taken for clean: later syncs do not write it.
    clean: Option<Vec<u8>>,
}

impl SimulatedMachine {
    /// A machine with an empty disk.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let world =
            World { chance: seed ^ 0x9e37_79b9_7f4a_7c15, now: 1_000_000, ..World::default() };
        Self { world: Arc::new(Mutex::new(world)), reads: Arc::default() }
    }

    /// What goes wrong from now on; calls are counted anew.
    pub fn set_faults(&self, faults: Faults) {
        let mut world = self.world();
        (world.faults, world.calls, world.syncs) = (faults, 0, 0);
    }

    /// How many calls changed the disk since the faults were set.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.world().calls
    }

    /// Whether the machine has crashed.
    #[must_use]
    pub fn crashed(&self) -> bool {
        self.world().crashed
    }

    /// The machine after a power cut and a restart: what was synced is there, and of the rest each
    /// sector by chance. Whoever still uses the old one gets errors.
    #[must_use]
    pub fn restart(&self) -> Self {
        let mut world = self.world();
        world.crashed = true;
        let mut chance = world.chance;
        let mut files = world.files.clone();
        for file in &mut files {
            file.lose_some(&mut chance);
        }
        // A name that was not made durable is there, or not, by chance.
        let mut names = world.durable_names.clone();
        for (name, file) in &world.names {
            if names.get(name) != Some(file) && roll(&mut chance).is_multiple_of(2) {
                names.retain(|_, other| other != file);
                names.insert(name.clone(), *file);
            }
        }
        let next = World {
            chance,
            now: world.now,
            durable_names: names.clone(),
            names,
            dirs: world.dirs.clone(),
            files,
            ..World::default()
        };
        Self { world: Arc::new(Mutex::new(next)), reads: Arc::default() }
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
        let file = world.names[path];
        let content = &mut world.files[file];
        change(&mut content.now);
        content.durable = content.now.clone();
    }

    /// The paths of all files, sorted.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        self.world().names.keys().cloned().collect()
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, number: usize) -> Arc<dyn File> {
        Arc::new(SimulatedFile { machine: self.clone(), number })
    }

    fn open_file(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let world = self.world();
        world.alive()?;
        let number = world.names.get(path).copied().ok_or(io::ErrorKind::NotFound)?;
        drop(world);
        Ok(self.file(number))
    }
}

/// A step of xorshift64*.
fn roll(chance: &mut u64) -> u64 {
    *chance ^= *chance >> 12;
    *chance ^= *chance << 25;
    *chance ^= *chance >> 27;
    chance.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 7
}

impl Content {
    /// Of what was not synced, each sector is kept or lost.
    fn lose_some(&mut self, chance: &mut u64) {
        let len = match roll(chance) % 3 {
            0 => self.now.len(),
            1 => self.durable.len(),
            _ => {
                let (a, b) = (self.now.len().min(self.durable.len()), self.now.len());
                a + (roll(chance) as usize) % (b - a + 1)
            }
        };
        let mut kept = self.durable.clone();
        kept.resize(len, 0);
        for at in (0..len).step_by(SECTOR) {
            let end = (at + SECTOR).min(len).min(self.now.len());
            if at < end && roll(chance).is_multiple_of(2) {
                kept[at..end].copy_from_slice(&self.now[at..end]);
            }
        }
        *self = Self { now: kept.clone(), durable: kept, clean: None };
    }

    fn sync(&mut self) {
        let before = std::mem::replace(&mut self.durable, self.now.clone());
        let Some(clean) = &self.clean else { return };
        for at in (0..self.now.len()).step_by(SECTOR) {
            let sector = at..(at + SECTOR).min(self.now.len());
            if clean.get(sector.clone()) == Some(&self.now[sector.clone()]) {
                for byte in sector {
                    self.durable[byte] = before.get(byte).copied().unwrap_or_default();
                }
            }
        }
    }
}

impl World {
    fn alive(&self) -> io::Result<()> {
        if self.crashed { Err(io::Error::other("the machine has crashed")) } else { Ok(()) }
    }

    /// Counts a call that changes the disk; at the chosen one the machine crashes.
    fn change(&mut self) -> io::Result<()> {
        self.alive()?;
        self.calls += 1;
        self.crashed = self.faults.crash_at.is_some_and(|at| self.calls >= at);
        self.alive()
    }

    fn used(&self) -> u64 {
        self.names.values().map(|file| self.files[*file].now.len() as u64).sum()
    }

    fn grow(&mut self, file: usize, len: usize) -> io::Result<()> {
        let more = len.saturating_sub(self.files[file].now.len()) as u64;
        if self.faults.capacity.is_some_and(|capacity| more > 0 && self.used() + more > capacity) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if self.files[file].now.len() < len {
            self.files[file].now.resize(len, 0);
        }
        Ok(())
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
        if world.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        world.files.push(Content::default());
        let number = world.files.len() - 1;
        world.names.insert(path.to_owned(), number);
        drop(world);
        Ok(self.file(number))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.change()?;
        let number = world.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        world.names.insert(to.to_owned(), number);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.change()?;
        world.names.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.alive()?;
        for dir in dir.ancestors() {
            world.dirs.insert(dir.to_owned());
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let world = self.world();
        world.alive()?;
        if !world.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let all = world.names.keys().chain(&world.dirs).chain(world.locks.keys());
        let inside = all.filter(|path| path.parent() == Some(dir));
        let names =
            inside.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        Ok(names.collect::<BTreeSet<_>>().into_iter().collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut world = self.world();
        world.change()?;
        let World { names, durable_names, .. } = &mut *world;
        durable_names.retain(|path, _| path.parent() != Some(dir));
        let inside = names.iter().filter(|(path, _)| path.parent() == Some(dir));
        durable_names.extend(inside.map(|(path, file)| (path.clone(), *file)));
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
        let high = roll(&mut world.chance);
        u128::from(high) << 64 | u128::from(roll(&mut world.chance))
    }
}

struct SimulatedFile {
    machine: SimulatedMachine,
    number: usize,
}

impl File for SimulatedFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let world = self.machine.world();
        world.alive()?;
        let content = &world.files[self.number].now;
        let begin = usize::try_from(offset).unwrap_or(usize::MAX).min(content.len());
        let len = buf.len().min(content.len() - begin);
        buf[..len].copy_from_slice(&content[begin..begin + len]);
        self.machine.reads.0.fetch_add(1, Ordering::Relaxed);
        self.machine.reads.1.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut world = self.machine.world();
        let begin = usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        world.alive()?;
        let alive = world.change();
        // The call at which the machine crashes may have written a part.
        let len = if alive.is_ok() { buf.len() } else { buf.len() / 2 };
        world.grow(self.number, begin + len)?;
        world.files[self.number].now[begin..begin + len].copy_from_slice(&buf[..len]);
        alive
    }

    fn sync(&self) -> io::Result<()> {
        let mut world = self.machine.world();
        world.change()?;
        world.syncs += 1;
        let Faults { failing_sync, sticky, .. } = world.faults;
        let syncs = world.syncs;
        if failing_sync.is_some_and(|at| syncs == at || (sticky && syncs > at)) {
            let content = &mut world.files[self.number];
            content.clean = Some(content.now.clone());
            return Err(io::Error::other("the disk failed to sync"));
        }
        world.files[self.number].sync();
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        let world = self.machine.world();
        world.alive()?;
        Ok(world.files[self.number].now.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut world = self.machine.world();
        world.change()?;
        let len = usize::try_from(len).map_err(|_| io::ErrorKind::InvalidInput)?;
        world.grow(self.number, len)?;
        world.files[self.number].now.truncate(len);
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
