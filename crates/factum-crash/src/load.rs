//! The process that a soak watches: writers, readers in both directions and subscriptions on one
//! ledger after another, each closed and opened again a few times. It must not grow.

use std::{
    path::PathBuf,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use clap::Args;
use factum_engine::{DataDir, EngineLedger};
use factum_store::{Ledger as _, Position, Query, QueryItem, Read, Signal, Subscribe, Tag};
use futures_lite::{StreamExt as _, future::block_on};

use crate::{
    bug::Bug,
    child::{LEDGER, Writers, say},
    line::Line,
    writers::{Round, Writer},
};

/// Keep a mixed load up: what `soak` starts, and watches.
#[derive(Args, Clone, Debug)]
pub(crate) struct Load {
    /// Where ledgers are made.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// For how long.
    #[arg(long)]
    pub(crate) seconds: u64,
    #[command(flatten)]
    pub(crate) bug: Bug,
}

/// A ledger is opened so often, then done with.
pub(crate) const ROUNDS: u32 = 4;
/// How long it stays open each time.
const ROUND: Duration = Duration::from_millis(1_000);
const WRITERS: u16 = 3;
/// Of so many batches some are refused, and some are not.
const BELL: u32 = 16;

impl Load {
    pub(crate) fn run(&self) -> anyhow::Result<()> {
        let end = Instant::now() + Duration::from_secs(self.seconds);
        for ledger in 0.. {
            if Instant::now() >= end {
                break;
            }
            for round in 0..ROUNDS {
                self.round(ledger, round)?;
            }
            say(Line::Done(ledger));
        }
        Ok(())
    }

    fn round(&self, number: u32, round: u32) -> anyhow::Result<()> {
        let writers = Writers {
            dir: self.dir.join(number.to_string()),
            round,
            writers: WRITERS,
            batches: u32::MAX,
            segment_bytes: 1 << 20,
            foreground: false,
            again: Vec::new(),
            powered: false,
            bug: self.bug.clone(),
        };
        let data = DataDir::open(&writers.dir, writers.options())?;
        let ledger = data.create_ledger(LEDGER)?;
        let (stop, over) = (AtomicBool::new(false), AtomicBool::new(false));
        let round = |batches| Round { number: round, batches, again: &[], stop: &stop, say: &say };
        let (all, bell) = (round(u32::MAX), round(BELL));
        std::thread::scope(|scope| {
            let writing: Vec<_> = (0..WRITERS)
                .map(|number| Writer::new(&all, number, ledger.clone()))
                .map(|writer| scope.spawn(|| writer.run()))
                .collect();
            let reading: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| follow(&ledger, &over)))
                .chain([scope.spawn(|| read(&ledger, &over))])
                .collect();
            std::thread::sleep(ROUND);
            stop.store(true, Ordering::Relaxed);
            writing.into_iter().for_each(|writer| drop(writer.join()));
            over.store(true, Ordering::Relaxed);
            stop.store(false, Ordering::Relaxed);
            // A few more batches, so that whoever waits for events wakes and sees that it is over.
            Writer::new(&bell, WRITERS, ledger.clone()).run();
            let ended = reading.into_iter().map(|reader| reader.join());
            ended
                .into_iter()
                .try_for_each(|ended| ended.map_err(|_| anyhow::anyhow!("a reader failed"))?)
        })
    }
}

/// A subscription gives every position once, in order.
fn follow(ledger: &EngineLedger, over: &AtomicBool) -> anyhow::Result<()> {
    let head = block_on(ledger.head())?.position;
    // The last thousand, and whatever comes.
    let mut last = Position(head.0.saturating_sub(1_000));
    let mut signals = ledger.subscribe(Subscribe { query: Query::everything(), after: last });
    while !over.load(Ordering::Relaxed) {
        let signal = block_on(signals.next()).context("a subscription ended")??;
        if let Signal::Event(event) = signal {
            ensure!(event.position == last.next(), "G6: after {last} comes {}", event.position);
            last = event.position;
        }
    }
    Ok(())
}

/// Pages in both directions are sorted, and of the tag that was asked for.
fn read(ledger: &EngineLedger, over: &AtomicBool) -> anyhow::Result<()> {
    let mut random = fastrand::Rng::new();
    while !over.load(Ordering::Relaxed) {
        let head = block_on(ledger.head())?.position;
        let tag: Tag = format!("n:{}", random.u64(..50)).parse()?;
        let query = Query::from(QueryItem::tags([tag.clone()]));
        let after = Position(random.u64(..=head.0));
        let page = block_on(ledger.read(Read::new(query.clone()).after(after).limit(100)))?;
        ensure!(page.events.is_sorted_by(|a, b| a.position < b.position), "a page out of order");
        let backward = Read::new(query).up_to(after).backward().limit(100);
        let back = block_on(ledger.read(backward))?;
        ensure!(back.events.is_sorted_by(|a, b| a.position > b.position), "a page out of order");
        let mut events = page.events.iter().chain(&back.events);
        ensure!(events.all(|event| event.tags.contains(&tag)), "an event without the tag");
    }
    Ok(())
}
