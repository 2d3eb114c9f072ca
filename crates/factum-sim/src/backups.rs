//! Backups, by the process that writes and by another one, while others append; and what is restored
//! from them: a prefix of the ledger, never less than the last finished backup, never anything that
//! the ledger could still lose (G2).

use std::path::Path;

use factum_engine::{Backup, BackupReport, DataDir, EngineError, Restore};
use factum_store::RecordedEvent;

use crate::{
    compacting::faults,
    fates::{Fate, Fates},
    life::{DIR, Run, lock, options, turn},
    reading::everything,
    scene::Scene,
};

const BACKUP: &str = "/backup";
const RESTORED: &str = "/restored";

/// A backup that was finished.
pub(crate) struct Finished {
    head: u64,
    /// What had become of each event when it began.
    fates: Fates,
}

impl Run {
    /// A backup by the process that has the ledger; the writer goes on meanwhile.
    pub(crate) fn back_up(&mut self) {
        let Some((data, hand, scene)) = self.parts() else { return };
        let Some((least, fates)) = lock(scene).begin_backup() else { return };
        if lock(scene).rng.u8(..3) == 0 {
            let scene = &mut *lock(scene);
            let faults = faults(&mut scene.rng);
            scene.inject(faults);
        }
        let outcome = data.backup(Path::new(BACKUP), &mut |_, _| {
            if lock(scene).rng.u8(..3) == 0 {
                turn(scene, hand);
            }
        });
        lock(scene).end_backup(least, fates, outcome);
    }
}

impl Scene {
    /// A backup by another process, at any moment.
    pub(crate) fn back_up_beside(&mut self) {
        // After a sync that failed nobody else can know what the disk has.
        // Nor do two go into one directory.
        if self.unsynced || self.backing {
            return;
        }
        let Some((least, fates)) = self.begin_backup() else { return };
        let options = options(&self.machine, &self.plan);
        let data = DataDir::open_read_only(Path::new(DIR), options);
        let outcome = data.and_then(|data| data.backup(Path::new(BACKUP), &mut |_, _| {}));
        self.tally.add("backups by another process");
        self.end_backup(least, fates, outcome);
    }

    /// What is known when it begins; `None` when not all of it is.
    fn begin_backup(&mut self) -> Option<(u64, Fates)> {
        self.step += 1;
        if !self.watch() {
            return None;
        }
        (self.begun, self.backing) = (true, true);
        self.say(|_| "a backup".into());
        Some((self.witness.head(), self.witness.fates.clone()))
    }

    fn end_backup(&mut self, least: u64, fates: Fates, outcome: Result<BackupReport, EngineError>) {
        self.step += 1;
        self.backing = false;
        self.say(|_| format!("the backup is answered with {outcome:?}"));
        match outcome {
            Ok(report) => {
                self.tally.add("backups");
                let ends = report.ledgers.first().map(|ledger| (ledger.head.0, ledger.recorded_at));
                let (head, at) = ends.unwrap_or_default();
                let last = head.checked_sub(1).and_then(|last| self.witness.log.get(last as usize));
                if head < least || last.is_some_and(|last| last.recorded_at != at) {
                    self.note(Err(format!(
                        "a backup ends at {head}, {at:?}; {least} was shown, and {last:?} is there"
                    )));
                }
                (self.backup, self.begun) = (Some(Finished { head, fates }), false);
                if self.rng.u8(..3) == 0 {
                    self.restore();
                }
            }
            Err(error) => {
                self.tally.add("backups that failed");
                if !self.faulty {
                    self.note(Err(format!("a backup fails, and nothing is wrong: {error}")));
                }
            }
        }
    }

    /// On a copy of the disk, where nothing goes wrong, the backup is restored and compared with the
    /// ledger as it is now.
    pub(crate) fn restore(&mut self) {
        let Some(finished) = &self.backup else { return };
        let least = finished.head;
        let checked = match self.restored() {
            Ok((head, events)) => self.check_restored(head, &events),
            Err(error) => {
                Err(format!("a backup up to {least} was finished, and can't be restored: {error}"))
            }
        };
        self.tally.add("restores");
        self.note(checked);
    }

    fn restored(&self) -> Result<(u64, Vec<RecordedEvent>), String> {
        let copy = self.machine.copy();
        let text = |error: EngineError| error.to_string();
        let backup = Backup::open(Path::new(BACKUP), options(&copy, &self.plan)).map_err(text)?;
        let damage = backup.check(&mut |_, _| {}).map_err(text)?;
        if let Some(damage) = damage.first() {
            return Err(format!("it is damaged: {damage}"));
        }
        let to = Path::new(RESTORED);
        backup.restore(to, &Restore::default(), &mut |_, _| {}).map_err(text)?;
        let data = DataDir::open_read_only(to, options(&copy, &self.plan)).map_err(text)?;
        let ledger = data.ledger("default").map_err(text)?;
        everything(&ledger, 0).map_err(|error| error.to_string())
    }

    fn check_restored(&self, head: u64, events: &[RecordedEvent]) -> Result<(), String> {
        let Some(finished) = &self.backup else { return Ok(()) };
        // One that was begun later may have got as far as its manifest.
        let fits = if self.begun { head >= finished.head } else { head == finished.head };
        if !fits {
            let least = finished.head;
            return Err(format!("a backup up to {least} is restored up to {head}"));
        }
        let known = &self.witness.log;
        let mut restored = events.iter().peekable();
        for event in known.iter().take(head as usize) {
            let found = restored.next_if(|found| *found == event).is_some();
            let gone = |fates: &Fates| matches!(fates.of(event.position), Fate::Gone { .. });
            // One that failed may have dropped it on the disk, which a power cut took back.
            if !found && !self.witness.fates.doubted(event.position) {
                return Err(format!("the event at {} was not restored", event.position));
            }
            if found && gone(&finished.fates) {
                return Err(format!("the event at {} was dropped, and restored", event.position));
            }
        }
        let next = restored.next().map(|event| event.position.0);
        match next {
            // What another process has made durable may not be shown yet.
            Some(next) if next <= self.witness.head() || self.ledger.is_none() => {
                Err(format!("what was restored at {next} is not what was there"))
            }
            _ => Ok(()),
        }
    }

    /// After a restart: nothing is in a finished backup that the ledger has lost.
    pub(crate) fn check_backup(&mut self) {
        let head = self.witness.head();
        if let Some(finished) = self.backup.as_ref().filter(|finished| finished.head > head) {
            let had = finished.head;
            self.note(Err(format!("a backup holds events up to {had}, and the ledger to {head}")));
        }
    }
}
