//! [`Principal`]: who asks. There is no default one, so nothing can be asked by nobody.

use factum_store::ByteString;

/// What is done to a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    /// Append events.
    Append,
    /// Read events, views, folds and what there is.
    Read,
    /// Run commands.
    Command,
    /// Create and delete ledgers, compact, back up, steer.
    Admin,
}

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    /// What the principal is called in events, keys and the audit; empty for everybody.
    name: ByteString,
}

impl Principal {
    /// Whoever reaches a server that asks nobody who they are.
    pub(crate) fn everybody() -> Self {
        Self { name: ByteString::new() }
    }

    pub(crate) fn name(&self) -> &ByteString {
        &self.name
    }

    /// Whether this may be done to that ledger.
    pub(crate) fn may(&self, _verb: Verb, _ledger: &str) -> bool {
        true
    }
}
