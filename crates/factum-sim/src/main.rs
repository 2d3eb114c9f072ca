//! `factum-sim`: runs seeds, and says how to replay the one that fails.

use clap::Parser;
use factum_sim::{Plan, simulate};

#[derive(Parser)]
struct Args {
    #[arg(long)]
    seed: Option<u64>,
    #[arg(long, default_value = "1000")]
    seeds: u64,
}
fn main() {
    let args = Args::parse();
    if let Some(seed) = args.seed {
        let o = simulate(&Plan { seed, traced: true, ..Plan::default() });
        for l in &o.trace {
            println!("{l}");
        }
        println!("{:?}", o.violation);
        return;
    }
    let mut t = factum_sim::Tally::default();
    let begun = std::time::Instant::now();
    let mut bad = 0;
    for seed in 0..args.seeds {
        let o = simulate(&Plan { seed, ..Plan::default() });
        t.merge(&o.tally);
        if let Some(v) = o.violation {
            bad += 1;
            if bad < 12 {
                println!("seed {seed}: {}", &v[..v.len().min(300)]);
            }
        }
    }
    println!("{bad} bad, {:?}\n{t}", begun.elapsed());
}
