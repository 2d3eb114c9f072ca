//! The compiler's messages are part of the product: each case names the event and the decider or
//! fold, and says what to write instead. `TRYBUILD=overwrite cargo test` writes them anew.

#[test]
fn mistakes_are_explained_by_the_compiler() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
