//! A machine that can't list a directory for a moment, as one that has too many files open (G2, G10).

use std::{
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use factum_engine::{
    DataDir, EngineError, Options,
    machine::{File, Lock, Machine, SimulatedMachine},
};
use factum_store::Timestamp;

use crate::ledger::{DIR, batch, everything};

/// The simulated machine, of which one listing fails.
#[derive(Clone)]
struct Unlisted {
    machine: SimulatedMachine,
    /// How many listings succeed before one fails.
    left: Arc<AtomicI64>,
}

impl Machine for Unlisted {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.machine.open(path)
    }
    fn open_writable(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.machine.open_writable(path)
    }
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.machine.create(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.machine.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.machine.remove(path)
    }
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.machine.create_dir(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        match self.left.fetch_sub(1, Ordering::Relaxed) {
            0 => Err(io::Error::other("too many open files")),
            _ => self.machine.list(dir),
        }
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.machine.sync_dir(dir)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.machine.lock(path)
    }
    fn now(&self) -> Timestamp {
        self.machine.now()
    }
    fn random(&self) -> u128 {
        self.machine.random()
    }
}

#[test]
fn g2_a_ledger_that_can_not_be_listed_is_not_taken_for_a_new_one() {
    let machine = SimulatedMachine::new(1);
    let sound = Options { background: false, ..Options::on(machine.clone()) };
    let ledger = crate::ledger::open(&sound).unwrap();
    ledger.append_blocking(batch(1)).unwrap();
    let before = everything(&ledger);
    drop(ledger);
    for listing in 0..4 {
        let left = Arc::new(AtomicI64::new(listing));
        let faulty = Unlisted { machine: machine.clone(), left };
        let options = Options { background: false, ..Options::on(faulty) };
        let opened =
            DataDir::open(Path::new(DIR), options).and_then(|data| data.create_ledger("l"));
        match opened {
            Err(error) => assert!(matches!(error, EngineError::Io { .. }), "{error}"),
            Ok(ledger) => assert_eq!(everything(&ledger), before),
        }
        assert_eq!(everything(&crate::ledger::open(&sound).unwrap()), before);
    }
}
