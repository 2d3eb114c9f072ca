//! [`Principal`]: who asks, and what they may. There is no default one, so nothing can be asked by
//! nobody.

use std::sync::{Arc, LazyLock};

use factum_store::ByteString;

use super::{
    rights::{Right, Verb},
    tokens::is_system_ledger,
};
use crate::observe::TraceContext;

/// Who asks. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Principal {
    who: Arc<Who>,
    /// The trace that they ask as part of.
    trace: Option<Arc<TraceContext>>,
}

#[derive(Debug)]
struct Who {
    /// What the principal is called in events, keys and the audit; empty for everybody.
    name: ByteString,
    rights: Vec<Right>,
}

/// How far somebody may do something to a ledger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Not at all: to them it is not there.
    Nothing,
    /// Not this, but something else: they know that it is there.
    Otherwise,
    /// With some types and tags of events only.
    Some,
    /// Without limits.
    All,
}

static EVERYBODY: LazyLock<Arc<Who>> =
    LazyLock::new(|| Arc::new(Who { name: ByteString::new(), rights: vec![Right::everything()] }));

impl Principal {
    /// Whoever reaches a server that asks nobody who they are.
    pub(crate) fn everybody() -> Self {
        Self { who: Arc::clone(&EVERYBODY), trace: None }
    }

    /// Somebody who is known.
    pub(crate) fn new(name: impl Into<ByteString>, rights: Vec<Right>) -> Self {
        Self { who: Arc::new(Who { name: name.into(), rights }), trace: None }
    }

    /// The same, asking as part of a trace.
    pub(crate) fn within(self, trace: Option<Arc<TraceContext>>) -> Self {
        Self { trace, ..self }
    }

    /// The trace that they ask as part of.
    pub(crate) fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_deref()
    }

    pub(crate) fn name(&self) -> &ByteString {
        &self.who.name
    }

    /// Whether this may be done to that ledger, be it to some of its events only.
    pub(crate) fn may(&self, verb: Verb, ledger: &str) -> bool {
        matches!(self.extent(verb, ledger), Extent::Some | Extent::All)
    }

    /// Whether they may run this command: of a right that is limited to types, these are commands'.
    pub(crate) fn may_run(&self, command: &str, ledger: &str) -> bool {
        let named = |right: &Right| right.types.iter().any(|pattern| pattern.fits(command));
        let mut rights = self.rights(Verb::Command, ledger);
        rights.any(|right| right.types.is_empty() || named(right))
    }

    /// Whether tokens, and whatever else concerns every ledger, are theirs to change.
    pub(crate) fn may_steer(&self) -> bool {
        let everywhere = |right: &Right| right.ledgers.iter().any(|pattern| pattern.is_any());
        let rights = self.who.rights.iter();
        rights.filter(|right| right.verbs.contains(&Verb::Admin)).any(everywhere)
    }

    /// How far this may be done to that ledger.
    pub(crate) fn extent(&self, verb: Verb, ledger: &str) -> Extent {
        if is_system_ledger(ledger) {
            return match (self.may_steer(), verb) {
                (false, _) => Extent::Nothing,
                (true, Verb::Read) => Extent::All,
                (true, _) => Extent::Otherwise,
            };
        }
        let on = |verb| self.rights(verb, ledger);
        match on(verb).map(|right| !right.is_limited()).max() {
            Some(true) => Extent::All,
            Some(false) => Extent::Some,
            None if Verb::ALL.into_iter().any(|verb| on(verb).next().is_some()) => {
                Extent::Otherwise
            }
            None => Extent::Nothing,
        }
    }

    /// The rights that allow this on that ledger, limited ones too.
    pub(crate) fn rights<'a>(
        &'a self,
        verb: Verb,
        ledger: &'a str,
    ) -> impl Iterator<Item = &'a Right> + 'a {
        self.who.rights.iter().filter(move |right| right.is_for(verb, ledger))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::ACCESS_LEDGER;

    fn principal(rights: &[&str]) -> Principal {
        let rights = rights.iter().map(|right| right.parse().expect("a right")).collect();
        Principal::new("p", rights)
    }

    #[test]
    fn what_one_may_is_the_most_that_any_right_allows() {
        let p = principal(&["read on shop types a", "read on shop", "append on shop types a"]);
        assert_eq!(p.extent(Verb::Read, "shop"), Extent::All);
        assert_eq!(p.extent(Verb::Append, "shop"), Extent::Some);
        assert_eq!(p.extent(Verb::Admin, "shop"), Extent::Otherwise);
        assert_eq!(p.extent(Verb::Read, "other"), Extent::Nothing);
        assert!(!principal(&[]).may(Verb::Read, "shop"));
    }

    #[test]
    fn a_system_ledger_is_read_by_administrators_and_written_by_nobody() {
        let reader = principal(&["read,append,command on *", "admin on shop"]);
        let admin = principal(&["admin on *"]);
        for verb in Verb::ALL {
            assert_eq!(reader.extent(verb, ACCESS_LEDGER), Extent::Nothing);
            let may = verb == Verb::Read;
            assert_eq!(admin.may(verb, ACCESS_LEDGER), may);
            assert_eq!(Principal::everybody().may(verb, ACCESS_LEDGER), may);
        }
        assert!(admin.may_steer() && !reader.may_steer());
    }
}
