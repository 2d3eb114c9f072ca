//! Random runs.

use factum_consumers::{Group, Nack, Pick};
use factum_store::Position;
use proptest::{collection::vec, prelude::*};

use crate::world::{Step, World};

/// A run: the events' keys, and what happens.
pub(crate) type Run = (Vec<Vec<u8>>, Vec<Step>);

pub(crate) fn some_run() -> impl Strategy<Value = Run> {
    let keys = prop_oneof![
        1 => Just(vec![]),
        4 => (0..5_u8).prop_map(|key| vec![key]),
        1 => (0..5_u8, 0..5_u8).prop_filter("differ", |(a, b)| a != b).prop_map(|(a, b)| vec![a, b]),
    ];
    (vec(keys, 1..40), vec(some_step(), 1..120))
}

fn some_step() -> impl Strategy<Value = Step> {
    let nack =
        prop_oneof![Just(Nack::Retry), (0..30_u64).prop_map(Nack::RetryAfter), Just(Nack::Park)];
    let pick = || {
        prop_oneof![
            2 => (1..100_u64).prop_map(|at| Pick::At(Position(at))),
            2 => (0..5_u8).prop_map(|key| Pick::Key(format!("k:{key}"))),
            1 => Just(Pick::All),
        ]
    };
    prop_oneof![
        8 => (1..6_usize, any::<bool>()).prop_map(|(events, between)| Step::Offer { events, between }),
        10 => (0..3_u8, 1..5_usize).prop_map(|(consumer, max)| Step::Draw { consumer, max }),
        12 => (0..6_usize).prop_map(Step::Ack),
        5 => (0..6_usize, nack).prop_map(|(back, then)| Step::Nack(back, then)),
        1 => (0..6_usize).prop_map(Step::Extend),
        1 => (0..6_usize).prop_map(Step::GiveBack),
        1 => (0..6_usize).prop_map(Step::Gone),
        5 => (0..120_u64).prop_map(Step::Pass),
        3 => Just(Step::Write),
        2 => Just(Step::Crash),
        3 => pick().prop_map(Step::Requeue),
        2 => pick().prop_map(Step::Skip),
        1 => Just(Step::Pause),
        2 => Just(Step::Resume),
        1 => (1..4_usize, 1..8_usize)
            .prop_map(|(parked_max, held_max)| Step::SetPace { parked_max, held_max }),
        1 => (0..20_usize).prop_map(Step::Reset),
    ]
}

/// Makes a run with a group that `adjust` has made something of.
pub(crate) fn make((keys, steps): Run, adjust: fn(Group) -> Group) {
    let mut world = World::new(keys, adjust);
    steps.iter().for_each(|step| world.step(step));
    world.finish();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_group_does_what_the_oracle_says_whatever_happens(run in some_run()) {
        make(run, |group| group);
    }
}
