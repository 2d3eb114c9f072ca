//! Every bit of a sealed segment, its index and the files beside them, flipped in turn (G10): what
//! is read is the truth, or an error that names file, offset and position; never anything else.

use std::path::{Path, PathBuf};

use factum_engine::{
    EngineLedger, Options,
    machine::{Machine, SimulatedMachine},
};
use factum_store::{
    EventId, IdempotencyKey, Ledger, Position, Query, QueryItem, Read, RecordedEvent, Timestamp,
};
use futures_lite::future::block_on;

use crate::ledger::{DIR, all_of, batch, open};

/// Segments of a few batches each.
fn options(machine: &SimulatedMachine) -> Options {
    Options {
        segment_bytes_max: 5_400,
        write_ahead_bytes: 4 << 10,
        background: false,
        ..Options::on(machine.clone())
    }
}

const BATCHES: u64 = 16;

/// A ledger of a few small segments that was closed, and all its events.
struct Sound {
    machine: SimulatedMachine,
    events: Vec<RecordedEvent>,
}

impl Sound {
    fn new() -> Self {
        let machine = SimulatedMachine::new(7);
        let ledger = open(&options(&machine)).unwrap();
        (0..BATCHES).for_each(|n| drop(ledger.append_blocking(batch(n)).unwrap()));
        let events = crate::ledger::everything(&ledger);
        assert!(ledger.inspect().unwrap().segments.len() >= 4);
        Self { machine, events }
    }

    /// The files with an ending, in order.
    fn files(&self, ending: &str) -> Vec<PathBuf> {
        let ends = |path: &PathBuf| path.to_string_lossy().ends_with(ending);
        self.machine.paths().into_iter().filter(ends).collect()
    }

    fn len(&self, path: &Path) -> usize {
        self.machine.open(path).unwrap().len().unwrap() as usize
    }

    fn open(&self) -> Result<EngineLedger, factum_engine::EngineError> {
        open(&options(&self.machine))
    }
}

fn flip(machine: &SimulatedMachine, path: &Path, bit: usize) {
    machine.damage(path, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
}

/// The first event of each batch, and what leads to it.
struct Lookups {
    id: EventId,
    key: IdempotencyKey,
    first: Position,
    time: Timestamp,
}

/// What may be wrong with an answer: nothing, or an error that says where the damage is.
fn judge<T: PartialEq, E: std::fmt::Display>(answer: Result<T, E>, truth: &T, what: &str) -> bool {
    match answer {
        Ok(answer) => {
            assert!(&answer == truth, "{what}: not the truth");
            true
        }
        Err(error) => {
            let error = error.to_string();
            let precise = error.contains("damaged at byte") && error.contains("around position");
            assert!(precise && error.contains(DIR), "{what}: {error}");
            false
        }
    }
}

fn lookups(events: &[RecordedEvent]) -> Vec<Lookups> {
    let mut found = Vec::new();
    let mut at = 0;
    for number in 0..BATCHES {
        let key = batch(number).key.unwrap();
        let event = &events[at];
        found.push(Lookups { id: event.id, key, first: event.position, time: event.recorded_at });
        at += batch(number).events.len();
    }
    found
}

/// Asks everything; says whether every answer was the truth, and none an error.
fn ask(ledger: &EngineLedger, events: &[RecordedEvent], what: &str) -> bool {
    let mut whole = judge(all_of(ledger, Read::new(Query::everything())), &events.to_vec(), what);
    for tag in ["n:1", "n:5"] {
        let tag: factum_store::Tag = tag.parse().unwrap();
        let truth: Vec<_> = events.iter().filter(|e| e.tags.contains(&tag)).cloned().collect();
        let query = Query::from(QueryItem::tags([tag]));
        let backward = Read::new(query).backward();
        let truth = truth.into_iter().rev().collect();
        whole &= judge(all_of(ledger, backward), &truth, what);
    }
    for (number, wanted) in lookups(events).iter().enumerate() {
        let what = format!("{what}, batch {number}");
        let found = block_on(ledger.event(wanted.id));
        let found = found.map(|event| event.map(|event| event.position));
        whole &= judge(found, &Some(wanted.first), &what);
        let found = block_on(ledger.receipt(wanted.key.clone()));
        whole &= judge(found.map(|r| r.map(|r| r.first)), &Some(wanted.first), &what);
        let upto = events.iter().rev().find(|e| e.recorded_at <= wanted.time).unwrap().position;
        whole &= judge(block_on(ledger.position_at(wanted.time)), &upto, &what);
    }
    whole
}

/// Every how many bits one is flipped; `FACTUM_BITS_STEP=1` flips all of all files.
fn step(unless_told: usize) -> usize {
    std::env::var("FACTUM_BITS_STEP").map_or(unless_told, |step| step.parse().expect("a number"))
}

#[test]
fn g10_every_bit_of_a_sealed_segment_flipped_while_it_is_open_is_reported_or_means_nothing() {
    let sound = Sound::new();
    let path = sound.files(".log").remove(1);
    let ledger = sound.open().unwrap();
    let begin = sound.len(&path).min(4_096) * 8;
    let (mut reported, mut harmless) = (0, 0);
    for bit in (begin..sound.len(&path) * 8).step_by(step(1)) {
        flip(&sound.machine, &path, bit);
        match ask(&ledger, &sound.events, &format!("bit {bit} of {}", path.display())) {
            true => harmless += 1,
            false => reported += 1,
        }
        flip(&sound.machine, &path, bit);
    }
    // Every byte of a frame is under its checksums.
    assert!(harmless == 0 && reported > 100, "{reported} were reported, {harmless} were not");
}

#[test]
fn g10_a_ledger_whose_segment_has_a_flipped_bit_opens_and_tells_the_truth_or_says_where() {
    let sound = Sound::new();
    let (mut refused, mut opened) = (0, 0);
    let files: Vec<_> = sound.files(".log").into_iter().map(|p| (sound.len(&p), p)).collect();
    for ((len, path), step) in files.into_iter().zip([29, step(13), 29, 29, 29]) {
        for bit in (0..len * 8).step_by(step) {
            // Most of what follows the header in its block means nothing: unless every bit is asked
            // for, a few of them will do.
            if step > 1 && (64 * 8..4_000 * 8).contains(&bit) && bit % 11 != 0 {
                continue;
            }
            let copy = Sound { machine: sound.machine.restart(), events: Vec::new() };
            flip(&copy.machine, &path, bit);
            let what = format!("bit {bit} of {}", path.display());
            match copy.open() {
                Ok(ledger) => {
                    ask(&ledger, &sound.events, &what);
                    opened += 1;
                }
                Err(error) => {
                    let error = error.to_string();
                    let precise = error.contains("damaged at byte") || error.contains("has format");
                    assert!(precise && error.contains(&*path.to_string_lossy()), "{what}: {error}");
                    refused += 1;
                }
            }
        }
    }
    assert!(refused > 50 && opened > 50, "{refused} refused, {opened} opened");
}

#[test]
fn g10_every_flipped_bit_of_an_index_is_noticed_and_the_index_built_again() {
    let sound = Sound::new();
    let path = sound.files(".idx").remove(1);
    let segment = path.with_extension("log");
    let first: u64 = segment.file_stem().unwrap().to_string_lossy().parse().unwrap();
    let bytes = |sound: &Sound| {
        let mut bytes = vec![0; sound.len(&path)];
        sound.machine.open(&path).unwrap().read_at(&mut bytes, 0).unwrap();
        bytes
    };
    let before = bytes(&sound);
    let inside: Vec<_> = sound.events.iter().filter(|e| e.position.0 >= first).take(6).collect();
    let mut ledger = sound.open().unwrap();
    for bit in (0..before.len() * 8).step_by(step(29)) {
        let what = format!("bit {bit} of {}", path.display());
        flip(&sound.machine, &path, bit);
        // An open ledger has its header already, and keeps pages that it has checked.
        drop(ledger);
        ledger = sound.open().unwrap();
        for event in &inside {
            let found = block_on(ledger.event(event.id)).unwrap();
            assert_eq!(found.as_ref(), Some(*event), "{what}");
        }
        if bytes(&sound) != before {
            // No id led over this page: everything does.
            assert!(ask(&ledger, &sound.events, &what), "{what}: the log is not damaged");
        }
        assert!(bytes(&sound) == before, "{what}: nobody noticed");
    }
}
