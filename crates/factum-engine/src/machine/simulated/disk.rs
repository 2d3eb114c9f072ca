//! [`Disk`]: files and names as a running program sees them, and as a power cut would leave them.
//!
//! Strict rules: a sector that was written is durable after a sync of its file, a name after a sync
//! of its directory. After a failed sync the sectors look clean and are not on the disk: later
//! syncs pass them by, until they are written again.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

use super::{chance::Chance, faults::Fired};

/// The unit in which a crash tears what was not synced.
const SECTOR: usize = 512;

/// Files and names.
#[derive(Clone, Default)]
pub(super) struct Disk {
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    dirs: BTreeSet<PathBuf>,
    files: Vec<Content>,
}

/// A file's bytes.
#[derive(Clone, Default)]
struct Content {
    now: Vec<u8>,
    durable: Vec<u8>,
    sectors: Vec<Sector>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Sector {
    /// What is in memory is on the disk.
    #[default]
    Clean,
    /// The next sync writes it.
    Dirty,
    /// A sync of it failed: taken for clean, and not on the disk.
    Lost,
}

impl Disk {
    pub(super) fn number(&self, path: &Path) -> Option<usize> {
        self.names.get(path).copied()
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.names.keys().cloned().collect()
    }

    pub(super) fn bytes(&self, file: usize) -> &[u8] {
        &self.files[file].now
    }

    pub(super) fn used(&self) -> u64 {
        self.names.values().map(|file| self.files[*file].now.len() as u64).sum()
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<usize> {
        if self.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.files.push(Content::default());
        let number = self.files.len() - 1;
        self.names.insert(path.to_owned(), number);
        Ok(number)
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let number = self.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        self.names.insert(to.to_owned(), number);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.names.remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn create_dir(&mut self, dir: &Path) {
        for dir in dir.ancestors() {
            if !self.dirs.contains(dir) {
                self.dirs.insert(dir.to_owned());
            }
        }
    }

    pub(super) fn list(&self, dir: &Path) -> io::Result<BTreeSet<String>> {
        if !self.dirs.contains(dir) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = self.names.keys().chain(&self.dirs).filter(|path| path.parent() == Some(dir));
        Ok(inside
            .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
            .collect())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) {
        let Self { names, durable_names, .. } = self;
        durable_names.retain(|path, _| path.parent() != Some(dir));
        let inside = names.iter().filter(|(path, _)| path.parent() == Some(dir));
        durable_names.extend(inside.map(|(path, file)| (path.clone(), *file)));
    }

    pub(super) fn write(&mut self, file: usize, bytes: &[u8], begin: usize) {
        self.files[file].write(bytes, begin);
    }

    pub(super) fn set_len(&mut self, file: usize, len: usize) {
        self.files[file].set_len(len);
    }

    pub(super) fn sync(&mut self, file: usize) {
        self.files[file].sync();
    }

    /// A sync that fails: what it should have written is taken for clean.
    pub(super) fn fail_sync(&mut self, file: usize) {
        let dirty = |sector: &&mut Sector| **sector == Sector::Dirty;
        self.files[file].sectors.iter_mut().filter(dirty).for_each(|s| *s = Sector::Lost);
    }

    /// Changes bytes on the disk and in memory alike.
    pub(super) fn damage(&mut self, file: usize, change: impl FnOnce(&mut Vec<u8>)) {
        let content = &mut self.files[file];
        change(&mut content.now);
        content.durable = content.now.clone();
        content.sectors = vec![Sector::Clean; content.now.len().div_ceil(SECTOR)];
    }

    /// What a power cut leaves: what was synced, and of the rest each sector and name by chance.
    pub(super) fn cut(&mut self, chance: &mut Chance, fired: &mut Fired) {
        for file in &mut self.files {
            file.lose_some(chance, fired);
        }
        let mut names = self.durable_names.clone();
        for (name, file) in &self.names {
            if names.get(name) == Some(file) {
                continue;
            }
            if chance.one_in(2) {
                // A renamed file has one name, the old or the new.
                names.retain(|_, other| other != file);
                names.insert(name.clone(), *file);
            } else {
                fired.names_lost += 1;
            }
        }
        let kept: BTreeSet<usize> = self.names.values().copied().collect();
        // What was removed may come back. What was replaced is there, or what took its place is.
        let replaced = |path: &PathBuf| self.names.contains_key(path);
        names.retain(|path, file| kept.contains(file) || replaced(path) || chance.one_in(2));
        self.names = names.clone();
        self.durable_names = names;
    }
}

impl Content {
    fn mark(&mut self, begin: usize, end: usize) {
        self.sectors.resize(self.now.len().div_ceil(SECTOR), Sector::Dirty);
        let touched = begin / SECTOR..end.div_ceil(SECTOR).min(self.sectors.len());
        self.sectors[touched].fill(Sector::Dirty);
    }

    fn write(&mut self, bytes: &[u8], begin: usize) {
        let (before, end) = (self.now.len(), begin + bytes.len());
        if end > before {
            self.now.resize(end, 0);
        }
        self.now[begin..end].copy_from_slice(bytes);
        self.mark(begin.min(before), end);
    }

    fn set_len(&mut self, len: usize) {
        let before = self.now.len();
        self.now.resize(len, 0);
        // The last sector changes with its length, whichever way.
        self.mark(before.min(len), before.max(len));
    }

    fn sync(&mut self) {
        self.durable.resize(self.now.len(), 0);
        for (number, sector) in self.sectors.iter_mut().enumerate() {
            if *sector == Sector::Dirty {
                let range = number * SECTOR..((number + 1) * SECTOR).min(self.now.len());
                self.durable[range.clone()].copy_from_slice(&self.now[range]);
                *sector = Sector::Clean;
            }
        }
    }

    /// Of what was not synced, each sector is kept or lost, and so is the length.
    fn lose_some(&mut self, chance: &mut Chance, fired: &mut Fired) {
        let unsynced = self.sectors.iter().any(|sector| *sector != Sector::Clean);
        if !unsynced && self.now.len() == self.durable.len() {
            return;
        }
        let (before, now) = (self.durable.len(), self.now.len());
        // A file grows write by write, and is cut at once.
        let len = match chance.below(3) {
            0 => now,
            1 => before,
            _ if now < before => now,
            _ => before + chance.below((now - before + 1) as u64) as usize,
        };
        let (mut kept, mut lost) = (0, 0);
        self.durable.resize(len, 0);
        // Everything, nothing, or each sector by itself.
        let odds = chance.below(4);
        for (number, sector) in self.sectors.iter().enumerate() {
            let range = number * SECTOR..((number + 1) * SECTOR).min(len).min(self.now.len());
            if *sector == Sector::Clean || range.is_empty() {
                continue;
            }
            let keeps = odds == 0 || (odds > 1 && chance.one_in(2));
            if keeps {
                self.durable[range.clone()].copy_from_slice(&self.now[range]);
            }
            *(if keeps { &mut kept } else { &mut lost }) += 1;
        }
        fired.sectors_lost += lost;
        fired.torn += u64::from(kept > 0 && lost > 0);
        self.now.clone_from(&self.durable);
        self.sectors = vec![Sector::Clean; len.div_ceil(SECTOR)];
    }
}
