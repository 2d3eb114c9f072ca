//! [`HandDriven`]: a ledger without a writer's thread, so that a simulation decides when the writer
//! takes a turn, and everything happens in one order that depends on nothing but a seed.

use factum_store::{Append, AppendError, Receipt};

use crate::{
    data_dir::DataDir, error::EngineError, ledger::EngineLedger, log::remember_alone,
    writer::Writer,
};

/// Where the answer to an append arrives.
pub type Answered = oneshot::Receiver<Result<Receipt, AppendError>>;

/// A ledger whose writer is driven by hand. Dropping it without [`HandDriven::stop`] is a kill:
/// what waits is never served, and no mark of a clean stop is left.
pub struct HandDriven {
    ledger: EngineLedger,
    writer: Writer,
}

impl HandDriven {
    /// Makes a ledger, or opens it when it is there. `Options::background` must be off.
    ///
    /// # Errors
    /// As [`DataDir::create_ledger`].
    pub fn open(data: &DataDir, name: &str) -> Result<Self, EngineError> {
        remember_alone();
        data.make(name)?;
        let (dir, options, lock) = data.parts(name);
        let (ledger, writer) = EngineLedger::with_writer(&dir, options, lock)?;
        let writer = writer.ok_or(EngineError::ReadOnly(dir))?;
        data.opened(name, &ledger);
        Ok(Self { ledger, writer })
    }

    /// The ledger, to read from, to follow, and to hand appends in to: see
    /// [`EngineLedger::submit`].
    #[must_use]
    pub fn ledger(&self) -> &EngineLedger {
        &self.ledger
    }

    /// Lets the writer serve what waits now; `false` when nothing does.
    pub fn turn(&mut self) -> bool {
        if self.writer.inbox.len() == 0 {
            return false;
        }
        let waiting = self.writer.inbox.take();
        self.writer.turn(waiting);
        true
    }

    /// Serves what waits and stops cleanly.
    pub fn stop(mut self) {
        self.writer.inbox.close();
        while self.turn() {}
        self.writer.stop();
    }
}

impl EngineLedger {
    /// Hands an append in. The answer comes when the writer has served it.
    ///
    /// # Errors
    /// As [`factum_store::Ledger::append`], for what is refused before the writer sees it.
    pub fn submit(&self, append: Append) -> Result<Answered, AppendError> {
        self.hand_in(append)
    }
}
