//! Rot under a ledger that is open, on a copy of the disk: what is read then, from files or from
//! memory, is what was there, or an error; a compaction makes nothing worse; and what is appended is
//! there after the next start, or damage is (G10).

use std::ops::ControlFlow;

use factum_engine::{
    Compact, EngineError, EngineLedger, HandDriven,
    machine::{Machine, SimulatedMachine},
};
use factum_store::{Append, AppendError, Ledger, Position, ReadError, RecordedEvent};
use futures_lite::future::block_on;

use crate::{
    compacting::hidden,
    fates::Fate,
    life,
    reading::{check_page, everything},
    rot::{any_file, harm},
    run::Plan,
    scene::Scene,
    witness::Witness,
    workload,
};

/// What came of it.
enum Rotten {
    /// Damage was reported.
    Reported,
    /// What must never be.
    Wrong(String),
}

impl From<ReadError> for Rotten {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Corrupt(_) => Self::Reported,
            error => Self::Wrong(format!("a read is answered with: {error}")),
        }
    }
}

impl From<EngineError> for Rotten {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Damaged(_)
            | EngineError::NewerFormat { .. }
            | EngineError::NotADataDirectory(_) => Self::Reported,
            error => Self::Wrong(format!("it is answered with: {error}")),
        }
    }
}

/// Opens a copy of the disk, damages a file, and goes on.
pub(crate) fn trial(scene: &mut Scene, copy: &SimulatedMachine, plan: &Plan) {
    // Nothing is wrong yet, but a later power cut may have left the ledger with less than this.
    let Ok((data, mut hand)) = life::open(copy, plan) else { return };
    let Some(mut witness) = as_it_is(scene, hand.ledger()) else { return };
    let path = any_file(scene, copy);
    let harm = harm(scene, copy, &path);
    scene.say(|_| format!("on a copy that is open, {} rots: {harm:?}", path.display()));
    let mut reported = 0;
    for _ in 0..scene.rng.usize(2..7) {
        match step(scene, copy, &mut hand, &mut witness) {
            Ok(()) => {}
            Err(Rotten::Reported) => reported += 1,
            Err(Rotten::Wrong(what)) => {
                let path = path.display();
                return scene.note(Err(format!("{path} rotted while open, {harm:?}: {what}")));
            }
        }
    }
    scene.tally.add(match reported {
        0 => "rot while open: harmless, or not met",
        _ => "rot while open: reported as damage",
    });
    let verified = hand.ledger().verify(&mut |_, _| {});
    if reported > 0 && verified.is_ok_and(|found| found.damage.is_empty()) {
        scene.note(Err("damage was reported that verify does not find".into()));
    }
    drop((data, hand));
    let again = start_again(copy, plan, &witness);
    if let Err(Rotten::Wrong(what)) = again {
        let path = path.display();
        scene.note(Err(format!("{path} rotted while open, {harm:?}; opened again: {what}")));
    }
}

/// The copy as it is before it rots; `None` when it is not the ledger that is known.
fn as_it_is(scene: &Scene, ledger: &EngineLedger) -> Option<Witness> {
    let (head, events) = everything(ledger, 0).ok()?;
    let mut witness = Witness::of(scene.witness.log.clone());
    let mut there = events.iter().peekable();
    for event in &scene.witness.log {
        if there.next_if(|found| *found == event).is_none() {
            witness.fates.set(event.position, Fate::Gone { since: 0 });
        }
    }
    (head == witness.head() && there.next().is_none()).then_some(witness)
}

/// Somebody does something.
fn step(
    scene: &mut Scene,
    copy: &SimulatedMachine,
    hand: &mut HandDriven,
    witness: &mut Witness,
) -> Result<(), Rotten> {
    let ledger = hand.ledger().clone();
    match scene.rng.u8(..12) {
        0..=4 => page(scene, copy, &ledger, witness),
        5..=7 => look_up(scene, &ledger, witness),
        8 => whole(&ledger, witness),
        9..=10 => compact(scene, copy, &ledger, witness),
        _ => append(hand, witness),
    }
}

fn page(
    scene: &mut Scene,
    copy: &SimulatedMachine,
    ledger: &EngineLedger,
    witness: &Witness,
) -> Result<(), Rotten> {
    let read = workload::read(&mut scene.rng, witness.head());
    let before = copy.now();
    let page = block_on(ledger.read(read.clone()))?;
    check_page(&read, &page, witness, [before, copy.now()]).map_err(Rotten::Wrong)
}

fn look_up(scene: &mut Scene, ledger: &EngineLedger, witness: &Witness) -> Result<(), Rotten> {
    if witness.log.is_empty() {
        return Ok(());
    }
    let event = &witness.log[scene.rng.usize(..witness.log.len())];
    let found = block_on(ledger.event(event.id))?;
    let fits = match witness.fates.of(event.position) {
        Fate::Kept => found.as_ref() == Some(event),
        Fate::MayBeGone => found.as_ref().is_none_or(|found| found == event),
        Fate::Gone { .. } => found.is_none(),
    };
    if !fits {
        return Err(Rotten::Wrong(format!("{event:?} is answered with {found:?}")));
    }
    let at = block_on(ledger.position_at(event.recorded_at))?;
    let expected = witness.log.partition_point(|other| other.recorded_at <= event.recorded_at);
    if at.0 != expected as u64 {
        return Err(Rotten::Wrong(format!("the position at a time is {expected}, not {at}")));
    }
    Ok(())
}

fn whole(ledger: &EngineLedger, witness: &mut Witness) -> Result<(), Rotten> {
    let (_, events) = everything(ledger, 0)?;
    witness.fates.compare(&witness.log, &events, None).map_err(Rotten::Wrong)
}

fn compact(
    scene: &mut Scene,
    copy: &SimulatedMachine,
    ledger: &EngineLedger,
    witness: &mut Witness,
) -> Result<(), Rotten> {
    for (at, _) in hidden(witness, witness.head(), copy.now()) {
        if witness.fates.of(at) == Fate::Kept {
            witness.fates.set(at, Fate::MayBeGone);
        }
    }
    let request = Compact { dry_run: false, compress: scene.rng.bool() };
    ledger.compact(request, &mut |_| ControlFlow::Continue(()))?;
    Ok(())
}

/// An append that is acknowledged is read like everything else.
fn append(hand: &mut HandDriven, witness: &mut Witness) -> Result<(), Rotten> {
    let wrong = |error: &AppendError| Rotten::Wrong(format!("an append is answered: {error}"));
    let append = Append::new([workload::plain(0)]);
    let answered = hand.ledger().submit(append).map_err(|error| wrong(&error))?;
    hand.turn();
    match answered.try_recv() {
        Ok(Ok(receipt)) if receipt.first.0 == witness.head() + 1 => {
            witness.log.push(recorded(&receipt));
            Ok(())
        }
        Ok(Err(AppendError::Corrupt(_))) => Err(Rotten::Reported),
        Ok(Err(error)) => Err(wrong(&error)),
        other => Err(Rotten::Wrong(format!("an append is told {other:?}"))),
    }
}

fn recorded(receipt: &factum_store::Receipt) -> RecordedEvent {
    let event = workload::plain(0);
    RecordedEvent {
        position: receipt.first,
        recorded_at: receipt.recorded_at,
        id: receipt.ids[0],
        stream: None,
        event_type: event.event_type,
        tags: event.tags,
        data: event.data,
        content_type: event.content_type,
        metadata: event.metadata,
        envelope: event.envelope,
    }
}

/// Nothing that was acknowledged is cut off. Of an event that was dropped an earlier generation may
/// be opened, in the place of a rotten one.
fn start_again(copy: &SimulatedMachine, plan: &Plan, witness: &Witness) -> Result<(), Rotten> {
    let copy = copy.kill();
    let (_data, hand) = life::open(&copy, plan)?;
    let (head, events) = everything(hand.ledger(), 0)?;
    if head != witness.head() {
        let known = witness.head();
        return Err(Rotten::Wrong(format!("the head is {head}, and was {known}")));
    }
    let mut there = events.iter().peekable();
    for event in &witness.log {
        let found = there.next_if(|found| *found == event).is_some();
        if !found && witness.fates.of(event.position) == Fate::Kept {
            let at: Position = event.position;
            return Err(Rotten::Wrong(format!("the event at {at} is not there")));
        }
    }
    match there.next() {
        None => Ok(()),
        Some(event) => Err(Rotten::Wrong(format!("nobody knows {event:?}"))),
    }
}
