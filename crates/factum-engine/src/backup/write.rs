//! Writing a backup: what is new is copied and made durable, then the manifest is replaced.
//!
//! At every moment the directory holds the last whole backup: segments only grow beyond what the
//! manifest speaks of, and what a new manifest no longer needs goes after it.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use blake3::Hash;
use factum_store::{Invalid, Timestamp};

use super::{
    MANIFEST, MARKER, Progress, ledger_dir,
    manifest::{Entry, Kept, Kind, LedgerFacts, Manifest, is_marked, marker},
    source::{Part, Source},
};
use crate::{
    data_dir::{DataDir, LEDGERS, LOCK_FILE, mark_format},
    error::EngineError,
    machine::Machine,
    sealing::index_path,
    verify::{Told, going_on},
    whole::{replace_file, whole},
};

/// What [`DataDir::backup`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackupReport {
    /// The ledgers, and up to where each is in the backup.
    pub ledgers: Vec<LedgerFacts>,
    /// Bytes that the backup holds.
    pub bytes: u64,
    /// Bytes that were written this time.
    pub copied: u64,
    /// Files that were written to this time.
    pub files: u64,
}

impl DataDir {
    /// Backs all ledgers up into a directory of its own, which is made, or already holds a backup
    /// of this directory: then only what is new is copied. Others may append meanwhile, in this
    /// process or another; what was acknowledged before the call is in the backup. `progress` is
    /// told the bytes done and about how many there are.
    ///
    /// # Errors
    /// [`EngineError::NotABackup`] or [`EngineError::NewerFormat`] for a directory that is
    /// something else; [`EngineError::Invalid`] for a backup of another directory or of another
    /// history; [`EngineError::Damaged`] for a damaged source; [`EngineError::Locked`] while
    /// another backup goes there; [`EngineError::Full`]. After each of them the last whole backup
    /// is as it was.
    pub fn backup(&self, to: &Path, progress: Progress<'_>) -> Result<BackupReport, EngineError> {
        self.backup_while(to, &mut |done, all| {
            progress(done, all);
            ControlFlow::Continue(())
        })
    }

    /// The same, which `progress` can stop after any segment. What was copied by then is taken up by
    /// the next backup to the same place.
    ///
    /// # Errors
    /// As [`DataDir::backup`]; [`EngineError::Stopped`].
    pub fn backup_while(&self, to: &Path, progress: Told<'_>) -> Result<BackupReport, EngineError> {
        if to.starts_with(self.dir()) {
            let problem = "is inside the data directory; name one outside of it, on another disk";
            return Err(Invalid::new("the backup's directory", problem).into());
        }
        let machine = &*self.options().machine;
        let failed = |error| EngineError::io("opening", to, error);
        machine.create_dir(to).map_err(failed)?;
        check_target(machine, to)?;
        let _held = machine.lock(&to.join(LOCK_FILE)).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => {
                EngineError::Locked { dir: to.to_owned(), holder: "another backup".into() }
            }
            _ => failed(error),
        })?;
        if is_marked(machine, to)? {
            // Who wrote that may have failed before its name was durable.
            machine.sync_dir(to).map_err(failed)?;
        } else {
            let marked = replace_file(machine, to, &to.join(MARKER), marker().as_bytes());
            marked.map_err(|error| EngineError::io("marking", to, error))?;
        }
        let before = Manifest::read(machine, to)?.unwrap_or_default();
        let names = self.ledgers()?;
        if let Some(kept) = before.ledgers.iter().find(|kept| !names.contains(&kept.facts.name)) {
            let problem =
                format!("{:?} is in the backup and not here; {ELSEWHERE}", kept.facts.name);
            return Err(Invalid::new("ledger", problem).into());
        }
        let sources = names.iter().map(|name| Source::of(self, name));
        let sources = sources.collect::<Result<Vec<_>, _>>()?;
        let all = sources.iter().map(Source::bytes).sum::<Result<u64, _>>()?;
        let mut writing =
            Writing { machine, to, all, done: 0, progress, report: BackupReport::default() };
        let mut now = Manifest::default();
        for source in &sources {
            now.ledgers.push(writing.ledger(source, before.ledger(&source.name))?);
        }
        writing.finish(now, &before)
    }
}

const ELSEWHERE: &str = "it is a backup of something else: back up into another directory";

/// The directory is empty, or one of ours.
fn check_target(machine: &dyn Machine, to: &Path) -> Result<(), EngineError> {
    if is_marked(machine, to)? {
        return Ok(());
    }
    let names = machine.list(to).map_err(|error| EngineError::io("listing", to, error))?;
    let ours = [LOCK_FILE, "BACKUP.tmp"];
    if names.iter().all(|name| ours.contains(&name.as_str())) {
        return Ok(());
    }
    let problem = "holds something that is no backup; name an empty or a new directory";
    Err(EngineError::NotABackup { dir: to.to_owned(), problem })
}

/// A backup on its way.
struct Writing<'a> {
    machine: &'a dyn Machine,
    to: &'a Path,
    all: u64,
    done: u64,
    progress: Told<'a>,
    report: BackupReport,
}

impl Writing<'_> {
    fn ledger(&mut self, source: &Source, before: Option<&Kept>) -> Result<Kept, EngineError> {
        let dir = ledger_dir(self.to, &source.name);
        let failed = |error| EngineError::io("making", &dir, error);
        self.machine.create_dir(&dir).map_err(failed)?;
        check_history(source, before)?;
        let mut files = Vec::new();
        let mut recorded_at = before.map_or_else(Timestamp::default, |kept| kept.facts.recorded_at);
        for part in &source.parts {
            let (entry, at) = self.log(&dir, source, part, before)?;
            // Parts that are there already are not read, so one that was rewritten may come last.
            recorded_at = recorded_at.max(at.unwrap_or_default());
            self.done += part.log.disk_bytes()?;
            going_on((self.progress)(self.done.min(self.all), self.all))?;
            files.push(entry);
            if part.closed {
                files.extend(self.index(&dir, part, before)?);
            }
        }
        self.machine.sync_dir(&dir).map_err(failed)?;
        let Source { name, id, head, .. } = source;
        let facts = LedgerFacts { name: name.clone(), id: *id, head: *head, recorded_at };
        self.report.ledgers.push(facts.clone());
        Ok(Kept { facts, files })
    }

    /// Copies what is new of a segment.
    fn log(
        &mut self,
        dir: &Path,
        source: &Source,
        part: &Part,
        before: Option<&Kept>,
    ) -> Result<(Entry, Option<Timestamp>), EngineError> {
        let name = part.file_name();
        let path = dir.join(&name);
        let kept = before.and_then(|kept| kept.file(&name));
        // The last segment of the backup is always compared: another history shows there.
        let newest = before.and_then(|kept| kept.logs().next_back()).map(|entry| &*entry.name);
        if let Some(kept) = kept
            && kept.last == part.last
            && newest != Some(&*name)
            && self.has(&path, kept.bytes)
        {
            return Ok((kept.clone(), None));
        }
        let content = part.read()?;
        let (bytes, hash) = (&content.bytes[..], blake3::hash(&content.bytes));
        match kept {
            Some(kept) => {
                let same = bytes.get(..kept.bytes as usize).map(blake3::hash) == Some(kept.hash);
                if !same {
                    return Err(other_history(source));
                }
                self.grow(&path, kept.bytes, bytes, hash)?;
            }
            None => self.put(&path, bytes, hash)?,
        }
        let entry =
            Entry { kind: Kind::Log, hash, bytes: bytes.len() as u64, last: part.last, name };
        Ok((entry, content.recorded_at))
    }

    /// Copies the index of a closed segment, if there is one yet: whoever restores without it has
    /// it built again.
    fn index(
        &mut self,
        dir: &Path,
        part: &Part,
        before: Option<&Kept>,
    ) -> Result<Option<Entry>, EngineError> {
        let from = index_path(&part.log);
        let name = from.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let path = dir.join(&name);
        if let Some(kept) = before.and_then(|kept| kept.file(&name))
            && self.has(&path, kept.bytes)
        {
            return Ok(Some(kept.clone()));
        }
        let Ok(file) = self.machine.open(&from) else { return Ok(None) };
        let bytes = whole(&*file).map_err(|error| EngineError::io("reading", &from, error))?;
        let hash = blake3::hash(&bytes);
        self.put(&path, &bytes, hash)?;
        let (kind, last) = (Kind::Index, part.last);
        Ok(Some(Entry { kind, hash, bytes: bytes.len() as u64, last, name }))
    }

    fn has(&self, path: &Path, bytes: u64) -> bool {
        let len = self.machine.open(path).and_then(|file| file.len());
        len.is_ok_and(|len| len >= bytes)
    }

    /// Puts a file in place that no manifest speaks of, unless an interrupted backup has.
    fn put(&mut self, path: &Path, bytes: &[u8], hash: Hash) -> Result<(), EngineError> {
        let there = self.machine.open(path).and_then(|file| whole(&*file));
        if there.is_ok_and(|there| blake3::hash(&there) == hash) {
            return Ok(());
        }
        let fresh = path.with_extension("tmp");
        let failed = |error| EngineError::io("writing", path, error);
        let _ = self.machine.remove(&fresh);
        let file = self.machine.create(&fresh).map_err(failed)?;
        file.write_at(bytes, 0).and_then(|()| file.sync()).map_err(failed)?;
        self.machine.rename(&fresh, path).map_err(failed)?;
        self.wrote(bytes.len());
        Ok(())
    }

    /// Adds what is new behind what the manifest speaks of.
    fn grow(&mut self, path: &Path, from: u64, all: &[u8], hash: Hash) -> Result<(), EngineError> {
        if !self.has(path, from) {
            return self.put(path, all, hash);
        }
        let failed = |error| EngineError::io("writing", path, error);
        let file = self.machine.open_writable(path).map_err(failed)?;
        let (new, end) = (&all[from as usize..], all.len() as u64);
        let longer = file.len().map_err(failed)? > end;
        if new.is_empty() && !longer {
            return Ok(());
        }
        file.write_at(new, from).map_err(failed)?;
        if longer {
            // An interrupted backup had come further, of something else.
            file.set_len(end).map_err(failed)?;
        }
        file.sync().map_err(failed)?;
        self.wrote(new.len());
        Ok(())
    }

    fn wrote(&mut self, bytes: usize) {
        self.report.copied += bytes as u64;
        self.report.files += 1;
    }

    /// All files are durable: makes them the backup.
    fn finish(mut self, mut now: Manifest, before: &Manifest) -> Result<BackupReport, EngineError> {
        let Self { machine, to, .. } = self;
        let failed = |error| EngineError::io("writing the manifest of", to, error);
        now.by = env!("CARGO_PKG_VERSION").to_owned();
        now.at = machine.now();
        let ledgers = to.join(LEDGERS);
        machine.create_dir(&ledgers).and_then(|()| machine.sync_dir(&ledgers)).map_err(failed)?;
        machine.sync_dir(to).map_err(failed)?;
        if let Some(parent) = to.parent().filter(|parent| parent.file_name().is_some()) {
            // The directory's own name. Where it may not be synced, it was there before.
            let _ = machine.sync_dir(parent);
        }
        mark_format(machine, to).map_err(failed)?;
        replace_file(machine, to, &to.join(MANIFEST), now.encode().as_bytes()).map_err(failed)?;
        for path in no_longer(before, &now, to) {
            let _ = machine.remove(&path);
        }
        // It is whole: too late to stop it.
        let _ = (self.progress)(self.all, self.all);
        self.report.bytes = now.bytes();
        Ok(self.report)
    }
}

/// The files that only the manifest before speaks of.
fn no_longer(before: &Manifest, now: &Manifest, to: &Path) -> Vec<PathBuf> {
    let mut gone = Vec::new();
    for kept in &before.ledgers {
        let here = now.ledger(&kept.facts.name);
        let not_here = |name: &str| here.is_none_or(|here| here.file(name).is_none());
        let files = kept.files.iter().filter(|entry| not_here(&entry.name));
        gone.extend(files.map(|entry| ledger_dir(to, &kept.facts.name).join(&entry.name)));
    }
    gone
}

/// What is in the backup is the beginning of what is here.
fn check_history(source: &Source, before: Option<&Kept>) -> Result<(), EngineError> {
    let Some(kept) = before else { return Ok(()) };
    let LedgerFacts { id, head, recorded_at, .. } = kept.facts;
    if id != source.id || head > source.head {
        return Err(other_history(source));
    }
    let newest = kept.logs().next_back().map(|entry| &entry.name);
    let here = source.parts.iter().any(|part| Some(&part.file_name()) == newest);
    let part = source.parts.iter().rev().find(|part| part.log.first() <= head);
    // A file that is still there is compared when it is copied. One that was rewritten has the same
    // batches, at the same times.
    match part.filter(|_| !here) {
        Some(part) if part.recorded_at(head)? != Some(recorded_at) => Err(other_history(source)),
        _ => Ok(()),
    }
}

fn other_history(source: &Source) -> EngineError {
    let problem =
        format!("{:?} is in the backup with other events than here; {ELSEWHERE}", source.name);
    Invalid::new("ledger", problem).into()
}
