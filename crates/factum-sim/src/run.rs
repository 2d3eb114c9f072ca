//! [`simulate`]: one run from one seed, and what came of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use factum_engine::machine::Faults;

use crate::{
    life::{DIR, End, Run},
    tally::Tally,
};

/// What is simulated.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plan {
    /// Everything that happens follows from it.
    pub seed: u64,
    /// Whether to keep a readable trace.
    pub traced: bool,
    /// A deliberate bug of the engine.
    #[cfg(feature = "sabotage")]
    pub sabotage: Option<factum_engine::Sabotage>,
}

impl Plan {
    /// A seed, without a trace.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }
}

/// What came of a run.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was promised and not kept, if anything.
    pub violation: Option<String>,
    /// What happened, if it was asked for.
    pub trace: Vec<String>,
    /// How often each thing happened.
    pub tally: Tally,
}

/// Runs one seed. The same plan comes to the same outcome.
#[must_use]
pub fn simulate(plan: &Plan) -> Outcome {
    let mut run = Run::new(*plan);
    let ran = catch_unwind(AssertUnwindSafe(|| play(&mut run)));
    let scene = &mut *run.scene();
    if let Err(panic) = ran {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        scene.note(Err(format!("panic: {}", text.unwrap_or_default())));
    }
    let fired = scene.machine.fired();
    scene.tally.fired(fired);
    Outcome {
        violation: scene.violation.take(),
        trace: scene.trace.take().unwrap_or_default(),
        tally: std::mem::take(&mut scene.tally),
    }
}

fn play(run: &mut Run) {
    run.open();
    let steps = run.scene().rng.u32(30..120);
    for _ in 0..steps {
        if run.scene().violation.is_some() {
            return;
        }
        let dice = run.scene().rng.u8(..100);
        match dice {
            0..=27 => run.turn(),
            28 => run.end(End::Stop),
            29 => run.end(End::Kill),
            30 => run.end(End::Cut),
            31..=34 => run.compact(),
            35 => run.back_up(),
            _ => run.scene().anything(),
        }
        run.settle();
    }
    finish(run);
}

/// The last life: everything that was ever answered is looked at once more.
fn finish(run: &mut Run) {
    run.scene().machine.set_faults(Faults::default());
    let end = if run.scene().rng.bool() { End::Stop } else { End::Cut };
    run.end(end);
    let scene = &mut *run.scene();
    if scene.violation.is_some() {
        return;
    }
    scene.machine.set_faults(Faults::default());
    scene.faulty = false;
    scene.audit();
    scene.verify();
    scene.account();
    scene.restore();
    scene.tally.add("runs that end well");
    let head = scene.witness.head();
    scene.tally.count("events", head);
    let logs = scene.machine.paths();
    let logs = logs.iter().filter(|path| path.starts_with(DIR));
    let logs = logs.filter(|path| path.extension().is_some_and(|name| name == "log"));
    scene.tally.count("segments rolled", logs.count() as u64 - 1);
}
