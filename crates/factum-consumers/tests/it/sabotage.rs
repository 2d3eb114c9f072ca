//! Each deliberate bug is found by the random runs: they would find it if it were not deliberate.

use factum_consumers::{Group, Sabotage};
use proptest::test_runner::{Config, TestRunner};

use crate::random::{make, some_run};

fn is_found(adjust: fn(Group) -> Group) {
    let config = Config {
        cases: 2_000,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Config::default()
    };
    let found = TestRunner::new(config).run(&some_run(), |run| {
        make(run, adjust);
        Ok(())
    });
    assert!(found.is_err(), "nothing noticed the bug");
}

macro_rules! found {
    ($($test:ident: $bug:ident,)*) => {$(
        #[test]
        fn $test() {
            is_found(|group| group.with_sabotage(Sabotage::$bug));
        }
    )*};
}

found! {
    a_checkpoint_that_passes_what_is_not_settled: CheckpointPassesUnsettled,
    a_parked_event_that_is_not_kept: ParkedNotKept,
    a_key_that_overlaps: KeyOverlaps,
    a_parked_key_that_flows: ParkedKeyFlows,
    a_time_out_that_is_forgotten: TimeOutForgotten,
    a_settled_event_that_comes_again: DoneForgotten,
    attempts_that_are_not_counted: AttemptsNotCounted,
    an_intake_without_bounds: IntakeUnbounded,
}
