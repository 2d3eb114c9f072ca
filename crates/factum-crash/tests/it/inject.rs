//! Failing system calls (G1, G2, G5, G10): every eighth call of a run fails in turn, or is its last.

use crate::harness::factum_crash;

#[test]
fn g1_g2_no_failing_system_call_loses_what_was_acknowledged() {
    factum_crash(&["inject", "--every", "8"]).clean();
}
