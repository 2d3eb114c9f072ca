//! Compactions, plain and compressing, while others read, follow and append: what they may drop, and
//! what they must have dropped when they say that they have.

use std::ops::ControlFlow;

use factum_engine::{
    Compact, Compacted, EngineError,
    machine::{Faults, Machine},
};
use factum_store::{Position, StreamName, Timestamp, Window};

use crate::{
    fates::{Fate, Fates, windows},
    life::{DIR, Run, lock, turn},
    reading::{everything, head_of},
    scene::Scene,
    witness::Witness,
};

/// What a compaction that is under way may do.
struct Compaction {
    request: Compact,
    /// What became of everything when it began.
    before: Fates,
    /// Where the closed segments end.
    ends: Vec<u64>,
    /// What is hidden at the head that it took, and what was recorded so near the edge of an age
    /// that the clock decides.
    hidden: Vec<(Position, Hidden)>,
    /// Segments that it has done.
    done: u64,
    /// Segments up to here were done by a run before it.
    resumed: u64,
    stops: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hidden {
    Surely,
    Perhaps,
}

impl Run {
    /// A compaction, stopped now and then, in which the writer and everybody else go on.
    pub(crate) fn compact(&mut self) {
        let Some((_, hand, scene)) = self.parts() else { return };
        let Some(mut run) = lock(scene).begin_compaction() else { return };
        let (request, ledger) = (run.request, hand.ledger().clone());
        let outcome = ledger.compact(request, &mut |report| {
            let stops = {
                let scene = &mut *lock(scene);
                scene.step += 1;
                scene.compacted(&mut run, report);
                scene.rng.u8(..6) == 0
            };
            if lock(scene).rng.u8(..3) == 0 {
                turn(scene, hand);
            }
            run.stops |= stops;
            if stops { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        lock(scene).end_compaction(run, outcome);
    }
}

impl Scene {
    /// What a compaction may do that begins now; `None` when not everything is known that it may
    /// drop.
    fn begin_compaction(&mut self) -> Option<Compaction> {
        self.step += 1;
        let ledger = self.ledger.clone()?;
        if !self.watch() || head_of(&ledger) != self.witness.head() {
            return None;
        }
        if self.rng.u8(..3) == 0 {
            let faults = faults(&mut self.rng);
            self.inject(faults);
        }
        let request = Compact { dry_run: self.rng.u8(..10) == 0, compress: self.rng.u8(..3) == 0 };
        let now = self.machine.now();
        let (ends, before) = (self.closed(), self.witness.fates.clone());
        let hidden = hidden(&self.witness, ends.last().copied().unwrap_or_default(), now);
        self.say(|_| format!("{request:?}, of segments that end at {ends:?}"));
        if !request.dry_run {
            hidden.iter().for_each(|(at, _)| self.witness.fates.set(*at, Fate::MayBeGone));
        }
        let (done, resumed, stops) = (0, 0, false);
        Some(Compaction { request, before, ends, hidden, done, resumed, stops })
    }

    /// Where the closed segments end.
    fn closed(&self) -> Vec<u64> {
        let logs = self.machine.paths().into_iter().filter(|path| path.starts_with(DIR));
        let logs = logs.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        let first = |stem: &str| stem.split('-').next().and_then(|first| first.parse().ok());
        let mut firsts: Vec<u64> =
            logs.filter_map(|log| first(&log.file_stem()?.to_string_lossy())).collect();
        firsts.dedup();
        firsts.iter().skip(1).map(|first| first - 1).collect()
    }

    /// A compaction says how far it has come.
    fn compacted(&mut self, run: &mut Compaction, report: &Compacted) {
        run.resumed = report.resumed_after.map_or(0, |position| position.0);
        let known = report.segments == run.ends.len() as u64;
        let upto = run.ends.get((report.done as usize).wrapping_sub(1)).copied();
        run.done = if known { upto.unwrap_or_default() } else { 0 };
        if run.request.dry_run {
            return;
        }
        let since = self.step;
        for (at, hidden) in &run.hidden {
            let fate = match run.before.of(*at) {
                gone @ Fate::Gone { .. } => gone,
                before if at.0 <= run.resumed => before,
                _ if at.0 <= run.done && *hidden == Hidden::Surely => Fate::Gone { since },
                _ => continue,
            };
            // Others may know already since when it is gone.
            if !matches!(self.witness.fates.of(*at), Fate::Gone { .. }) {
                self.witness.fates.set(*at, fate);
            }
        }
    }

    fn end_compaction(&mut self, mut run: Compaction, outcome: Result<Compacted, EngineError>) {
        self.step += 1;
        self.say(|_| format!("the compaction is answered with {outcome:?}"));
        match outcome {
            Ok(report) => {
                self.compacted(&mut run, &report);
                let checked = self.check_compacted(&run, &report);
                self.note(checked);
                // What it has not come to is as it was.
                let rest = run.hidden.iter().filter(|(at, _)| run.done > 0 && at.0 > run.done);
                rest.for_each(|(at, _)| self.witness.fates.set(*at, run.before.of(*at)));
            }
            Err(error) => {
                self.tally.add("compactions that failed");
                if !self.faulty {
                    self.note(Err(format!("a compaction fails, and nothing is wrong: {error}")));
                }
            }
        }
        self.look_back();
    }

    fn check_compacted(&mut self, run: &Compaction, report: &Compacted) -> Result<(), String> {
        self.tally.add(match (run.request.dry_run, report.finished) {
            (true, _) => "compactions: dry runs",
            (false, true) => "compactions: finished",
            (false, false) => "compactions: stopped",
        });
        if report.resumed_after.is_some() {
            self.tally.add("compactions: gone on");
        }
        if !run.request.dry_run {
            self.tally.count("segments rewritten", report.rewritten);
            self.tally.count("events dropped", report.dropped);
        }
        if !report.finished && !run.stops {
            return Err(format!("a compaction that nobody stopped did not finish: {report:?}"));
        }
        let looked_at = |at: Position| at.0 > run.resumed && at.0 <= run.done;
        let of = |at: &Position| run.before.of(*at);
        let hidden = run.hidden.iter().filter(|(at, _)| looked_at(*at));
        let hidden = hidden.filter(|(at, _)| !matches!(of(at), Fate::Gone { .. }));
        let most = hidden.clone().count() as u64;
        let surely =
            |(at, hidden): &&(Position, Hidden)| *hidden == Hidden::Surely && of(at) == Fate::Kept;
        let least = hidden.filter(surely).count() as u64;
        let known = report.segments == run.ends.len() as u64;
        if known && !(least..=most).contains(&report.dropped) {
            let dropped = report.dropped;
            return Err(format!("a compaction drops {dropped} of {least} to {most} hidden events"));
        }
        Ok(())
    }

    /// What is there now is what was there before, but for what a compaction may drop.
    pub(crate) fn look_back(&mut self) {
        let Some(ledger) = &self.ledger else { return };
        match everything(ledger, 0) {
            Ok((_, mut events)) => {
                let Witness { log, fates, .. } = &mut self.witness;
                events.retain(|event| event.position.0 <= log.len() as u64);
                let compared = fates.compare(log, &events, None);
                self.note(compared);
            }
            Err(error) => self.failed("who looks back", &error),
        }
    }
}

/// What is hidden now, up to a position.
pub(crate) fn hidden(witness: &Witness, upto: u64, now: Timestamp) -> Vec<(Position, Hidden)> {
    // It takes its time a few calls later.
    let clock = [now, Timestamp::from_micros(now.micros + 10)];
    let head = witness.head();
    let mut known: Vec<(&StreamName, Vec<Window>)> = Vec::new();
    let mut hidden = Vec::new();
    for event in witness.log.iter().take(upto as usize) {
        let Some(place) = &event.stream else { continue };
        let at = known.iter().position(|(name, _)| **name == place.name).unwrap_or_else(|| {
            known.push((&place.name, windows(&witness.log, &place.name, head..=head, clock)));
            known.len() - 1
        });
        let hides = |window: &Window| !window.shows(place.revision, event.recorded_at);
        let windows = &known[at].1;
        if windows.iter().all(hides) {
            hidden.push((event.position, Hidden::Surely));
        } else if windows.iter().any(hides) {
            hidden.push((event.position, Hidden::Perhaps));
        }
    }
    hidden
}

/// What goes wrong in a compaction or a backup: they make some twenty calls for each segment.
pub(crate) fn faults(rng: &mut fastrand::Rng) -> Faults {
    let none = Faults::default();
    match rng.u8(..9) {
        0..=3 => Faults { crash_at: Some(rng.u64(1..45)), ..none },
        4 => Faults { failing_sync: Some(rng.u64(1..8)), ..none },
        5 => Faults { failing_write: Some(rng.u64(1..8)), ..none },
        6 => Faults { failing_read: Some(rng.u64(1..60)), ..none },
        7 => Faults { short_read: Some(rng.u64(1..60)), ..none },
        _ => Faults { full_at: Some(rng.u64(1..45)), ..none },
    }
}
