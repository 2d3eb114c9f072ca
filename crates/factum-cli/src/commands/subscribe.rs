//! `factum subscribe`: events as they are recorded, one JSON document a line (G6).

use clap::Args;
use factum::store::{Position, Signal, Subscribe as Range};
use futures_lite::StreamExt;

use crate::{args::Place, event, failure::Failure, filter::Filter, open, output::Output};

/// Follow a ledger: every matching event once, in order, without end.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum subscribe --after 0 --until-caught-up     everything up to now
  factum subscribe --type order.placed --after 10

A data directory is held by one process at a time. To follow what a server records, ask the server:
  curl -sN -H 'Accept: text/event-stream' 'http://127.0.0.1:2113/v1/ledgers/default/events?after=0'")]
pub(crate) struct Subscribe {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    filter: Filter,
    /// Only events after this position.
    #[arg(long, default_value_t = 0, value_name = "POSITION")]
    after: u64,
    /// End when everything recorded so far was shown.
    #[arg(long)]
    until_caught_up: bool,
}

impl Subscribe {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        let store = open::store_to_read(&self.place.dir)?;
        let ledger = open::ledger(&store, &self.place.ledger)?;
        let after = Position(self.after);
        let mut signals = ledger.subscribe(Range { query: self.filter.query(), after });
        let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
        loop {
            let signal = tokio::select! {
                signal = signals.next() => signal,
                _ = &mut interrupted => return Ok(()),
            };
            match signal.transpose().map_err(open::read_failure)? {
                Some(Signal::Event(event)) => output.json(&event::to_json(&event))?,
                Some(Signal::CaughtUp(_)) if self.until_caught_up => return Ok(()),
                // Nothing more for now: whoever reads a pipe wants what there is.
                Some(Signal::CaughtUp(_) | Signal::Progress(_)) => output.flush()?,
                None => return Ok(()),
            }
        }
    }
}
