//! [`Finding`]: what one look found: a mark, a figure, and what to do about it.

use serde::Serialize;

/// Whether something is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mark {
    Good,
    /// It works, and will not always.
    Warning,
    /// It does not work, or what was promised does not hold.
    Bad,
}

impl Mark {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Warning => "!",
            Self::Bad => "✗",
        }
    }
}

/// What was looked at: `disk`, `space`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look(pub(super) &'static str, pub(super) &'static str);

/// What was found there.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    pub(super) area: &'static str,
    pub(super) check: &'static str,
    pub(super) mark: Mark,
    /// What there is, with its figure.
    pub(super) found: String,
    /// What to do; empty when nothing is to be done.
    #[serde(rename = "try")]
    pub(super) advice: String,
}

impl Look {
    pub(super) fn good(self, found: impl Into<String>) -> Finding {
        self.marked(Mark::Good, found, "")
    }

    pub(super) fn warning(self, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        self.marked(Mark::Warning, found, advice)
    }

    pub(super) fn bad(self, found: impl Into<String>, advice: impl Into<String>) -> Finding {
        self.marked(Mark::Bad, found, advice)
    }

    pub(super) fn marked(
        self,
        mark: Mark,
        found: impl Into<String>,
        advice: impl Into<String>,
    ) -> Finding {
        let Self(area, check) = self;
        Finding { area, check, mark, found: found.into(), advice: advice.into() }
    }
}
