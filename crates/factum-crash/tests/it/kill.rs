//! kill -9 (G1 to G5): the engine's own process, a few dozen times.

use crate::harness::factum_crash;
#[cfg(feature = "sabotage")]
use crate::harness::with_bug;

#[test]
fn g1_g2_g3_g4_g5_kill_nine_loses_nothing_acknowledged_and_shows_nothing_that_nobody_sent() {
    factum_crash(&["kill", "--times", "60"]).clean();
}

/// Without the sync before the acknowledgement kill -9 finds nothing: `cut` does.
#[cfg(feature = "sabotage")]
#[test]
fn kill_nine_finds_deliberate_bugs() {
    for (bug, found) in [
        ("PositionReused", "kept in"),
        ("KeyNotChecked", "G5"),
        ("ConditionOutsideGroup", "G4"),
        ("IndexEntryDropped", "kept in"),
    ] {
        with_bug(bug, &["kill", "--times", "200"]).finds(found);
    }
}
