//! Power cuts (G1, G2, G3): a file system of the real kernel that is shut down under load, and disks
//! as a cut between any two writes might have left them. Where the machine does not permit it, the
//! program says that it was passed over, and why.

use crate::harness::factum_crash;
#[cfg(feature = "sabotage")]
use crate::harness::with_bug;

#[test]
fn g1_g2_g3_power_cuts_lose_nothing_that_was_acknowledged_or_shown() {
    factum_crash(&["cut", "--times", "30"]).clean();
}

#[test]
fn g1_g2_g3_a_cut_between_any_two_writes_loses_nothing_that_was_acknowledged_or_shown() {
    factum_crash(&["blocks", "--times", "40"]).clean();
}

#[cfg(feature = "sabotage")]
#[test]
fn power_cuts_find_what_kill_nine_does_not() {
    // How often each is cut at most. One cut in a dozen finds the second, one in twenty the third; the
    // first find ends the run.
    for (bug, times) in
        [("AckBeforeSync", "60"), ("ShownBeforeDurable", "400"), ("DirectoryNotSynced", "400")]
    {
        with_bug(bug, &["cut", "--times", times]).finds("kept in");
    }
    // Most of what is not synced is flushed soon after: a cut has to come just before that.
    with_bug("AckBeforeSync", &["blocks", "--times", "100"]).finds("kept in");
}
