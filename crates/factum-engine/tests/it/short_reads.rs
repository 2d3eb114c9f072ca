//! Reads that end early although the file does not: nobody takes that for an end, for damage, or for a
//! file of another kind (G2, G10).

use std::{ops::ControlFlow, path::Path};

use factum_engine::{
    Backup, Compact, DataDir, EngineLedger, Restore,
    machine::{Faults, SimulatedMachine},
};
use factum_store::{Query, Read};

use crate::{
    compact_again::{filled, hide},
    ledger::{DIR, all_of, everything, open, options},
};

fn compress(ledger: &EngineLedger) {
    let request = Compact { compress: true, ..Compact::default() };
    let done = ledger.compact(request, &mut |_| ControlFlow::Continue(()));
    assert!(done.unwrap().rewritten > 2);
}

/// A header that is read in part says nothing of compression.
#[test]
fn g10_a_read_that_ends_early_does_not_make_a_compressed_segment_a_plain_one() {
    let machine = SimulatedMachine::new(2);
    let known = {
        let ledger = open(&options(&machine)).unwrap();
        filled(&ledger);
        compress(&ledger);
        everything(&ledger)
    };
    let mut opened = 0;
    for at in 1..30 {
        for _ in 0..20 {
            machine.set_faults(Faults { short_read: Some(at), ..Faults::default() });
            let ledger = open(&options(&machine));
            machine.set_faults(Faults::default());
            let Ok(ledger) = ledger else { continue };
            let read = all_of(&ledger, Read::new(Query::everything()));
            assert_eq!(read.as_ref(), Ok(&known), "read {at} ended early when it was opened");
            opened += 1;
        }
    }
    assert!(opened > 100);
}

/// What was read in part is not what a backup holds.
#[test]
fn g2_a_backup_whose_reads_end_early_fails_or_can_be_restored() {
    let machine = SimulatedMachine::new(4);
    let known = {
        let ledger = open(&options(&machine)).unwrap();
        filled(&ledger);
        compress(&ledger);
        everything(&ledger)
    };
    let mut finished = 0;
    for at in 1..60 {
        let machine = machine.copy();
        let data = DataDir::open_read_only(Path::new(DIR), options(&machine)).unwrap();
        machine.set_faults(Faults { short_read: Some(at), ..Faults::default() });
        let backup = data.backup(Path::new("/backup"), &mut |_, _| {});
        machine.set_faults(Faults::default());
        if backup.is_err() {
            continue;
        }
        finished += 1;
        let backup = Backup::open(Path::new("/backup"), options(&machine)).unwrap();
        let to = Path::new("/restored");
        backup
            .restore(to, &Restore::default(), &mut |_, _| {})
            .unwrap_or_else(|error| panic!("read {at} of the backup ended early: {error}"));
        let restored = DataDir::open(to, options(&machine)).unwrap().create_ledger("l").unwrap();
        assert_eq!(everything(&restored), known, "read {at} of the backup ended early");
    }
    assert!(finished > 20, "{finished}");
}

/// Of two generations the higher one is opened, unless it is damaged; to be read in part is not to
/// be damaged. What was dropped is gone.
#[test]
fn g2_a_generation_that_is_read_in_part_does_not_give_way_to_the_one_before() {
    let prepared = || {
        let machine = SimulatedMachine::new(5);
        let ledger = open(&options(&machine)).unwrap();
        filled(&ledger);
        hide(&ledger, 0, 100);
        (machine, ledger)
    };
    let mut both = 0;
    for crash_at in 8..20 {
        let (machine, ledger) = prepared();
        machine.set_faults(Faults { crash_at: Some(crash_at), ..Faults::default() });
        let request = Compact { compress: true, ..Compact::default() };
        let _ = ledger.compact(request, &mut |_| ControlFlow::Continue(()));
        drop(ledger);
        let left = machine.kill();
        let known = everything(&open(&options(&left.copy())).unwrap());
        both += u64::from(
            known.len() < 302 && {
                let there = |name: &str| left.paths().iter().any(|path| path.ends_with(name));
                there("00000000000000000001.log") && there("00000000000000000001-1.log")
            },
        );
        for at in 1..25 {
            let machine = left.copy();
            machine.set_faults(Faults { short_read: Some(at), ..Faults::default() });
            let ledger = open(&options(&machine));
            machine.set_faults(Faults::default());
            let ledger = ledger.or_else(|_| open(&options(&machine))).unwrap();
            let read = all_of(&ledger, Read::new(Query::everything()));
            assert_eq!(read.as_ref(), Ok(&known), "crash at {crash_at}, read {at} ended early");
        }
    }
    assert!(both > 0);
}
