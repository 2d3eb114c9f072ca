//! What a command came to: [`Outcome`] when its type is not known, [`Done`] when it is.

use factum_domain::Refused;
use factum_store::{Position, Receipt};

/// What a command came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The domain's "no"; `None` when the command was accepted.
    pub refusal: Option<Refused>,
    /// Where it was recorded. `None` when there was nothing to record: commands are not recorded
    /// here, and it was refused or changed nothing.
    pub receipt: Option<Receipt>,
    /// Reading up to here sees all of it.
    pub position: Position,
    /// How many events of the domain it led to.
    pub events: u64,
    /// Whether this answers a retry: it was decided by an earlier request.
    pub replayed: bool,
}

/// A command that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Done(pub(crate) Outcome);

impl Done {
    /// Where it was recorded, if anything was.
    #[must_use]
    pub fn receipt(&self) -> Option<&Receipt> {
        self.0.receipt.as_ref()
    }

    /// Reading up to here sees all of it.
    #[must_use]
    pub fn position(&self) -> Position {
        self.0.position
    }

    /// How many events it led to.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.0.events
    }

    /// Whether this answers a retry.
    #[must_use]
    pub fn replayed(&self) -> bool {
        self.0.replayed
    }
}

/// What a read must have seen (G9): a [`Done`], an [`Outcome`], a [`Receipt`] or a [`Position`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Token(pub(crate) Position);

impl From<&Done> for Token {
    fn from(done: &Done) -> Self {
        Self(done.position())
    }
}

impl From<&Outcome> for Token {
    fn from(outcome: &Outcome) -> Self {
        Self(outcome.position)
    }
}

impl From<&Receipt> for Token {
    fn from(receipt: &Receipt) -> Self {
        Self(receipt.last)
    }
}

impl From<Position> for Token {
    fn from(position: Position) -> Self {
        Self(position)
    }
}
