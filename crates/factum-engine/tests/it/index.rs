//! Index files are derived: deleted, damaged or cut off, they are built again, the same bytes as
//! before, and no answer changes (G10).

use std::path::{Path, PathBuf};

use factum_engine::machine::{Machine, SimulatedMachine};
use factum_store::memory::MemoryLedger;
use proptest::prelude::*;

use crate::random::{fill, open, read_all, small_segments, some_batches, some_read};

fn index_files(machine: &SimulatedMachine) -> Vec<PathBuf> {
    let is_index = |path: &PathBuf| path.extension().is_some_and(|end| end == "idx");
    machine.paths().into_iter().filter(is_index).collect()
}

fn bytes_of(machine: &SimulatedMachine, path: &Path) -> Vec<u8> {
    let file = machine.open(path).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(&mut bytes, 0).unwrap();
    bytes
}

/// What is done to an index file.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Nothing,
    Gone,
    CutTo(usize),
    Flip(usize),
}

fn some_harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        1 => Just(Harm::Nothing),
        1 => Just(Harm::Gone),
        1 => any::<usize>().prop_map(Harm::CutTo),
        4 => any::<usize>().prop_map(Harm::Flip),
    ]
}

fn harm(machine: &SimulatedMachine, path: &Path, harm: Harm) {
    match harm {
        Harm::Nothing => {}
        Harm::Gone => machine.remove(path).unwrap(),
        Harm::CutTo(len) => machine.damage(path, |bytes| bytes.truncate(len % bytes.len())),
        Harm::Flip(bit) => machine.damage(path, |bytes| {
            let bit = bit % (bytes.len() * 8);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn g10_whatever_becomes_of_index_files_no_answer_changes(
        batches in some_batches(),
        reads in prop::collection::vec(some_read(), 8),
        harms in prop::collection::vec(some_harm(), 30),
        open_already in any::<bool>(),
    ) {
        let machine = SimulatedMachine::new(1);
        let (oracle, options) = (MemoryLedger::new(), small_segments(&machine));
        let (data_dir, ledger) = open(&options);
        fill(&ledger, &oracle, batches);
        let files = index_files(&machine);
        let before: Vec<_> = files.iter().map(|path| bytes_of(&machine, path)).collect();
        let opened = if open_already { Some((data_dir, ledger)) } else {
            drop((data_dir, ledger));
            None
        };
        for (path, how) in files.iter().zip(&harms) {
            // A file that is gone while it is open is still read.
            if !(open_already && matches!(how, Harm::Gone)) {
                harm(&machine, path, *how);
            }
        }
        let (data_dir, ledger) = opened.unwrap_or_else(|| open(&options));
        for read in &reads {
            prop_assert_eq!(read_all(&ledger, read), read_all(&oracle, read), "{:?}", read);
        }
        if !open_already {
            // What was not asked for is found by whoever deletes it all.
            drop((data_dir, ledger));
            index_files(&machine).iter().for_each(|path| machine.remove(path).unwrap());
            let _opened = open(&options);
            let after: Vec<_> = files.iter().map(|path| bytes_of(&machine, path)).collect();
            prop_assert!(before == after, "an index file was built again, and is another");
        }
    }
}
