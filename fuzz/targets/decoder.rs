//! One decoder, named by `FACTUM_TARGET`, fed by libFuzzer.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<fn(&[u8])> = LazyLock::new(|| {
    let wanted = std::env::var("FACTUM_TARGET").expect("FACTUM_TARGET names a decoder");
    let engine = factum_engine::fuzzing::TARGETS.iter();
    let mut all = engine.chain(factum_server::fuzzing::targets());
    let found = all.find(|(name, _)| *name == wanted);
    found.map(|(_, target)| *target).expect("there is no such decoder; `seeds` lists them")
});

fuzz_target!(|bytes: &[u8]| (*TARGET)(bytes));
