//! One ledger over many rounds: writers are started and crashed, and what they heard is compared
//! with what is there.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use factum_engine::{DataDir, EngineError, EngineLedger};

use crate::{
    bug::Bug,
    child::{LEDGER, Writers},
    line::Line,
    model::{Counts, Model},
    witness::Witness,
};

/// A ledger whose writers crash.
pub(crate) struct Rounds {
    dir: PathBuf,
    witness: Witness,
    model: Model,
    bug: Bug,
}

/// How closely what is left is looked at.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    /// Read everything again and verify it, not only what came since.
    pub(crate) whole: bool,
    /// Write nothing: the next writers recover from what the crash left.
    pub(crate) read_only: bool,
}

impl Rounds {
    /// A ledger that will be in `dir`, and its witness elsewhere.
    pub(crate) fn new(dir: PathBuf, witness: &Path, name: &str, bug: &Bug) -> anyhow::Result<Self> {
        let witness = Witness::create(witness, name)?;
        Ok(Self { dir, witness, model: Model::default(), bug: bug.clone() })
    }

    /// The writers of a round, as chance has them.
    pub(crate) fn writers(&mut self, number: u32, random: &mut fastrand::Rng) -> Writers {
        Writers {
            dir: self.dir.clone(),
            round: number,
            writers: random.u16(1..=8),
            batches: u32::MAX,
            segment_bytes: *random.choice(&[32 << 10, 128 << 10, 1 << 20]).unwrap_or(&(1 << 20)),
            foreground: random.u8(..) < 40,
            again: self.model.send_again(random),
            powered: false,
            bug: self.bug.clone(),
        }
    }

    /// Takes in what writers heard before they crashed. It is safe before anything is opened.
    pub(crate) fn hear(&mut self, lines: &[Line]) -> anyhow::Result<()> {
        self.witness.keep(lines)?;
        lines.iter().try_for_each(|line| self.model.hear(line))
    }

    /// Opens what is left and compares it with what was heard.
    pub(crate) fn check(&mut self, writers: &Writers, look: Look) -> anyhow::Result<()> {
        let ledger = match look.read_only {
            true => existing(writers).context("opening it for reading")?,
            false => {
                let data = DataDir::open(&self.dir, writers.options())?;
                Some(data.create_ledger(LEDGER).context("opening it again")?)
            }
        };
        // It may have crashed before there was anything.
        let Some(ledger) = ledger else { return self.model.check_nothing() };
        if look.whole {
            let found = ledger.verify(&mut |_, _| {})?;
            // What was never acknowledged and an index that is built again are no damage, but only
            // who may write puts them right.
            anyhow::ensure!(
                look.read_only || found.damage.is_empty(),
                "verify says {:?}",
                found.damage
            );
        }
        self.model.check(&ledger, look.whole)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.model.counts
    }

    /// Removes the ledger and its witness: nothing was found.
    pub(crate) fn remove(self) -> anyhow::Result<Counts> {
        std::fs::remove_dir_all(&self.dir)?;
        std::fs::remove_file(&self.witness.path)?;
        Ok(self.model.counts)
    }
}

/// The ledger for reading only, if there is one already.
fn existing(writers: &Writers) -> anyhow::Result<Option<EngineLedger>> {
    let data = match DataDir::open_read_only(&writers.dir, writers.options()) {
        Err(EngineError::NotADataDirectory(_)) => return Ok(None),
        Err(EngineError::Io { .. }) if !writers.dir.exists() => return Ok(None),
        opened => opened?,
    };
    let made =
        writers.dir.join("ledgers").exists() && data.ledgers()?.iter().any(|name| name == LEDGER);
    made.then(|| data.ledger(LEDGER)).transpose().map_err(Into::into)
}
