//! Repair gives back what is derived and leaves logs alone; verifying and opening beside a writer
//! see no damage where there is none.

use std::{
    io,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use factum_engine::{
    DataDir, EngineLedger, Options,
    machine::{File, Lock, Machine, SimulatedMachine},
};
use factum_store::Timestamp;

use crate::ledger::{DIR, everything, options, run};

fn files(machine: &SimulatedMachine, ending: &str) -> Vec<std::path::PathBuf> {
    let fits = |path: &std::path::PathBuf| path.to_string_lossy().ends_with(ending);
    machine.paths().into_iter().filter(fits).collect()
}

fn bytes(machine: &SimulatedMachine, path: &Path) -> Vec<u8> {
    let mut found = Vec::new();
    machine.damage(path, |bytes| found.clone_from(bytes));
    found
}

fn filled(machine: &SimulatedMachine) {
    let data = DataDir::open(Path::new(DIR), options(machine)).unwrap();
    run(&data.create_ledger("l").unwrap(), 0, 200);
}

#[test]
fn an_index_that_is_damaged_missing_or_of_nothing_is_put_right_byte_for_byte() {
    let machine = SimulatedMachine::new(1);
    filled(&machine);
    let indexes = files(&machine, ".idx");
    assert!(indexes.len() > 2);
    let whole: Vec<_> = indexes.iter().map(|path| bytes(&machine, path)).collect();
    let data = DataDir::open(Path::new(DIR), options(&machine)).unwrap();
    let repair = |dry_run| data.repair("l", dry_run, &mut |_, _| {}).unwrap();
    let nothing = repair(false);
    assert_eq!((nothing.rebuilt.len(), nothing.removed.len()), (0, 0));
    assert_eq!(nothing.checked, indexes.len() as u64);

    machine.damage(&indexes[0], |bytes| bytes[5_000] ^= 4);
    Machine::remove(&machine, &indexes[1]).unwrap();
    let stray = indexes[0].with_file_name("00000000000000009999.idx");
    Machine::create(&machine, &stray).unwrap();
    let would = repair(true);
    assert!(machine.paths().contains(&stray) && !machine.paths().contains(&indexes[1]));
    let did = repair(false);
    assert_eq!(did, would, "a dry run says what is done");
    assert_eq!((did.rebuilt.len(), did.removed.len()), (2, 1), "{did:?}");
    assert_eq!(files(&machine, ".idx"), indexes);
    let now: Vec<_> = indexes.iter().map(|path| bytes(&machine, path)).collect();
    assert!(now == whole, "an index is a function of its log");
}

#[test]
fn g10_damage_in_a_log_is_named_and_no_log_is_touched() {
    let machine = SimulatedMachine::new(2);
    filled(&machine);
    let logs = files(&machine, ".log");
    machine.damage(&logs[1], |bytes| bytes[4_500] ^= 1);
    let before: Vec<_> = logs.iter().map(|path| bytes(&machine, path)).collect();
    let data = DataDir::open(Path::new(DIR), options(&machine)).unwrap();
    let report = data.repair("l", false, &mut |_, _| {}).unwrap();
    assert_eq!(report.damage.len(), 1);
    assert_eq!(report.damage[0].file, logs[1].display().to_string());
    let after: Vec<_> = logs.iter().map(|path| bytes(&machine, path)).collect();
    assert!(before == after);
    let beside = DataDir::open_read_only(Path::new(DIR), options(&machine)).unwrap();
    assert!(beside.repair("l", false, &mut |_, _| {}).is_err(), "without the lock only a dry run");
    assert_eq!(beside.repair("l", true, &mut |_, _| {}).unwrap().damage, report.damage);
}

/// Another process, as its reads see it: while a segment is read, once, the writer appends.
struct Meanwhile {
    machine: SimulatedMachine,
    writer: Mutex<Option<EngineLedger>>,
    armed: AtomicBool,
}

#[derive(Clone)]
struct Reader(Arc<Meanwhile>);

struct ReadFile(Arc<dyn File>, Arc<Meanwhile>);

impl File for ReadFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        // The beginning is read, then two groups are written behind it, then the rest is read.
        let end = self.first_zeros(offset, buf.len())?;
        let (begin, rest) = buf.split_at_mut(end);
        let mut read = self.0.read_at(begin, offset)?;
        if !rest.is_empty() && self.1.armed.swap(false, Ordering::Relaxed) {
            let writer = self.1.writer.lock().unwrap().take().expect("a writer");
            run(&writer, 5_000, 5_004);
        }
        read += self.0.read_at(rest, offset + end as u64)?;
        Ok(read)
    }

    fn write_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(buf, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }

    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
}

impl ReadFile {
    /// Into the middle of what the next group is written to, in a read of a whole segment.
    fn first_zeros(&self, offset: u64, len: usize) -> io::Result<usize> {
        if offset > 0 || len < 4_096 || !self.1.armed.load(Ordering::Relaxed) {
            return Ok(len);
        }
        let mut now = vec![0; len];
        let read = self.0.read_at(&mut now, offset)?;
        let used = now[..read].iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        Ok((used + 100).min(len))
    }
}

impl Machine for Reader {
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(ReadFile(self.0.machine.open(path)?, Arc::clone(&self.0))))
    }

    fn open_writable(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.0.machine.open_writable(path)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.0.machine.create(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.machine.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        Machine::remove(&self.0.machine, path)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.machine.create_dir(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.0.machine.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.machine.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.0.machine.lock(path)
    }

    fn now(&self) -> Timestamp {
        self.0.machine.now()
    }

    fn random(&self) -> u128 {
        self.0.machine.random()
    }
}

/// A reader's first bytes may be older than its last. The frame between them that it did not see
/// was taken for damage: a later one says that it was safe on disk.
#[test]
fn what_is_appended_while_a_segment_is_read_is_not_taken_for_damage() {
    for what in ["open", "verify", "backup"] {
        let machine = SimulatedMachine::new(3);
        // What is appended goes where there were zeros.
        let (segment_bytes_max, write_ahead_bytes) = (1 << 20, 64 << 10);
        let own = Options { segment_bytes_max, write_ahead_bytes, ..options(&machine) };
        let data = DataDir::open(Path::new(DIR), own.clone()).unwrap();
        let ledger = data.create_ledger("l").unwrap();
        run(&ledger, 0, 20);
        let before = everything(&ledger);
        let (writer, armed) = (Mutex::new(Some(ledger)), AtomicBool::new(what == "open"));
        let reader = Reader(Arc::new(Meanwhile { machine, writer, armed }));
        let beside = Options { machine: Arc::new(reader.clone()), ..own };
        let beside = DataDir::open_read_only(Path::new(DIR), beside).unwrap();
        let opened = beside.ledger("l").unwrap();
        assert!(everything(&opened).starts_with(&before), "{what}");
        reader.0.armed.store(what != "open", Ordering::Relaxed);
        match what {
            "backup" => {
                let report = beside.backup(Path::new("/backup"), &mut |_, _| {});
                let report = report.unwrap_or_else(|error| panic!("{what}: {error}"));
                assert!(report.ledgers[0].head.0 >= before.len() as u64);
            }
            _ => assert_eq!(opened.verify(&mut |_, _| {}).unwrap().damage, [], "{what}"),
        }
        assert!(!reader.0.armed.load(Ordering::Relaxed), "{what}: it was appended meanwhile");
    }
}
