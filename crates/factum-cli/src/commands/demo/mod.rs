//! `factum demo`: an order system, run on real data, and asked three questions.
//!
//! Every write is a keyed command that is durable before the next begins (G2, G5). So the demo can
//! be killed at any moment and run again: it goes on where it stopped, and when everything is there
//! already it changes nothing and reports the same outcomes from the stored receipts.

mod actions;
mod outcomes;
mod questions;

use std::{path::PathBuf, time::Instant};

use clap::Args;
use factum::{
    App, Store,
    store::{Ledger, Query, Read},
};
use retail::Actions;

use self::outcomes::Outcomes;
use crate::{failure::Failure, open, output::Output, progress};

/// The ledger that the order system is in.
pub(crate) const LEDGER: &str = "retail";
/// The data directory, unless another is named.
pub(crate) const DIR: &str = "retail-demo";

/// Run an order system on real data: 50 products, 500 users, 1,000 orders, and what
/// customer-service agents did with them. Safe to interrupt and to run again.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum demo
  factum demo --actions test                  only those with known outcomes
  factum demo --dir shop --actions my.jsonl   your own, one a line, like this:
    {\"task\":\"t1\",\"step\":0,\"user_id\":\"james_li_5688\",\"writes\":true,\"name\":\"cancel_pending_order\",
     \"arguments\":{\"order_id\":\"#W5199551\",\"reason\":\"no longer needed\"}}   (on one line)
  factum demo --json | tail -1                the outcome as one JSON object

In the outcome, `events` is how many facts the ledger has, and `head` its last position: each
command that was decided is recorded too, beside the facts that it led to.")]
pub(crate) struct Demo {
    /// The data directory.
    #[arg(long, env = "FACTUM_DIR", default_value = DIR, value_name = "DIR")]
    dir: PathBuf,
    /// Which actions to run: all, test (the test-* tasks), or a file of JSON lines.
    #[arg(long, default_value = "all", value_name = "all|test|FILE")]
    actions: String,
}

impl Demo {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        // What is malformed is found before anything is changed.
        let actions = actions::read(&self.actions)?;
        let started = Instant::now();
        let app = application(&open::store(&self.dir)?).await?;
        let done = run(&app, &actions).await;
        let mut outcomes = match done {
            Ok(outcomes) => outcomes,
            Err(failure) => {
                app.close().await;
                return Err(failure);
            }
        };
        outcomes.seconds = started.elapsed().as_secs_f64();
        outcomes.show(output)?;
        if output.for_people() {
            questions::ask(&app, &actions, &self.dir, output).await?;
        }
        app.close().await;
        Ok(())
    }
}

/// The order system on its ledger, which is made if it is missing.
async fn application(store: &Store) -> Result<App, Failure> {
    open::create(store, LEDGER)?;
    open::app_on(store, LEDGER, retail::domain()).await
}

/// Brings the data set into its ledger, unless it is there.
pub(crate) async fn import_into(store: &Store) -> Result<(), Failure> {
    let app = application(store).await?;
    let imported = import(&app).await;
    app.close().await;
    imported
}

/// Imports the data set, with a bar.
async fn import(app: &App) -> Result<(), Failure> {
    let bar = progress::counted("importing", 0);
    let imported = retail::import(app, |progress| {
        bar.set_length(progress.of as u64);
        bar.set_position(progress.done as u64);
    });
    imported.await.map_err(open::failure)?;
    bar.finish_and_clear();
    Ok(())
}

async fn run(app: &App, actions: &Actions) -> Result<Outcomes, Failure> {
    let ledger = app.ledger().as_ref();
    let head_before = head(ledger).await?;
    import(app).await?;
    let mut outcomes = Outcomes::default();
    let bar = progress::counted("acting", actions.len() as u64);
    for action in actions {
        let before = head(ledger).await?;
        let performed = retail::perform(app, action).await.map_err(open::failure)?;
        // Nobody else writes here: what left the head where it was had been recorded before.
        let replayed = head(ledger).await? == before;
        outcomes.count(&performed, replayed);
        bar.inc(1);
    }
    bar.finish_and_clear();
    app.catch_up(|_, _| {}).await.map_err(open::failure)?;
    outcomes.head = head(ledger).await?;
    outcomes.changed = outcomes.head != head_before;
    outcomes.events = count(ledger).await?;
    Ok(outcomes)
}

async fn head(ledger: &dyn Ledger) -> Result<u64, Failure> {
    Ok(ledger.head().await.map_err(open::read_failure)?.position.0)
}

/// How many facts the ledger has, without the records of the commands that led to them.
async fn count(ledger: &dyn Ledger) -> Result<u64, Failure> {
    let mut next = Some(Read::new(Query::all()).limit(512));
    let mut count = 0;
    while let Some(read) = next.take() {
        let page = ledger.read(read).await.map_err(open::read_failure)?;
        count += page.events.len() as u64;
        next = page.next;
    }
    Ok(count)
}
