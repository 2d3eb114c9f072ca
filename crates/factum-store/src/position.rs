//! Where and when an event is: [`Position`], [`Revision`], [`Timestamp`].
//!
//! Protects G3: a position is a plain count of the events before it plus one, so "every position
//! below p" is a fact one can check, and a gap is a bug one can see.

use std::fmt;

/// An event's place in its ledger: 1, 2, 3 …, without gaps, in commit order.
/// [`Position::START`] (0) is "before everything".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Position(pub u64);

impl Position {
    /// Before everything.
    pub const START: Self = Self(0);
    /// After everything: the upper bound of a read without one.
    pub const END: Self = Self(u64::MAX);

    /// The place after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The place before this one; [`Position::START`] has none and stays.
    #[must_use]
    pub fn prev(self) -> Self {
        Self(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An event's place in its stream: 0, 1, 2 …, without gaps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Revision(pub u64);

impl Revision {
    /// The place after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A moment by the ledger's clock: microseconds since 1970-01-01T00:00:00Z.
/// Within a ledger it never decreases; ties are allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(transparent))]
pub struct Timestamp {
    /// Microseconds since the Unix epoch.
    pub micros: u64,
}

impl Timestamp {
    /// From microseconds since the Unix epoch.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self { micros }
    }

    /// How many milliseconds after `earlier` this is; 0 when it is not after it.
    #[must_use]
    pub fn millis_since(self, earlier: Self) -> u64 {
        self.micros.saturating_sub(earlier.micros) / 1_000
    }
}
