//! Every decoder with inputs that were whole and then changed by chance (G10). `make fuzz` does the
//! same with an engine that watches which code an input reaches.

use factum_engine::fuzzing as engine;
use factum_server::fuzzing as server;

/// How many inputs each decoder gets, unless `FACTUM_FUZZ` says otherwise.
const INPUTS: u32 = 50_000;

#[test]
fn g10_no_decoder_of_files_panics_or_reads_back_something_else() {
    all(engine::TARGETS.iter(), engine::seeds);
}

#[test]
fn no_decoder_of_what_clients_send_panics_or_makes_names_that_are_none() {
    all(server::targets(), server::seeds);
}

fn all<'a>(targets: impl Iterator<Item = &'a engine::Target>, seeds: fn(&str) -> Vec<Vec<u8>>) {
    let inputs = std::env::var("FACTUM_FUZZ").map_or(INPUTS, |n| n.parse().expect("a number"));
    let seed = fastrand::u64(..);
    println!("inputs from seed {seed}");
    for (name, target) in targets {
        let mut random = fastrand::Rng::with_seed(seed);
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has nothing to begin with");
        seeds.iter().for_each(|seed| target(seed));
        for number in 0..inputs {
            let input = changed(&mut random, &seeds);
            let done = std::panic::catch_unwind(|| target(&input));
            let begin = &input[..input.len().min(300)];
            assert!(done.is_ok(), "{name}, input {number} of seed {seed}: {begin:02x?}");
        }
    }
}

/// A seed with some of its bytes changed, moved, repeated, cut off or made up.
fn changed(random: &mut fastrand::Rng, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = random.choice(seeds).cloned().unwrap_or_default();
    for _ in 0..random.usize(1..6) {
        let at = random.usize(..=bytes.len());
        let upto = random.usize(at..=bytes.len().min(at + 64));
        match random.u8(..8) {
            0 => bytes.truncate(at),
            1 => bytes[at..upto].fill_with(|| random.u8(..)),
            2 => drop(bytes.drain(at..upto)),
            3 => bytes.splice(at..at, (0..upto - at).map(|_| random.u8(..))).for_each(drop),
            4 => bytes[at..upto].fill(*random.choice(&[0, 1, 0x7f, 0xff]).unwrap_or(&0)),
            5 => {
                let copy = bytes[at..upto].to_vec();
                bytes.extend(copy);
            }
            _ if at < bytes.len() => bytes[at] ^= 1 << random.u8(..8),
            _ => {}
        }
    }
    bytes
}
