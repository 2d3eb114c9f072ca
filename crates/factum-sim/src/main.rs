//! `factum-sim`: runs seeds, says what was exercised, and how to replay a seed that fails.

use std::{
    ops::Range,
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context;
use clap::Parser;
use factum_sim::{Plan, Tally, simulate};

/// Failing seeds that are named at most.
const NAMED_MAX: usize = 20;

/// Runs the real ledger on a simulated machine: faults at every corner, and a check of everything
/// that is answered. The same seed does the same things.
#[derive(Parser)]
#[command(version, about)]
struct Args {
    /// Run this one seed.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Run these seeds, the last one excluded.
    #[arg(long, value_name = "A..B", default_value = "0..20000", value_parser = range)]
    seeds: Range<u64>,
    /// Threads, each with seeds of its own.
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// Print what happens, step by step. With --seed.
    #[arg(long, requires = "seed")]
    verbose: bool,
    /// Print no progress.
    #[arg(long)]
    quiet: bool,
}

fn range(text: &str) -> anyhow::Result<Range<u64>> {
    let (from, to) = text.split_once("..").context("two numbers, as in 0..1000")?;
    let range = from.trim().parse()?..to.trim().parse()?;
    anyhow::ensure!(!range.is_empty(), "{text} holds no seed; the first number is the smaller one");
    Ok(range)
}

/// What came of the seeds so far.
#[derive(Default)]
struct Sum {
    tally: Tally,
    failed: Vec<(u64, String)>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(seed) = args.seed {
        return one(seed, args.verbose);
    }
    // A panic is a violation like others, and is told with them.
    std::panic::set_hook(Box::new(|_| {}));
    let begun = Instant::now();
    let sum = many(&args, begun);
    tell(&args.seeds, &sum, begun.elapsed())
}

fn one(seed: u64, verbose: bool) -> ExitCode {
    let mut plan = Plan::of(seed);
    plan.traced = verbose;
    let outcome = simulate(&plan);
    outcome.trace.iter().for_each(|line| println!("{line}"));
    match outcome.violation {
        None => {
            println!("seed {seed}: no violation");
            ExitCode::SUCCESS
        }
        Some(what) => {
            println!("seed {seed}: {what}");
            ExitCode::FAILURE
        }
    }
}

fn many(args: &Args, begun: Instant) -> Sum {
    let (next, sum) = (AtomicU64::new(args.seeds.start), Mutex::new(Sum::default()));
    let working = AtomicU64::new(args.jobs.max(1) as u64);
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.max(1) {
            scope.spawn(|| {
                let own = work(&next, args.seeds.end);
                let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                sum.tally.merge(&own.tally);
                sum.failed.extend(own.failed);
                working.fetch_sub(1, Ordering::Relaxed);
            });
        }
        let mut told = Instant::now();
        while working.load(Ordering::Relaxed) > 0 {
            std::thread::sleep(Duration::from_millis(20));
            if !args.quiet && told.elapsed() >= Duration::from_secs(5) {
                let done = next.load(Ordering::Relaxed).min(args.seeds.end) - args.seeds.start;
                let all = args.seeds.end - args.seeds.start;
                eprintln!("{done} of {all} seeds, {:.0} a second", rate(done, begun.elapsed()));
                told = Instant::now();
            }
        }
    });
    let mut sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
    sum.failed.sort();
    sum
}

fn work(next: &AtomicU64, end: u64) -> Sum {
    let mut sum = Sum::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return sum;
        }
        let outcome = simulate(&Plan::of(seed));
        sum.tally.merge(&outcome.tally);
        sum.failed.extend(outcome.violation.map(|what| (seed, what)));
    }
}

fn rate(seeds: u64, elapsed: Duration) -> f64 {
    seeds as f64 / elapsed.as_secs_f64().max(f64::EPSILON)
}

fn tell(seeds: &Range<u64>, sum: &Sum, elapsed: Duration) -> ExitCode {
    let (count, seconds) = (seeds.end - seeds.start, elapsed.as_secs_f64());
    print!("{}", sum.tally);
    println!("{count} seeds in {seconds:.1} s, {:.0} a second", rate(count, elapsed));
    println!("{} violations", sum.failed.len());
    for (seed, what) in sum.failed.iter().take(NAMED_MAX) {
        println!("\nseed {seed}: {what}");
        println!("  replay: cargo run --release -p factum-sim -- --seed {seed} --verbose");
    }
    if sum.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
