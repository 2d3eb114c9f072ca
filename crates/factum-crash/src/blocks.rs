//! Power cuts between any two writes: writers run once on a device that logs what it is told, and
//! disks are made as cuts at many moments might have left them, with what was not flushed yet
//! written in part, out of order, or not at all.

use std::{path::Path, time::Instant};

use anyhow::Context as _;
use clap::Args;
use factum_engine::DataDir;

use crate::{
    block_log::{BlockLog, Disk, write_disk},
    bug::Bug,
    child::{LEDGER, Writers},
    line::Line,
    listener::Listener,
    machine::{Kind, Mounted, Needed as _},
    model::Model,
    places::{Home, Places},
    recorder::Recorder,
    witness::Witness,
};

/// Cut the power between any two writes of a block device.
#[derive(Args, Debug)]
pub(crate) struct Blocks {
    /// How many disks are made and looked at.
    #[arg(long, default_value_t = 100)]
    times: u32,
    /// Which file system is on the device.
    #[arg(long, value_enum, default_value_t = Kind::Ext4)]
    fs: Kind,
    /// Repeats a run's choices; its timing can't be repeated.
    #[arg(long)]
    seed: Option<u64>,
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    bug: Bug,
}

/// So many disks are made of one run of the writers.
const CUTS_A_RUN: u32 = 100;

/// What a run of the writers left.
struct Recorded {
    log: BlockLog,
    /// What they said, and how long the log was when it was heard.
    lines: Vec<(Line, u64)>,
    /// How long it was before they began.
    begun_at: u64,
    writers: Writers,
}

impl Blocks {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let (seed, fs) = (self.seed.unwrap_or_else(|| fastrand::u64(..)), self.fs);
        let times = self.times;
        println!("{times} disks of {fs:?}, cut off; the same choices again with --seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let home = self.places.make("blocks")?;
        let begun = Instant::now();
        let (mut done, mut writes, mut acknowledged) = (0, 0, 0);
        while done < times {
            let cuts = CUTS_A_RUN.min(times - done);
            let what = || format!("seed {seed}; {}", home.keep());
            let recorded = match self.record(&home, done, &mut random) {
                Err(error) if error.is::<crate::machine::PassedOver>() => {
                    home.remove()?;
                    return Err(error);
                }
                recorded => recorded.with_context(what)?,
            };
            writes += recorded.log.len();
            let is_answer = |(line, _): &&(Line, u64)| matches!(line, Line::Acknowledged { .. });
            acknowledged += recorded.lines.iter().filter(is_answer).count();
            self.cuts(&home, &recorded, cuts, &mut random).with_context(what)?;
            done += cuts;
        }
        println!("{writes} writes and flushes logged, {acknowledged} batches acknowledged");
        let took = begun.elapsed().as_secs_f64();
        let each = took / f64::from(times);
        println!("{times} disks of {fs:?} in {took:.1} s ({each:.2} s each), 0 lost, 0 phantoms");
        home.remove()
    }

    /// Writers write for a while on a device that logs.
    fn record(
        &self,
        home: &Home,
        run: u32,
        random: &mut fastrand::Rng,
    ) -> anyhow::Result<Recorded> {
        let recorder = Recorder::start(&home.dir, self.fs.bytes());
        let recorder = recorder.needed("a block device that logs can't be made here")?;
        self.fs.make(&recorder.device).needed("a file system can't be made on a loop device")?;
        let mounted = Mounted::new(self.fs, &recorder.device, &home.dir.join("disk"));
        let mounted = mounted.needed("a loop device can't be mounted here")?;
        let writers = Writers {
            dir: mounted.at.join("data"),
            round: run,
            writers: 4,
            batches: 120,
            segment_bytes: *random.choice(&[32 << 10, 128 << 10]).unwrap_or(&(32 << 10)),
            foreground: random.bool(),
            again: Vec::new(),
            powered: false,
            bug: self.bug.clone(),
        };
        let begun_at = std::fs::metadata(&recorder.log)?.len();
        let (mut child, stdout) = writers.start()?;
        let (log, mut lens) = (recorder.log.clone(), Vec::new());
        let (note, noted) = std::sync::mpsc::channel();
        let listener = Listener::noting(stdout, move |_| {
            // What was acknowledged was flushed, and the flush logged, before this is heard.
            let _ = note.send(std::fs::metadata(&log).map_or(u64::MAX, |found| found.len()));
        });
        child.wait()?;
        let lines = listener.finish()?;
        lens.extend(noted.try_iter());
        mounted.unmount()?;
        let log = BlockLog::read(&recorder.finish()?)?;
        let failed = lines.iter().find(|line| matches!(line, Line::Failed(..)));
        anyhow::ensure!(failed.is_none(), "a writer failed: {failed:?}");
        Witness::create(&home.witness, &format!("witness-{run}"))?.keep(&lines)?;
        Ok(Recorded { log, lines: lines.into_iter().zip(lens).collect(), begun_at, writers })
    }

    /// Makes disks, and looks at each.
    fn cuts(
        &self,
        home: &Home,
        recorded: &Recorded,
        cuts: u32,
        random: &mut fastrand::Rng,
    ) -> anyhow::Result<()> {
        let begin = recorded.log.entries_at(recorded.begun_at);
        let mut moments: Vec<usize> =
            (0..cuts).map(|_| random.usize(begin..=recorded.log.len())).collect();
        moments.sort_unstable();
        let mut disk = Disk::new(&recorded.log, self.fs.bytes());
        // In memory, if the machine has such a place: it is written anew for each cut.
        let image = home.witness.join("cut.img");
        for (number, after) in moments.into_iter().enumerate() {
            write_disk(&disk.cut(after, random)?, &image)?;
            let mounted = Mounted::new(self.fs, &image, &home.dir.join("cut"));
            let what = || format!("disk {} after {after} writes", number + 1);
            let mounted = mounted.with_context(what)?;
            self.look(recorded, after, &mounted.at).with_context(what)?;
            mounted.unmount()?;
        }
        Ok(std::fs::remove_file(image)?)
    }

    /// What had been acknowledged by then is there.
    fn look(&self, recorded: &Recorded, after: usize, at: &Path) -> anyhow::Result<()> {
        let len = recorded.log.len_after(after);
        let mut model = Model::default();
        for (line, heard_at) in &recorded.lines {
            model.hear_of(line, *heard_at <= len)?;
        }
        let dir = at.join("data");
        let data = DataDir::open(&dir, recorded.writers.options())?;
        let ledger = data.create_ledger(LEDGER).context("opening it again")?;
        let found = ledger.verify(&mut |_, _| {})?;
        anyhow::ensure!(found.damage.is_empty(), "verify says {:?}", found.damage);
        model.check(&ledger, true)?;
        // And it goes on from there.
        drop((ledger, data));
        let writers = Writers { dir, round: u32::MAX, batches: 3, ..recorded.writers.clone() };
        let (mut child, stdout) = writers.start()?;
        let lines = Listener::start(stdout).finish()?;
        child.wait()?;
        let failed = lines.iter().find(|line| matches!(line, Line::Failed(..)));
        anyhow::ensure!(failed.is_none() && !lines.is_empty(), "it does not go on: {failed:?}");
        Ok(())
    }
}
