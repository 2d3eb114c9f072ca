//! A short soak (G2, G6, G12): a mixed load, and neither memory nor file handles grow.

use crate::harness::factum_crash;

#[test]
fn g12_a_mixed_load_takes_no_more_memory_and_handles_in_the_end_than_in_the_middle() {
    factum_crash(&["soak", "--minutes", "0.4"]).clean();
}
