//! Every way of damaging the files of a ledger, and what is said of it (G10): whoever would write is
//! told which file it is, or finds everything; whoever only reads gets what is intact, position by
//! position; and opening changes no log file.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use factum_engine::{
    DataDir, EngineError, EngineLedger, Options,
    machine::{Machine, SimulatedMachine},
};
use factum_store::{Position, Query, Read, RecordedEvent};

use crate::ledger::{DIR, all_of, batch, everything, open};

fn options(machine: &SimulatedMachine) -> Options {
    Options {
        segment_bytes_max: 5_400,
        write_ahead_bytes: 4 << 10,
        background: false,
        ..Options::on(machine.clone())
    }
}

/// A ledger of a few segments that was closed, and its events.
fn sound(seed: u64) -> (SimulatedMachine, Vec<RecordedEvent>) {
    let machine = SimulatedMachine::new(seed);
    let ledger = open(&options(&machine)).unwrap();
    (0..18).for_each(|n| drop(ledger.append_blocking(batch(n)).unwrap()));
    let events = everything(&ledger);
    (machine, events)
}

fn files(machine: &SimulatedMachine, ending: &str) -> Vec<PathBuf> {
    let ends = |path: &PathBuf| path.to_string_lossy().ends_with(ending);
    machine.paths().into_iter().filter(ends).collect()
}

fn bytes(machine: &SimulatedMachine, path: &Path) -> Vec<u8> {
    let file = machine.open(path).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes
}

fn put(machine: &SimulatedMachine, path: &Path, bytes: &[u8]) {
    let _ = machine.remove(path);
    machine.create(path).unwrap().write_at(bytes, 0).unwrap();
}

/// All log files, byte for byte.
fn logs(machine: &SimulatedMachine) -> BTreeMap<PathBuf, Vec<u8>> {
    files(machine, ".log").into_iter().map(|path| (path.clone(), bytes(machine, &path))).collect()
}

/// Where the events of the segments begin, and where the last ends.
fn firsts(machine: &SimulatedMachine) -> Vec<u64> {
    let number = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().parse().unwrap();
    files(machine, ".log").iter().map(number).collect()
}

/// What became of a harmed ledger.
#[derive(Debug, PartialEq)]
enum Fate {
    /// Everything is there.
    Whole,
    /// It was refused, and the error names this file.
    Refused(String),
    /// It opens, and reading says where it is damaged.
    Reported,
}

fn fate(machine: &SimulatedMachine, truth: &[RecordedEvent]) -> Fate {
    let before = logs(machine);
    let fate = match open(&options(machine)) {
        Err(error) => Fate::Refused(error.to_string()),
        Ok(ledger) => match all_of(&ledger, Read::new(Query::everything())) {
            Ok(events) => {
                assert!(events == truth, "{} events of {} were read", events.len(), truth.len());
                Fate::Whole
            }
            Err(error) => {
                assert!(error.to_string().contains("damaged at byte"), "{error}");
                Fate::Reported
            }
        },
    };
    if fate != Fate::Whole {
        assert!(logs(machine) == before, "opening a damaged ledger changed a log file");
    }
    fate
}

/// The positions that can be read, one by one, by whoever only reads; each is the truth.
fn readable(machine: &SimulatedMachine, truth: &[RecordedEvent]) -> Vec<u64> {
    let before = logs(machine);
    let ledger = DataDir::open_read_only(Path::new(DIR), options(machine)).unwrap().ledger("l");
    let ledger = ledger.unwrap();
    let mut found = Vec::new();
    for event in truth {
        match one(&ledger, event.position) {
            Ok(events) if events.is_empty() => {}
            Ok(events) => {
                assert!(events == [event.clone()], "position {} is another", event.position);
                found.push(event.position.0);
            }
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("damaged at byte") && text.contains(DIR), "{text}");
            }
        }
    }
    assert!(logs(machine) == before, "reading only changed a log file");
    found
}

fn one(ledger: &EngineLedger, at: Position) -> Result<Vec<RecordedEvent>, factum_store::ReadError> {
    all_of(ledger, Read::new(Query::everything()).after(at.prev()).up_to(at))
}

/// The positions outside a segment.
fn outside(firsts: &[u64], segment: usize, events: usize) -> Vec<u64> {
    let end = firsts.get(segment + 1).copied().unwrap_or(u64::MAX);
    (1..=events as u64).filter(|at| !(firsts[segment]..end).contains(at)).collect()
}

#[test]
fn g10_a_missing_empty_or_foreign_segment_is_named_and_the_others_are_read() {
    let (foreign, _) = sound(2);
    for segment in 0..4 {
        for harm in ["missing", "empty", "garbage", "foreign", "another"] {
            let (machine, truth) = sound(1);
            let (paths, firsts) = (files(&machine, ".log"), firsts(&machine));
            let path = &paths[segment];
            match harm {
                "missing" => machine.remove(path).unwrap(),
                "empty" => machine.damage(path, Vec::clear),
                "garbage" => machine.damage(path, |bytes| bytes.fill(0x5a)),
                "foreign" => {
                    put(&machine, path, &bytes(&foreign, &files(&foreign, ".log")[segment]))
                }
                _ => put(&machine, path, &bytes(&machine, &paths[(segment + 1) % 4])),
            }
            let what = format!("segment {segment} is {harm}");
            let Fate::Refused(said) = fate(&machine, &truth) else { panic!("{what}") };
            assert!(said.contains("damaged at byte") && said.contains(".log"), "{what}: {said}");
            let found = readable(&machine, &truth);
            let wanted = outside(&firsts, segment, truth.len());
            assert!(wanted.iter().all(|at| found.contains(at)), "{what}: {wanted:?} in {found:?}");
        }
    }
}

#[test]
fn g10_the_last_segment_missing_is_noticed_by_the_index_of_the_one_before() {
    let (machine, truth) = sound(1);
    let paths = files(&machine, ".log");
    machine.remove(paths.last().unwrap()).unwrap();
    let Fate::Refused(said) = fate(&machine, &truth) else { panic!("nobody noticed") };
    assert!(said.contains("the segment after it is missing"), "{said}");
    let kept = *firsts(&machine).last().unwrap();
    assert!(readable(&machine, &truth).len() as u64 >= kept);
}

#[test]
fn g10_a_segment_cut_off_anywhere_is_reported_and_the_others_are_read() {
    let (machine, truth) = sound(1);
    let (paths, firsts) = (files(&machine, ".log"), firsts(&machine));
    let lens: Vec<_> = paths.iter().map(|path| bytes(&machine, path).len()).collect();
    for segment in 0..paths.len() - 1 {
        for cut in (0..lens[segment]).rev().step_by(if segment == 1 { 8 } else { 104 }) {
            let machine = machine.restart();
            machine.damage(&paths[segment], |bytes| bytes.truncate(cut));
            let what = format!("segment {segment} cut at {cut}");
            assert!(fate(&machine, &truth) != Fate::Whole, "{what}: nobody noticed");
            let found = readable(&machine, &truth);
            let wanted = outside(&firsts, segment, truth.len());
            assert!(wanted.iter().all(|at| found.contains(at)), "{what}: {found:?}");
        }
    }
}

/// Behind the last segment is no other that could bear witness: what is cut off at a frame's begin,
/// the mark of the clean stop with it, can't be told from what never was. Nothing else is served.
#[test]
fn g10_the_last_segment_cut_off_is_reported_or_what_is_left_is_the_truth() {
    let (machine, truth) = sound(1);
    let path = files(&machine, ".log").pop().unwrap();
    let len = bytes(&machine, &path).len();
    for cut in (0..len).step_by(8) {
        let machine = machine.restart();
        machine.damage(&path, |bytes| bytes.truncate(cut));
        match open(&options(&machine)) {
            Err(error) => assert!(matches!(error, EngineError::Damaged(_)), "{error}"),
            Ok(ledger) => {
                let events = everything(&ledger);
                assert!(truth.starts_with(&events), "cut at {cut}");
            }
        }
    }
}

#[test]
fn g10_whatever_becomes_of_an_index_file_nothing_is_lost() {
    for harm in ["missing", "empty", "garbage", "cut", "another"] {
        let (machine, truth) = sound(1);
        let paths = files(&machine, ".idx");
        let path = &paths[1];
        match harm {
            "missing" => machine.remove(path).unwrap(),
            "empty" => machine.damage(path, Vec::clear),
            "garbage" => machine.damage(path, |bytes| bytes.fill(0x5a)),
            "cut" => machine.damage(path, |bytes| bytes.truncate(bytes.len() / 2)),
            _ => put(&machine, path, &bytes(&machine, &paths[2])),
        }
        assert_eq!(readable(&machine, &truth).len(), truth.len(), "{harm}, reading only");
        assert_eq!(fate(&machine, &truth), Fate::Whole, "{harm}");
        let again = open(&options(&machine)).unwrap().verify(&mut |_, _| {}).unwrap();
        assert_eq!(again.damage, [], "{harm}: the index was not built again");
    }
}

#[test]
fn g10_foreign_files_in_the_directory_are_left_alone_or_named() {
    let (machine, truth) = sound(1);
    let dir = files(&machine, ".log")[0].parent().unwrap().to_owned();
    for (name, whole) in [
        ("letter.txt", true),
        ("00000000000000000002.idx", true),
        ("backup.log", false),
        ("00000000000000000999.log", false),
    ] {
        let machine = machine.restart();
        put(&machine, &dir.join(name), b"dear reader");
        match fate(&machine, &truth) {
            Fate::Whole => assert!(whole, "{name} was not noticed"),
            Fate::Refused(said) => assert!(!whole && said.contains(name), "{name}: {said}"),
            Fate::Reported => panic!("{name}"),
        }
        assert_eq!(bytes(&machine, &dir.join(name)), b"dear reader");
        assert_eq!(readable(&machine, &truth).len(), truth.len(), "{name}, reading only");
    }
}

#[test]
fn g10_a_format_file_that_is_none_is_refused_and_nothing_is_changed() {
    for garbage in [&b""[..], b"factum", b"factum one\n", &[0xff; 9], b"fatcum 1\n", b"factum 2\n"]
    {
        let (machine, truth) = sound(1);
        let path = Path::new(DIR).join("FORMAT");
        machine.damage(&path, |bytes| *bytes = garbage.to_vec());
        let Fate::Refused(said) = fate(&machine, &truth) else { panic!("{garbage:?} was taken") };
        assert!(said.contains(DIR), "{said}");
        assert_eq!(bytes(&machine, &path), garbage);
    }
}

#[test]
fn g10_a_directory_in_the_place_of_a_file_is_named() {
    for name in [
        "FORMAT",
        "LOCK",
        "ledgers/l/00000000000000000001.log",
        "ledgers/l/00000000000000000001.idx",
    ] {
        let home = tempfile::tempdir().unwrap();
        let options = Options { segment_bytes_max: 5_400, ..Options::default() };
        let open = || DataDir::open(home.path(), options.clone())?.create_ledger("l");
        let ledger = open().unwrap();
        (0..18).for_each(|n| drop(ledger.append_blocking(batch(n)).unwrap()));
        drop(ledger);
        let path = home.path().join(name);
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let said = open().err().unwrap_or_else(|| panic!("{name} was taken")).to_string();
        assert!(said.contains(&*home.path().to_string_lossy()), "{name}: {said}");
        assert!(path.is_dir());
    }
}

#[test]
fn g10_an_index_of_another_ledger_is_built_again() {
    let (machine, truth) = sound(1);
    let other = SimulatedMachine::new(2);
    let ledger = open(&options(&other)).unwrap();
    // The same positions, other tags as long.
    for n in 0..18 {
        let mut append = batch(n);
        for tag in append.events.iter_mut().flat_map(|event| &mut event.tags) {
            *tag = format!("~{}", &tag.as_str()[1..]).parse().unwrap();
        }
        append.events.iter_mut().for_each(|event| event.tags.sort_unstable());
        ledger.append_blocking(append).unwrap();
    }
    drop(ledger);
    let foreign: Vec<_> = files(&other, ".idx");
    assert_eq!(foreign, files(&machine, ".idx"), "as many positions in each segment");
    for path in &foreign {
        let was = bytes(&machine, path);
        assert_ne!(bytes(&other, path), was);
        put(&machine, path, &bytes(&other, path));
        let ledger = open(&options(&machine)).unwrap();
        for event in &truth {
            for tag in &event.tags {
                let query = factum_store::QueryItem::tags([tag.clone()]);
                let found = all_of(&ledger, Read::new(query.into())).unwrap();
                assert!(found.contains(event), "{} hides {}", path.display(), event.position);
            }
        }
        drop(ledger);
        assert_eq!(bytes(&machine, path), was, "{} was built again", path.display());
    }
}
