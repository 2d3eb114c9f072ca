//! What came of the actions: counted, and shown as a table or as one JSON object.

use std::collections::BTreeMap;

use retail::Performed;
use serde_json::json;

use crate::{
    failure::Failure,
    output::{Output, grouped},
};

/// What came of the actions.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    accepted: u64,
    refused_by_reason: BTreeMap<String, u64>,
    lookups: u64,
    skipped: u64,
    replayed: u64,
    /// The facts in the ledger that came from this data; the records of commands not counted.
    pub(super) events: u64,
    /// The ledger's last position: facts and records of commands.
    pub(super) head: u64,
    /// Whether this run recorded anything.
    pub(super) changed: bool,
    pub(super) seconds: f64,
}

impl Outcomes {
    /// Counts what came of one action; `replayed`: an earlier run had done it.
    pub(super) fn count(&mut self, performed: &Performed, replayed: bool) {
        match performed {
            Performed::Accepted => self.accepted += 1,
            Performed::Refused(reason) => {
                *self.refused_by_reason.entry(reason.clone()).or_default() += 1;
            }
            Performed::Answered(_) => self.lookups += 1,
            Performed::Skipped => self.skipped += 1,
        }
        let wrote = matches!(performed, Performed::Accepted | Performed::Refused(_));
        self.replayed += u64::from(wrote && replayed);
    }

    fn refused(&self) -> u64 {
        self.refused_by_reason.values().sum()
    }

    fn writes(&self) -> u64 {
        self.accepted + self.refused()
    }

    fn actions(&self) -> u64 {
        self.writes() + self.lookups + self.skipped
    }

    pub(super) fn show(&self, output: &mut Output) -> Result<(), Failure> {
        if output.for_people() { self.table(output) } else { self.json(output) }
    }

    fn json(&self, output: &mut Output) -> Result<(), Failure> {
        Ok(output.json(&json!({
            "actions": self.actions(), "writes": self.writes(), "accepted": self.accepted,
            "refused": self.refused(), "refused_by_reason": self.refused_by_reason,
            "lookups": self.lookups, "skipped": self.skipped, "replayed": self.replayed,
            "changed": self.changed, "events": self.events, "head": self.head,
            "seconds": self.seconds,
        }))?)
    }

    fn table(&self, output: &mut Output) -> Result<(), Failure> {
        let row = |what: &str, number: u64| [what.to_owned(), grouped(number)];
        let mut rows = vec![
            row("actions", self.actions()),
            row("  looked something up", self.lookups),
            row("  passed over", self.skipped),
            row("  decided", self.writes()),
            row("    accepted", self.accepted),
            row("    refused", self.refused()),
        ];
        for (reason, number) in &self.refused_by_reason {
            rows.push(row(&format!("      {reason}"), *number));
        }
        rows.push(row("facts in the ledger", self.events));
        rows.push(row("with the records of commands", self.head));
        output.table(["what happened", "number"], rows)?;
        output.line(self.sentence())?;
        Ok(())
    }

    fn sentence(&self) -> String {
        let seconds = self.seconds;
        if !self.changed {
            return format!(
                "All of it was there already: nothing was recorded, and each outcome above is the \
                 stored one ({seconds:.1} s)."
            );
        }
        let again = match self.replayed {
            0 => String::new(),
            n => format!(" {} of them had been decided by an earlier run.", grouped(n)),
        };
        format!("Each decision was on disk before the next one began ({seconds:.1} s).{again}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_add_up() {
        let mut outcomes = Outcomes::default();
        outcomes.count(&Performed::Accepted, false);
        outcomes.count(&Performed::Accepted, true);
        outcomes.count(&Performed::Refused("no".into()), true);
        outcomes.count(&Performed::Refused("no".into()), false);
        outcomes.count(&Performed::Answered(None), true);
        outcomes.count(&Performed::Skipped, true);
        assert_eq!((outcomes.actions(), outcomes.writes()), (6, 4));
        assert_eq!((outcomes.accepted, outcomes.refused(), outcomes.replayed), (2, 2, 2));
        assert_eq!(outcomes.refused_by_reason["no"], 2);
    }
}
