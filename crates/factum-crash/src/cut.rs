//! Power cuts by the real kernel: a file system of its own, in a file, is shut down under load
//! without its journal. What was not synced is gone, as with the power.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use factum_engine::machine::Machine as _;

use crate::{
    bug::Bug,
    child::Writers,
    line::Line,
    listener::Listener,
    machine::{Kind, Mounted, Needed as _, sparse_file},
    model::Counts,
    places::{Home, Places},
    powered::Powered,
    rounds::{Look, Rounds},
};

/// Cut the power of the writers' file system, and check what they were told.
#[derive(Args, Debug)]
pub(crate) struct Cut {
    /// How often.
    #[arg(long, default_value_t = 30)]
    times: u32,
    /// Which file system is cut.
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

/// A file system is given up for a new one after so many rounds.
const ROUNDS_A_DISK: u32 = 100;
/// After so many rounds everything is read again and verified.
const WHOLE_EVERY: u32 = 10;

impl Cut {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let (seed, fs) = (self.seed.unwrap_or_else(|| fastrand::u64(..)), self.fs);
        println!("{} power cuts of {fs:?}; the same choices again with --seed {seed}", self.times);
        let mut random = fastrand::Rng::with_seed(seed);
        let home = self.places.make("cut")?;
        if let Err(error) = self.is_possible(&home) {
            home.remove()?;
            return Err(error);
        }
        let begun = Instant::now();
        let mut counts = Counts::default();
        let mut done = 0;
        while done < self.times {
            let cuts = ROUNDS_A_DISK.min(self.times - done);
            counts.add(self.disk(&home, done, cuts, seed, &mut random)?);
            done += cuts;
        }
        println!("{counts}");
        let (times, took) = (self.times, begun.elapsed().as_secs_f64());
        let each = took / f64::from(times);
        println!(
            "{times} power cuts of {fs:?} in {took:.1} s ({each:.2} s each), 0 lost, 0 phantoms"
        );
        home.remove()
    }

    /// Tries everything that a cut takes, once.
    fn is_possible(&self, home: &Home) -> anyhow::Result<()> {
        let image = home.dir.join("try.img");
        sparse_file(&image, self.fs.bytes())?;
        let fs = self.fs;
        fs.make(&image).needed(&format!("a file system {fs:?} can't be made here"))?;
        let mounted = Mounted::new(fs, &image, &home.dir.join("try"));
        let mounted =
            mounted.needed("a file can't be mounted here (that takes root and a loop device)")?;
        let file = Powered.create(&mounted.at.join("try"))?;
        file.write_at(b"read from memory", 0)?;
        mounted.cut().needed("a file system can't be shut down here")?;
        // How it is known whether a sync ended before the cut.
        anyhow::ensure!(file.read_at(&mut [0], 0).is_err(), "it is shut down and can be read");
        drop(file);
        mounted.unmount()?;
        Ok(std::fs::remove_file(image)?)
    }

    /// Cuts the power of one file system many times.
    fn disk(
        &self,
        home: &Home,
        done: u32,
        cuts: u32,
        seed: u64,
        random: &mut fastrand::Rng,
    ) -> anyhow::Result<Counts> {
        let (image, at) = (home.dir.join("disk.img"), home.dir.join("disk"));
        sparse_file(&image, self.fs.bytes())?;
        self.fs.make(&image)?;
        let dir = at.join("data");
        let mut ledger = Rounds::new(dir, &home.witness, &format!("witness-{done}"), &self.bug)?;
        for round in 0..cuts {
            let whole = round + 1 == cuts || round % WHOLE_EVERY == WHOLE_EVERY - 1;
            let what = || format!("cut {} of seed {seed}; {}", done + round + 1, home.keep());
            let mounted = Mounted::new(self.fs, &image, &at).with_context(what)?;
            let writers = Writers { powered: true, ..ledger.writers(round, random) };
            let lines = cut(&mounted, &writers, random)?;
            mounted.unmount()?;
            let mounted = Mounted::new(self.fs, &image, &at).with_context(what)?;
            ledger.hear(&lines).with_context(what)?;
            let look = Look { whole, read_only: random.bool() };
            ledger.check(&writers, look).with_context(what)?;
            mounted.unmount()?;
        }
        std::fs::remove_file(image)?;
        Ok(ledger.counts())
    }
}

/// What writers said until the power was cut.
fn cut(
    mounted: &Mounted,
    writers: &Writers,
    random: &mut fastrand::Rng,
) -> anyhow::Result<Vec<Line>> {
    let (mut child, stdout) = writers.start()?;
    let listener = Listener::start(stdout);
    if random.u8(..) >= 30 {
        listener.wait_for_a_line();
    }
    std::thread::sleep(Duration::from_micros(random.u64(..40_000)));
    mounted.cut()?;
    // A while longer: whatever is acknowledged now was not synced.
    std::thread::sleep(Duration::from_millis(random.u64(..3)));
    child.kill()?;
    child.wait()?;
    listener.finish()
}
