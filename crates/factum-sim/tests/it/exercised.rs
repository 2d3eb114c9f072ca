//! Seeds without a violation, in which every fault and every outcome came about.

use factum_sim::{Plan, Tally, simulate};

/// Seeds that every build runs, unless `FACTUM_SEEDS` says more.
const SEEDS: u64 = 1_000;

/// What has to happen, or the seeds prove nothing.
const EXERCISED: &[&str] = &[
    "appends: acknowledged",
    "appends: conflict",
    "appends: disk full",
    "appends: key of another request",
    "appends: outcome unknown",
    "appends: replayed",
    "appends: stream ended",
    "appends: unavailable",
    "appends after room was made",
    "audits",
    "backups",
    "backups by another process",
    "backups that failed",
    "clean stops",
    "clock jumps",
    "compactions that failed",
    "compactions: dry runs",
    "compactions: finished",
    "compactions: gone on",
    "compactions: stopped",
    "crashes",
    "crashes in a recovery",
    "events dropped",
    "fault: crash at a call",
    "fault: file torn",
    "fault: name lost",
    "fault: no room",
    "fault: read ended early",
    "fault: read failed",
    "fault: sector lost",
    "fault: sync failed",
    "fault: write failed",
    "fault: write in part",
    "first frames after a clean stop",
    "kills",
    "look-ups",
    "openings that failed",
    "power cuts",
    "reads",
    "reads that failed",
    "restores",
    "rot while open: harmless, or not met",
    "rot while open: reported as damage",
    "rot: harmless, or built again",
    "rot: reported as damage",
    "rot: the last group, unwitnessed",
    "segments rewritten",
    "segments rolled",
    "signals of subscriptions",
    "steps during a write or sync",
    "verifications",
];

#[test]
fn seeds_end_without_a_violation_and_every_fault_came_about() {
    let seeds = std::env::var("FACTUM_SEEDS").ok().and_then(|text| text.parse().ok());
    let mut tally = Tally::default();
    for seed in 0..seeds.unwrap_or(SEEDS) {
        let outcome = simulate(&Plan::of(seed));
        if let Some(what) = outcome.violation {
            panic!(
                "seed {seed}: {what}\nreplay: cargo run -p factum-sim -- --seed {seed} --verbose"
            );
        }
        tally.merge(&outcome.tally);
    }
    for what in EXERCISED {
        assert!(tally.of(what) > 0, "{what}: never happened in\n{tally}");
    }
}

#[test]
fn the_same_seed_does_the_same_things() {
    for seed in [3, 14, 15, 50, 159] {
        let mut plan = Plan::of(seed);
        plan.traced = true;
        let run = || simulate(&plan);
        let (first, again) = (run(), run());
        assert!(!first.trace.is_empty());
        assert_eq!(first.trace, again.trace, "seed {seed}");
        assert_eq!(first.tally, again.tally, "seed {seed}");
    }
}
