//! The index: from terms to positions, from positions to places in the log.
//!
//! It is derived from the log and can always be built again. [`Tail`] indexes the active segment
//! in memory, [`Sealed`] is the immutable file of a sealed one; [`View`] is either, as one reader
//! sees it. Nothing here is believed without a look at the event itself.

mod dictionary;
mod filter;
mod frames;
mod gathered;
mod header;
mod pages;
mod planner;
mod postings;
mod sealed;
mod tail;
mod term;
mod tree;

#[cfg(test)]
mod planner_tests;
#[cfg(test)]
mod tests;

use factum_store::{Direction, Position, Timestamp};

pub(crate) use gathered::Gathered;
pub(crate) use header::Covered;
pub(crate) use pages::Tally;
pub use pages::{IndexCache, IndexError};
#[cfg(feature = "fuzzing")]
pub(crate) use pages::{bodies, resealed};
pub(crate) use planner::{Asked, Part, UsedItem};
pub use planner::{ItemPlan, Role, TermPlan};
pub(crate) use sealed::Sealed;
pub(crate) use tail::{Entry, Tail};
pub(crate) use term::{Indexed, Term, TermMap, push_terms};

use sealed::{SealedCursor, SealedLocator};
use tail::TailCursor;

/// Where an event lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The first position of its segment.
    pub(crate) segment: Position,
    /// Where its frame begins in the segment.
    pub(crate) offset: u64,
    /// How long its frame is, where the index knows it.
    pub(crate) bytes: Option<u32>,
    /// Which event of the frame it is, counted from 0.
    pub(crate) slot: u32,
}

/// The index of one segment as one reader sees it: no event after `upto` is there.
#[derive(Clone, Copy)]
pub(crate) enum View<'a> {
    Tail { tail: &'a Tail, upto: Position },
    Sealed { sealed: &'a Sealed, tally: &'a Tally },
}

impl<'a> View<'a> {
    pub(crate) fn first(&self) -> Position {
        match self {
            Self::Tail { tail, .. } => tail.first(),
            Self::Sealed { sealed, .. } => sealed.first(),
        }
    }

    pub(crate) fn last(&self) -> Position {
        match self {
            Self::Tail { tail, upto } => tail.last().min(*upto),
            Self::Sealed { sealed, .. } => sealed.last(),
        }
    }

    /// How many events carry a term, exactly, and the cursor over them.
    pub(crate) fn postings(&self, term: Term) -> Result<(u64, Cursor<'a>), IndexError> {
        match self {
            Self::Tail { tail, upto } => {
                let (count, cursor) = tail.postings(term, *upto);
                Ok((count, Cursor::Tail(cursor)))
            }
            Self::Sealed { sealed, tally } => {
                let (count, cursor) = sealed.postings(term, tally)?;
                Ok((count, Cursor::Sealed(Box::new(cursor))))
            }
        }
    }

    /// Finds where events lie.
    pub(crate) fn locator(&self) -> Locator<'a> {
        match self {
            Self::Tail { tail, upto } => Locator::Tail { tail, upto: *upto },
            Self::Sealed { sealed, tally } => Locator::Sealed(Box::new(sealed.locator(tally))),
        }
    }

    /// Between which two positions the last one lies that was recorded at or before a time, of
    /// which the first certainly was; `None` when all were recorded later.
    pub(crate) fn around(
        &self,
        time: Timestamp,
    ) -> Result<Option<(Position, Position)>, IndexError> {
        match self {
            Self::Tail { tail, upto } => Ok(tail.position_at(time, *upto).map(|at| (at, at))),
            Self::Sealed { sealed, tally } => sealed.around(time, tally),
        }
    }

    /// Whether a look at it may read a file.
    pub(crate) fn reads_file(&self) -> bool {
        matches!(self, Self::Sealed { .. })
    }
}

/// Walks the events that carry a term, in either direction.
pub(crate) enum Cursor<'a> {
    Tail(TailCursor),
    Sealed(Box<SealedCursor<'a>>),
}

impl Cursor<'_> {
    /// The nearest event that carries the term: at or after `target` forward, at or before it
    /// backward.
    pub(crate) fn seek(
        &mut self,
        target: Position,
        direction: Direction,
    ) -> Result<Option<Position>, IndexError> {
        match (self, direction) {
            (Self::Tail(cursor), Direction::Forward) => Ok(cursor.at_or_after(target)),
            (Self::Tail(cursor), Direction::Backward) => Ok(cursor.at_or_before(target)),
            (Self::Sealed(cursor), Direction::Forward) => cursor.at_or_after(target),
            (Self::Sealed(cursor), Direction::Backward) => cursor.at_or_before(target),
        }
    }
}

/// Finds where events lie.
pub(crate) enum Locator<'a> {
    Tail { tail: &'a Tail, upto: Position },
    Sealed(Box<SealedLocator<'a>>),
}

impl Locator<'_> {
    /// Where a position lies; `None` when it is not in this segment.
    pub(crate) fn locate(&mut self, position: Position) -> Result<Option<Place>, IndexError> {
        match self {
            Self::Tail { tail, upto } => Ok(tail.locate(position, *upto)),
            Self::Sealed(locator) => locator.locate(position),
        }
    }
}
