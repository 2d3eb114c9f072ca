//! `factum read`: events that were recorded, as a table or as JSON.

use clap::Args;
use factum::{
    AsOf,
    store::{Direction, Head, Ledger, Position, Read as Range, RecordedEvent},
};
use serde::Serialize;

use crate::{
    args::{Place, moment},
    event,
    failure::Failure,
    filter::Filter,
    open,
    output::{Format, Output, count, grouped},
};

/// How many events a table or one JSON document shows when nobody says how many.
const LIMIT: usize = 50;
/// How many are read at a time.
const PAGE: usize = 512;

/// Read recorded events.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  factum read --limit 10
  factum read --backward --limit 1                     the newest
  factum read --type order.placed --tag 'user:ann'     of this type and with this tag
  factum read --tag 'order:#W123' --as-of 2026-01-31T12:00:00Z
  factum read --jsonl --system > everything.jsonl      one JSON document a line, commands too
  factum read --read-only --after 5000                 what is intact behind damage")]
pub(crate) struct Read {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    filter: Filter,
    /// Only events after this position.
    #[arg(long, default_value_t = 0, value_name = "POSITION")]
    after: u64,
    /// Only events up to this position.
    #[arg(long, value_name = "POSITION", conflicts_with = "as_of")]
    up_to: Option<u64>,
    /// Only what was recorded at this position or time (RFC 3339).
    #[arg(long, value_name = "POSITION|TIME", value_parser = moment)]
    as_of: Option<AsOf>,
    /// Newest first.
    #[arg(long)]
    backward: bool,
    /// At most this many [default: all with --jsonl, else 50].
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// One JSON document a line, and nothing else.
    #[arg(long)]
    pub(crate) jsonl: bool,
    /// Take no lock and write nothing; of a damaged ledger, read what is intact.
    #[arg(long)]
    read_only: bool,
}

impl Read {
    pub(crate) async fn run(self, output: &mut Output) -> Result<(), Failure> {
        let store = match self.read_only {
            true => open::store_as_it_is(&self.place.dir)?,
            false => open::store_to_read(&self.place.dir)?,
        };
        let ledger = open::ledger(&store, &self.place.ledger)?;
        let limit = match (self.limit, output.format()) {
            (Some(limit), _) => limit,
            (None, Format::JsonLines) => usize::MAX,
            (None, _) => LIMIT,
        };
        let range = self.range(&*ledger).await?;
        let events = Events { next: Some(range), left: limit, head: Head::default() };
        match output.format() {
            Format::JsonLines => events.lines(&*ledger, output).await,
            Format::Json => events.document(&*ledger, output).await,
            Format::People => events.table(&*ledger, output).await,
        }
    }

    async fn range(self, ledger: &dyn Ledger) -> Result<Range, Failure> {
        let up_to = match self.as_of {
            Some(AsOf::Position(position)) => position,
            Some(AsOf::Time(time)) => ledger.position_at(time).await.map_err(open::read_failure)?,
            None => self.up_to.map_or(Position::END, Position),
        };
        let range = Range::new(self.filter.query()).after(Position(self.after)).up_to(up_to);
        Ok(if self.backward { range.backward() } else { range })
    }
}

/// What is still to be read.
struct Events {
    next: Option<Range>,
    left: usize,
    head: Head,
}

impl Events {
    /// The next events; empty when there are no more or enough were read.
    async fn page(&mut self, ledger: &dyn Ledger) -> Result<Vec<RecordedEvent>, Failure> {
        while self.left > 0 {
            let Some(range) = self.next.take() else { break };
            let range = range.limit(self.left.min(PAGE));
            let page = ledger.read(range).await.map_err(open::read_failure)?;
            self.next = page.next;
            self.head = page.head;
            self.left -= page.events.len().min(self.left);
            if !page.events.is_empty() {
                return Ok(page.events);
            }
        }
        Ok(Vec::new())
    }

    async fn lines(mut self, ledger: &dyn Ledger, output: &mut Output) -> Result<(), Failure> {
        loop {
            let events = self.page(ledger).await?;
            if events.is_empty() {
                return Ok(());
            }
            for event in &events {
                output.json(&event::to_json(event))?;
            }
        }
    }

    async fn all(&mut self, ledger: &dyn Ledger) -> Result<Vec<RecordedEvent>, Failure> {
        let mut all = Vec::new();
        loop {
            let events = self.page(ledger).await?;
            if events.is_empty() {
                return Ok(all);
            }
            all.extend(events);
        }
    }

    /// Where a further read goes on, if this one ended before the end of its range.
    fn more(&self) -> Option<String> {
        self.next.as_ref().map(|next| match next.direction {
            Direction::Forward => format!("--after {}", next.after),
            Direction::Backward => format!("--backward --up-to {}", next.up_to),
        })
    }

    async fn document(mut self, ledger: &dyn Ledger, output: &mut Output) -> Result<(), Failure> {
        let events = self.all(ledger).await?;
        let (head, more) = (self.head.position, self.more());
        let events = events.iter().map(event::to_json).collect();
        Ok(output.json(&EventsJson { events, head, more })?)
    }

    async fn table(mut self, ledger: &dyn Ledger, output: &mut Output) -> Result<(), Failure> {
        let events = self.all(ledger).await?;
        output.table(
            ["position", "recorded at", "type", "tags", "data"],
            events.iter().map(|event| {
                [
                    event.position.to_string(),
                    factum_server::json::time(event.recorded_at),
                    event.event_type.to_string(),
                    event.tags.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
                    event::summary(event),
                ]
            }),
        )?;
        let shown = count(events.len() as u64, "event");
        let head = grouped(self.head.position.0);
        let more = self.more().map(|more| format!("; there are more: {more}")).unwrap_or_default();
        Ok(output.note(format!("{shown}; the head is at {head}{more}"))?)
    }
}

/// One JSON document: some events, the head, and how to go on.
#[derive(Serialize)]
struct EventsJson<E> {
    events: Vec<E>,
    head: Position,
    more: Option<String>,
}
