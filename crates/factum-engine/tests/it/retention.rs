//! Retention: what the suite of the port can't say of it, and that the suite bites.

/// The suite notices when what it looks for is broken.
#[cfg(feature = "sabotage")]
mod sabotaged {
    use std::{path::Path, sync::Arc};

    use factum_engine::{DataDir, Options, Sabotage, machine::SimulatedMachine};
    use factum_store::conformance;

    use crate::ledger::options;

    fn suite(bug: Sabotage) {
        conformance::ledger(&|| {
            let machine = SimulatedMachine::new(7);
            let options = Options { sabotage: Some(bug), ..options(&machine) };
            let data = DataDir::open(Path::new("/data"), options).unwrap();
            Arc::new(data.create_ledger("l").unwrap())
        });
    }

    fn noticed(bug: Sabotage) {
        let caught = std::panic::catch_unwind(|| suite(bug));
        assert!(caught.is_err(), "the deliberate bug was not caught");
    }

    #[test]
    fn a_hidden_event_that_is_shown_is_noticed() {
        noticed(Sabotage::HiddenShown);
    }

    #[test]
    fn a_tombstone_that_is_not_heeded_is_noticed() {
        noticed(Sabotage::TombstoneIgnored);
    }
}
