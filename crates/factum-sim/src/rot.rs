//! Bit rot, tried on a copy of the disk: what is read then is what was there, or an error (G10).

use std::path::{Path, PathBuf};

use factum_engine::{EngineError, machine::SimulatedMachine};
use factum_store::{ReadError, RecordedEvent};

use crate::{
    fates::Fate,
    life::{self, DIR},
    reading::everything,
    run::Plan,
    scene::Scene,
};

/// Damages a file of a copy of the disk, as it was when the ledger's last life ended, opens it, and
/// reads everything.
pub(crate) fn trial(scene: &mut Scene, copy: &SimulatedMachine, clean: bool, plan: &Plan) {
    let path = any_file(scene, copy);
    let harm = harm(scene, copy, &path);
    // After a stop that was not clean nothing witnesses the last group.
    let least = if clean { scene.witness.head() } else { scene.witnessed };
    scene.say(|_| format!("on a copy, {} rots: {harm:?}", path.display()));
    let answer = life::open(copy, plan)
        .map_err(Broken::Open)
        .and_then(|(_data, hand)| everything(hand.ledger(), 0).map_err(Broken::Read));
    let checked = judge(scene, answer, least);
    scene.note(checked.map_err(|what| format!("{} rotted, {harm:?}: {what}", path.display())));
}

/// A file of the data directory.
pub(crate) fn any_file(scene: &mut Scene, copy: &SimulatedMachine) -> PathBuf {
    let paths: Vec<_> = copy.paths().into_iter().filter(|path| path.starts_with(DIR)).collect();
    paths[scene.rng.usize(..paths.len())].clone()
}

/// What is done to a file.
#[derive(Debug)]
pub(crate) struct Harm {
    at: usize,
    bits: u32,
}

pub(crate) fn harm(scene: &mut Scene, copy: &SimulatedMachine, path: &Path) -> Harm {
    let (rng, mut harm) = (&mut scene.rng, Harm { at: 0, bits: 0 });
    copy.damage(path, |bytes| {
        if bytes.is_empty() {
            return;
        }
        // Where there is something, rather than in the zeros that were written ahead.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
        harm.at = if rng.u8(..4) == 0 { rng.usize(..bytes.len()) } else { rng.usize(..used) };
        harm.bits = if rng.bool() { 1 } else { rng.u32(2..5) };
        for _ in 0..harm.bits {
            // Never in two frames, which begin at multiples of 8: one would be the other's witness.
            let at = harm.at / 8 * 8 + rng.usize(..8);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << rng.u8(..8);
            }
        }
    });
    harm
}

enum Broken {
    Open(EngineError),
    Read(ReadError),
}

/// What is read is the ledger as it is known, as far as it goes. Of an event that was dropped an
/// earlier generation may have been left, and been opened in the place of a rotten one.
fn compare(scene: &Scene, head: u64, events: &[RecordedEvent], least: u64) -> Result<(), String> {
    let known = &scene.witness.log;
    if head < least {
        return Err(format!("the head is {head}, and at least {least} was known"));
    }
    let mut read = events.iter().peekable();
    // The ledger itself may have lost unacknowledged events since then, in another power cut.
    for event in known.iter().take(head as usize) {
        let same = read.next_if(|found| *found == event).is_some();
        let fates = &scene.witness.fates;
        // What a compaction that failed has dropped may be seen dropped only now.
        if !same && fates.of(event.position) == Fate::Kept && !fates.doubted(event.position) {
            return Err(format!("{event:?} is not there; what is there goes on with {read:?}"));
        }
    }
    match read.next() {
        Some(event) if event.position.0 <= known.len() as u64 => {
            Err(format!("nobody knows the event {event:?}"))
        }
        _ => Ok(()),
    }
}

fn judge(
    scene: &mut Scene,
    answer: Result<(u64, Vec<RecordedEvent>), Broken>,
    least: u64,
) -> Result<(), String> {
    match answer {
        Ok((head, events)) => {
            compare(scene, head, &events, least)?;
            scene.tally.add(match head >= scene.witness.head() {
                true => "rot: harmless, or built again",
                false => "rot: the last group, unwitnessed",
            });
            Ok(())
        }
        Err(
            Broken::Open(
                EngineError::Damaged(_)
                | EngineError::NewerFormat { .. }
                | EngineError::NotADataDirectory(_),
            )
            | Broken::Read(ReadError::Corrupt(_)),
        ) => {
            scene.tally.add("rot: reported as damage");
            Ok(())
        }
        Err(Broken::Open(error)) => Err(format!("it can't be opened: {error}")),
        Err(Broken::Read(error)) => Err(format!("it can't be read: {error}")),
    }
}
