//! [`Scene`]: everything of a run but the writer: the machine, the clients, the readers, and what
//! they know. It is used between the writer's turns, and at each write and sync within them.

use factum_engine::{
    Answered, EngineLedger,
    machine::{Faults, SimulatedMachine},
};
use factum_store::{Position, Timestamp};
use fastrand::Rng;

use crate::{
    backups::Finished, follower::Follower, history::History, reading::head_of, run::Plan,
    tally::Tally, witness::Witness,
};

/// Everything but the writer.
pub(crate) struct Scene {
    pub(crate) rng: Rng,
    pub(crate) step: u64,
    pub(crate) machine: SimulatedMachine,
    /// `None` while it is closed.
    pub(crate) ledger: Option<EngineLedger>,
    pub(crate) clients: Vec<Client>,
    pub(crate) followers: Vec<Follower>,
    pub(crate) witness: Witness,
    pub(crate) history: History,
    pub(crate) tally: Tally,
    /// Whether a fault may come about now, so that an error is an answer.
    pub(crate) faulty: bool,
    /// The head when a write or sync failed: nothing after it may be acknowledged before a restart.
    pub(crate) failed_at: Option<u64>,
    /// Whether a write or sync failed since the ledger was opened.
    pub(crate) failing: bool,
    /// Whether an append was refused because the ledger can't go on.
    pub(crate) refusing: bool,
    /// Whether the disk was full since the room was last looked after.
    pub(crate) full: bool,
    /// The last two heads that were published: frames up to the older one have a later witness.
    pub(crate) heads: [u64; 2],
    /// Whether opening left a mark behind the last frame, and nothing was written since.
    pub(crate) marked: bool,
    /// Heads up to which the mark may be in memory only: its opening failed.
    pub(crate) unmarked: u64,
    /// Up to where every frame had a later witness when the last life ended.
    pub(crate) witnessed: u64,
    pub(crate) trace: Option<Vec<String>>,
    pub(crate) violation: Option<String>,
    pub(crate) plan: Plan,
    /// Whether a sync may have failed since the ledger was opened, so that what its files say to
    /// another process is not what the disk has.
    pub(crate) unsynced: bool,
    /// Whether the last life was killed: what it had not synced is in memory.
    pub(crate) killed: bool,
    /// The last backup that was finished.
    pub(crate) backup: Option<Finished>,
    /// Whether one was begun after it.
    pub(crate) begun: bool,
    /// Whether one is under way.
    pub(crate) backing: bool,
}

/// One that appends, and waits for each answer.
#[derive(Default)]
pub(crate) struct Client {
    /// The head that it saw last.
    pub(crate) seen: Position,
    /// What it waits for.
    pub(crate) waiting: Option<(usize, Answered)>,
    /// A request whose outcome it does not know, or that it tries again for no reason.
    pub(crate) again: Option<usize>,
}

impl Scene {
    pub(crate) fn new(plan: Plan, machine: SimulatedMachine) -> Self {
        let mut rng = Rng::with_seed(plan.seed);
        let clients = (0..rng.usize(2..=8)).map(|_| Client::default()).collect();
        Self {
            rng,
            step: 0,
            machine,
            ledger: None,
            clients,
            followers: Vec::new(),
            witness: Witness::default(),
            history: History::default(),
            tally: Tally::default(),
            faulty: false,
            failed_at: None,
            failing: false,
            refusing: false,
            full: false,
            heads: [0; 2],
            marked: false,
            unmarked: 0,
            witnessed: 0,
            trace: plan.traced.then(Vec::new),
            violation: None,
            plan,
            unsynced: false,
            killed: false,
            backup: None,
            begun: false,
            backing: false,
        }
    }

    /// Adds a line to the trace, if anybody wants one.
    pub(crate) fn say(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{:>5}  {}", self.step, line(self));
            self.trace.iter_mut().for_each(|trace| trace.push(line.clone()));
        }
    }

    /// Keeps the first violation.
    pub(crate) fn note(&mut self, checked: Result<(), String>) {
        if let Err(what) = checked {
            self.say(|_| format!("VIOLATION: {what}"));
            self.violation.get_or_insert(what);
        }
    }

    /// One step of anybody but the writer.
    pub(crate) fn anything(&mut self) {
        self.step += 1;
        match self.rng.u8(..100) {
            0..=39 => self.submit(),
            40..=59 => self.read(),
            60..=79 => self.follow(),
            80..=87 => drop(self.watch()),
            88..=94 => self.look_up(),
            95..=97 => self.jump(),
            _ => self.verify(),
        }
    }

    /// At a write or sync of the log: others go on meanwhile.
    pub(crate) fn between(&mut self) {
        let Some(ledger) = &self.ledger else { return };
        let head = head_of(ledger);
        // What is written next goes where the mark was.
        self.marked = false;
        if head != self.heads[1] {
            self.heads = [self.heads[1], head];
        }
        self.meanwhile();
    }

    /// Something is written or synced: somebody else may go on.
    pub(crate) fn meanwhile(&mut self) {
        if self.ledger.is_some() && self.rng.u8(..3) == 0 {
            self.step += 1;
            match self.rng.u8(..41) {
                0..=9 => self.submit(),
                10..=19 => self.read(),
                20..=29 => self.follow(),
                30..=31 => self.back_up_beside(),
                _ => drop(self.watch()),
            }
            self.tally.add("steps during a write or sync");
        }
    }

    /// What goes wrong from now on.
    pub(crate) fn inject(&mut self, faults: Faults) {
        self.faulty |= faults != Faults::default();
        self.unsynced |= faults.failing_sync.is_some();
        self.machine.set_faults(faults);
        self.say(|_| format!("from now on {faults:?}"));
    }

    /// The wall clock jumps.
    fn jump(&mut self) {
        let now = Timestamp::from_micros(self.rng.u64(..4_000_000_000));
        self.machine.set_now(now);
        self.tally.add("clock jumps");
        self.say(|_| format!("the clock jumps to {now:?}"));
    }
}
