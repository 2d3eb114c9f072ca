//! Repair: builds again what is derived from the logs and does not fit them, and removes what
//! belongs to no log. A log is read, and never written, renamed or removed (G10).

use std::{path::Path, sync::Arc};

use factum_store::Position;

use crate::{
    data_dir::DataDir,
    error::{Damage, EngineError},
    generations::open_highest,
    ledger::check_chain,
    log::Segment,
    machine::Machine,
    sealing::{index_of, index_path},
    whole::{replace_file, whole},
};

/// What [`DataDir::repair`] did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Repaired {
    /// Index files that were looked at.
    pub checked: u64,
    /// Index files that were built again.
    pub rebuilt: Vec<String>,
    /// Files that belonged to nothing and were removed.
    pub removed: Vec<String>,
    /// What is damaged in logs: it was left as it is.
    pub damage: Vec<Damage>,
}

impl DataDir {
    /// Compares each index file of a ledger with what its log gives, and builds those again that
    /// differ or are missing; removes unfinished files and indexes of nothing. Nobody may have the
    /// ledger open. A dry run writes nothing, and may be done beside others. `progress` is told the
    /// bytes of logs that were read, and all.
    ///
    /// # Errors
    /// [`EngineError::ReadOnly`] when the directory is open for reading only and it is no dry run;
    /// [`EngineError`] when files can't be read or written. Damage in logs is in the answer.
    pub fn repair(
        &self,
        ledger: &str,
        dry_run: bool,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Repaired, EngineError> {
        let dir = self.path(ledger);
        if !dry_run && !self.is_writable() {
            return Err(EngineError::ReadOnly(dir));
        }
        let machine = &*self.options().machine;
        let names = machine.list(&dir).map_err(|error| EngineError::io("listing", &dir, error))?;
        let logs = open_highest(&dir, self.options(), &names, false)?;
        check_chain(&logs)?;
        let mut report = Repaired::default();
        let all = logs.iter().map(|log| log.disk_bytes()).sum::<Result<u64, _>>()?;
        let mut done = 0;
        for pair in logs.windows(2) {
            let [log, after] = pair else { continue };
            progress(done, all);
            index(machine, log, after.first().prev(), dry_run, &mut report)?;
            done += log.disk_bytes()?;
        }
        progress(all, all);
        for path in names.iter().filter(|name| is_stray(name, &logs)).map(|name| dir.join(name)) {
            if !dry_run {
                machine.remove(&path).map_err(|e| EngineError::io("removing", &path, e))?;
            }
            report.removed.push(path.display().to_string());
        }
        Ok(report)
    }
}

/// Index files are a function of their segment, byte for byte.
fn index(
    machine: &dyn Machine,
    log: &Arc<Segment>,
    last: Position,
    dry_run: bool,
    report: &mut Repaired,
) -> Result<(), EngineError> {
    let expected = match index_of(log, last) {
        Ok(tail) => tail.seal(),
        Err(EngineError::Damaged(damage)) => {
            report.damage.push(damage);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let path = index_path(log);
    report.checked += 1;
    let there = machine.open(&path).and_then(|file| whole(&*file));
    if there.is_ok_and(|there| there == expected) {
        return Ok(());
    }
    if !dry_run {
        let dir = path.parent().unwrap_or(Path::new("."));
        let put = replace_file(machine, dir, &path, &expected);
        put.map_err(|error| EngineError::io("writing", &path, error))?;
    }
    report.rebuilt.push(path.display().to_string());
    Ok(())
}

/// An unfinished file, or the index of a closed segment that is not here.
fn is_stray(name: &str, logs: &[Arc<Segment>]) -> bool {
    let closed = logs.split_last().map_or(&[][..], |(_, closed)| closed);
    let of_a_log = || {
        let indexes = closed.iter().map(|log| index_path(log));
        indexes.into_iter().any(|path| path.file_name().is_some_and(|file| file == name))
    };
    name.ends_with(".tmp") || (name.ends_with(".idx") && !of_a_log())
}
