//! [`Run`]: the writer's turns, and the ledger's lives: opened, stopped, killed, cut off, opened
//! again, with faults in the recovery too.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use factum_engine::{
    DataDir, EngineError, HandDriven, Options,
    machine::{Faults, SimulatedMachine},
};
use factum_store::Append;

use crate::{history::Answer, rot, rot_while_open, run::Plan, scene::Scene, workload};

/// Where the data directory is.
pub(crate) const DIR: &str = "/data";
/// Openings that may fail one after the other.
const OPENINGS_MAX: usize = 8;

/// A run: the scene, and the writer beside it, so that the scene can be used within its turns.
pub(crate) struct Run {
    plan: Plan,
    scene: Arc<Mutex<Scene>>,
    open: Option<(DataDir, HandDriven)>,
}

/// Small segments, so that they roll, and everything in one order.
pub(crate) fn options(machine: &SimulatedMachine, plan: &Plan) -> Options {
    let small = Options {
        segment_bytes_max: [5 << 10, 6 << 10, 8 << 10][plan.seed as usize % 3],
        write_ahead_bytes: 2 << 10,
        background: false,
        compress: plan.seed.is_multiple_of(5),
        ..Options::on(machine.clone())
    };
    #[cfg(feature = "sabotage")]
    let small = Options { sabotage: plan.sabotage, ..small };
    #[cfg(not(feature = "sabotage"))]
    let _ = plan;
    small
}

pub(crate) fn open(
    machine: &SimulatedMachine,
    plan: &Plan,
) -> Result<(DataDir, HandDriven), EngineError> {
    let data = DataDir::open(Path::new(DIR), options(machine, plan))?;
    let hand = HandDriven::open(&data, "default")?;
    Ok((data, hand))
}

impl Run {
    pub(crate) fn new(plan: Plan) -> Self {
        let machine = SimulatedMachine::new(plan.seed);
        let scene = Scene::new(plan, machine);
        Self { plan, scene: Arc::new(Mutex::new(scene)), open: None }
    }

    pub(crate) fn scene(&self) -> MutexGuard<'_, Scene> {
        lock(&self.scene)
    }

    /// Opens the ledger, however often a fault gets in the way, and audits it. After a kill there is
    /// most to make durable, so that is when the opening crashes most often, too.
    pub(crate) fn open(&mut self) {
        for attempt in 0..OPENINGS_MAX {
            let machine = {
                let scene = &mut *self.scene();
                let faults = match scene.rng.u8(..4) {
                    0 if attempt < 3 => opening_faults(&mut scene.rng),
                    1 if attempt == 0 && scene.killed => {
                        Faults { crash_at: Some(scene.rng.u64(1..8)), ..Faults::default() }
                    }
                    _ => Faults::default(),
                };
                scene.step += 1;
                scene.faulty = faults != Faults::default();
                scene.machine.set_faults(faults);
                scene.say(|_| format!("the ledger is opened, with {faults:?}"));
                scene.machine.clone()
            };
            match open(&machine, &self.plan) {
                Ok((data, hand)) => return self.opened(data, hand),
                Err(error) => self.not_opened(&machine, &error),
            }
            if self.scene().violation.is_some() {
                return;
            }
        }
        self.scene().note(Err("the ledger can't be opened".into()));
    }

    fn not_opened(&self, machine: &SimulatedMachine, error: &EngineError) {
        let scene = &mut *self.scene();
        scene.tally.add("openings that failed");
        // Unacknowledged events may be found too, of all who ever asked.
        scene.unmarked = scene.history.requests.iter().map(|r| r.append.events.len() as u64).sum();
        scene.say(|_| format!("it can't be opened: {error}"));
        if !scene.faulty {
            scene.note(Err(format!("it can't be opened, and nothing is wrong: {error}")));
        }
        if machine.crashed() {
            scene.tally.add("crashes in a recovery");
            self.crash(scene);
        }
    }

    fn opened(&mut self, data: DataDir, hand: HandDriven) {
        {
            let scene = &mut *self.scene();
            scene.machine.set_faults(Faults::default());
            let faulty = std::mem::take(&mut scene.faulty);
            scene.ledger = Some(hand.ledger().clone());
            scene.failed_at = None;
            (scene.failing, scene.full, scene.refusing) = (false, false, false);
            if scene.audit() {
                let step = scene.step;
                scene.history.settle(step);
                scene.check_backup();
            }
            // Opening leaves a witness, unless the disk was full.
            let head = scene.witness.head();
            scene.marked = !faulty && head > scene.unmarked;
            if head != scene.heads[1] {
                scene.heads = [scene.heads[1], head];
            }
            scene.say(|scene| format!("open at head {}", scene.witness.head()));
            (scene.unsynced, scene.killed) = (false, false);
            let faults = life_faults(scene);
            scene.inject(faults);
        }
        self.watch();
        self.open = Some((data, hand));
    }

    /// Others go on at each write and sync of the log, and of files that take another's place.
    fn watch(&self) {
        let weak = Arc::downgrade(&self.scene);
        self.scene().machine.watch(move |path| {
            let Some(scene) = weak.upgrade() else { return };
            let Ok(mut scene) = scene.try_lock() else { return };
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("log") if path.starts_with(DIR) => scene.between(),
                Some("tmp") => scene.meanwhile(),
                _ => {}
            }
        });
    }

    /// The writer serves what waits, and its answers are taken.
    pub(crate) fn turn(&mut self) {
        if let Some((_, hand)) = &mut self.open {
            turn(&self.scene, hand);
        }
    }

    /// The writer, the ledger and the scene, for who works beside it; `None` while it is closed.
    pub(crate) fn parts(&mut self) -> Option<(&DataDir, &mut HandDriven, &Mutex<Scene>)> {
        let (data, hand) = self.open.as_mut()?;
        Some((data, hand, &self.scene))
    }

    /// What has to happen now: a crashed machine restarts, a ledger that failed is opened again.
    pub(crate) fn settle(&mut self) {
        let (crashed, failed, full) = {
            let scene = &mut *self.scene();
            let failed = (scene.failed_at.is_some() || scene.refusing) && scene.rng.u8(..3) == 0;
            (scene.machine.crashed(), failed, scene.full && scene.rng.bool())
        };
        if crashed {
            self.end(End::Crash);
        } else if failed {
            // What did not become durable is in the files, and must not be in a backup.
            self.back_up();
            let end = if self.scene().rng.bool() { End::Stop } else { End::Kill };
            self.end(end);
        } else if full {
            self.make_room();
        }
    }

    /// When there is room again it goes on.
    fn make_room(&mut self) {
        let answered = {
            let scene = &mut *self.scene();
            scene.machine.set_faults(Faults::default());
            (scene.faulty, scene.full) = (false, false);
            scene.say(|_| "room is made on the disk".into());
            if scene.refusing || scene.failed_at.is_some() {
                scene.faulty = true;
                return;
            }
            let number = scene.history.requests.len();
            let append = Append::new([workload::plain(number)]);
            let request = scene.history.request(append.clone());
            let step = scene.step;
            let attempt = scene.history.attempt(request, step);
            let answered = scene.ledger.as_ref().map(|ledger| ledger.submit(append));
            answered.map(|answered| (attempt, answered))
        };
        let Some((attempt, Ok(answered))) = answered else { return };
        self.turn();
        let scene = &mut *self.scene();
        match answered.try_recv() {
            Ok(Ok(receipt)) => {
                scene.tally.add("appends after room was made");
                scene.history.attempts[attempt].responded = scene.step;
                scene.history.attempts[attempt].answer = Answer::Yes(receipt);
            }
            other => scene.note(Err(format!("room was made, and an append is told {other:?}"))),
        }
    }

    /// The ledger's life ends, and another begins.
    pub(crate) fn end(&mut self, end: End) {
        let copy = self.finish(end);
        if self.scene().violation.is_none() {
            self.open();
        }
        if let Some((copy, clean)) = copy
            && self.scene().violation.is_none()
        {
            let scene = &mut *self.scene();
            match scene.rng.bool() {
                true => rot::trial(scene, &copy, clean, &self.plan),
                false => rot_while_open::trial(scene, &copy, &self.plan),
            }
        }
        let restores = self.scene().rng.u8(..4) == 0;
        if restores && self.scene().violation.is_none() {
            self.scene().restore();
        }
        if end == End::Stop && self.scene().rng.u8(..3) == 0 {
            self.crash_behind_the_mark();
        }
    }

    /// The first frames after a clean stop, which are written over its mark, meet a crash.
    fn crash_behind_the_mark(&mut self) {
        {
            let scene = &mut *self.scene();
            let crash_at = Some(scene.rng.u64(1..5));
            scene.inject(Faults { crash_at, ..Faults::default() });
            (0..scene.rng.usize(1..4)).for_each(|_| scene.submit());
        }
        self.turn();
        self.scene().tally.add("first frames after a clean stop");
        self.settle();
    }

    /// Ends it; says what the disk was like, if damage is to be tried on it.
    fn finish(&mut self, end: End) -> Option<(SimulatedMachine, bool)> {
        let (data, hand) = self.open.take()?;
        self.scene().say(|_| format!("end: {end:?}"));
        if end == End::Stop {
            // Followers and readers go on until it has stopped.
            hand.stop();
            self.scene().collect();
        } else {
            let scene = &mut *self.scene();
            scene.tally.add(if end == End::Kill { "kills" } else { "crashes" });
            drop(hand);
        }
        let scene = &mut *self.scene();
        scene.ledger = None;
        scene.witnessed = scene.heads[usize::from(scene.marked)];
        scene.followers.iter_mut().for_each(crate::follower::Follower::leave);
        self.forget(scene);
        let clean = end == End::Stop && scene.failed_at.is_none() && !scene.faulty;
        match end {
            End::Stop if scene.machine.crashed() => self.crash(scene),
            End::Stop => {
                scene.tally.add("clean stops");
                if scene.rng.u8(..3) == 0 {
                    self.cut(scene);
                }
            }
            End::Kill => self.kill(scene),
            End::Cut => self.cut(scene),
            End::Crash => self.crash(scene),
        }
        drop(data);
        (scene.rng.u8(..3) == 0).then(|| (scene.machine.copy(), clean))
    }

    /// Whoever waits is answered no more.
    fn forget(&self, scene: &mut Scene) {
        for client in &mut scene.clients {
            if let Some((attempt, _)) = client.waiting.take() {
                scene.history.attempts[attempt].answer = Answer::Unknown;
                let request = scene.history.attempts[attempt].request;
                let keyed = scene.history.requests[request].append.key.is_some();
                client.again = keyed.then_some(request);
            }
        }
    }

    /// The machine crashed at a call: the power went, or only the process.
    fn crash(&self, scene: &mut Scene) {
        if scene.rng.u8(..3) == 0 { self.kill(scene) } else { self.cut(scene) }
    }

    fn kill(&self, scene: &mut Scene) {
        scene.machine = scene.machine.kill();
        scene.killed = true;
    }

    fn cut(&self, scene: &mut Scene) {
        scene.say(|_| "the power is cut".into());
        scene.tally.add("power cuts");
        scene.machine = scene.machine.restart();
    }
}

/// A turn of the writer, in which the scene is not held.
pub(crate) fn turn(scene: &Mutex<Scene>, hand: &mut HandDriven) {
    lock(scene).say(|_| "the writer".into());
    hand.turn();
    let scene = &mut *lock(scene);
    scene.step += 1;
    scene.tally.add("turns of the writer");
    scene.between();
    scene.watch();
    scene.collect();
}

pub(crate) fn lock(scene: &Mutex<Scene>) -> MutexGuard<'_, Scene> {
    scene.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a ledger's life ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Stop,
    Kill,
    Cut,
    /// At a call of the machine.
    Crash,
}

fn opening_faults(rng: &mut fastrand::Rng) -> Faults {
    let none = Faults::default();
    match rng.u8(..7) {
        0..=1 => Faults { crash_at: Some(rng.u64(1..12)), ..none },
        2 => Faults { failing_sync: Some(rng.u64(1..3)), ..none },
        3 => Faults { failing_write: Some(rng.u64(1..3)), ..none },
        4 => Faults { failing_read: Some(rng.u64(1..12)), ..none },
        5 => Faults { short_read: Some(rng.u64(1..12)), ..none },
        _ => Faults { full_at: Some(rng.u64(1..6)), ..none },
    }
}

fn life_faults(scene: &mut Scene) -> Faults {
    let (used, rng) = (scene.machine.used(), &mut scene.rng);
    let none = Faults::default();
    let sticky = rng.bool();
    match rng.u8(..14) {
        0..=5 => none,
        6..=7 => Faults { crash_at: Some(rng.u64(1..60)), ..none },
        8 => Faults { failing_sync: Some(rng.u64(1..20)), sticky, ..none },
        9 => Faults { failing_write: Some(rng.u64(1..20)), sticky, ..none },
        10 => Faults { failing_read: Some(rng.u64(1..80)), ..none },
        11 => Faults { short_read: Some(rng.u64(1..80)), ..none },
        12 => Faults { capacity: Some(used + rng.u64(..14_000)), ..none },
        _ => Faults { full_at: Some(rng.u64(1..60)), ..none },
    }
}
