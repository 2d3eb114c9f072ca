//! Short soaks (G2, G6, G11, G12): of the engine, in which neither memory nor file handles grow, and of
//! the server, in which nothing is answered that is not documented.

use crate::harness::factum_crash;

#[test]
fn g12_a_mixed_load_takes_no_more_memory_and_handles_in_the_end_than_in_the_middle() {
    factum_crash(&["soak", "--minutes", "0.4"]).clean();
}

#[test]
fn g11_a_server_under_a_mixed_load_answers_as_documented() {
    factum_crash(&["soak", "--server", "--minutes", "0.3"]).clean();
}
