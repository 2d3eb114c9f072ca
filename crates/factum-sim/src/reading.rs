//! Readers: pages, look-ups, subscriptions and `verify`, each compared with the log that is known.
//! An error is an answer while a fault may come about; other data never is.

use factum_engine::{EngineLedger, machine::Machine};
use factum_store::{
    Direction, Ledger, Page, Position, Query, Read, ReadError, RecordedEvent, Timestamp,
};
use futures_lite::future::block_on;

use crate::{
    fates::{Fate, Verdict, Visible},
    follower::{Follower, Polled},
    history::Answer,
    model,
    scene::Scene,
    witness::Witness,
    workload,
};

/// A page as long as any ledger of a run.
const EVERYTHING: usize = 10_000;

/// The head that is shown now.
pub(crate) fn head_of(ledger: &EngineLedger) -> u64 {
    block_on(ledger.head()).map_or(0, |head| head.position.0)
}

/// All events after a position.
pub(crate) fn everything(
    ledger: &EngineLedger,
    after: u64,
) -> Result<(u64, Vec<RecordedEvent>), ReadError> {
    let mut next = Some(Read::new(Query::everything()).after(Position(after)).limit(EVERYTHING));
    let (mut head, mut events) = (None, Vec::new());
    while let Some(read) = next {
        // All of it up to the head that the first page was read from.
        let read = head.map_or(read.clone(), |head| read.up_to(Position(head)));
        let page = block_on(ledger.read(read))?;
        head.get_or_insert(page.head.position.0);
        events.extend(page.events);
        next = page.next;
    }
    Ok((head.unwrap_or_default(), events))
}

impl Scene {
    /// The witness reads on. `false` when it could not.
    pub(crate) fn watch(&mut self) -> bool {
        let Some(ledger) = &self.ledger else { return false };
        match everything(ledger, self.witness.head()) {
            Ok((head, events)) => {
                let known = self.witness.head();
                if head != known + events.len() as u64 {
                    let count = events.len();
                    self.note(Err(format!(
                        "the head is {head}, and after {known} there are {count} events"
                    )));
                    return false;
                }
                if head > known {
                    self.say(|_| format!("the witness reads on to {head}"));
                }
                let extended = self.witness.extend(events, &mut self.history);
                self.note(extended);
                self.shown(head)
            }
            Err(error) => {
                self.failed("the witness", &error);
                false
            }
        }
    }

    /// Somebody was shown this head.
    fn shown(&mut self, head: u64) -> bool {
        self.witness.shown = self.witness.shown.max(head);
        self.history.sights.push((head, self.step, self.step));
        true
    }

    /// Makes sure that the log is known up to a head that somebody was shown.
    fn known(&mut self, head: u64) -> bool {
        self.witness.shown = self.witness.shown.max(head);
        self.witness.head() >= head || (self.watch() && self.witness.head() >= head)
    }

    pub(crate) fn failed(&mut self, who: &str, error: &ReadError) {
        self.tally.add("reads that failed");
        self.say(|_| format!("{who} is told: {error}"));
        if !self.faulty {
            self.note(Err(format!("{who} can't read, and nothing is wrong: {error}")));
        }
    }

    pub(crate) fn read(&mut self) {
        let Some(ledger) = self.ledger.clone() else { return };
        let read = workload::read(&mut self.rng, self.witness.head());
        self.say(|_| format!("read {read:?}"));
        let before = self.machine.now();
        match block_on(ledger.read(read.clone())) {
            Err(error) => self.failed("a reader", &error),
            Ok(page) => {
                self.tally.add("reads");
                let clock = [before, self.machine.now()];
                if self.known(page.head.position.0) {
                    let checked = check_page(&read, &page, &self.witness, clock);
                    self.note(checked);
                    self.shown(page.head.position.0);
                    let client = self.rng.usize(..self.clients.len());
                    let seen = &mut self.clients[client].seen;
                    *seen = page.head.position.max(*seen);
                }
            }
        }
    }

    /// A subscriber looks, a few times; or there is another one.
    pub(crate) fn follow(&mut self) {
        let Some(ledger) = self.ledger.clone() else { return };
        if self.followers.len() < 4 && (self.followers.is_empty() || self.rng.u8(..6) == 0) {
            let after = Position(self.rng.u64(..=self.witness.head()));
            let query = workload::query(&mut self.rng);
            self.say(|_| format!("a subscription after {after} to {query:?}"));
            self.followers.push(Follower::new(query, after));
        }
        let which = self.rng.usize(..self.followers.len());
        for _ in 0..self.rng.usize(1..12) {
            let now = || self.machine.now();
            match self.followers[which].poll(&ledger, now, self.step) {
                Polled::Pending => return,
                Polled::Ended(error) => {
                    let error = error.unwrap_or(ReadError::Unavailable("it ended".into()));
                    return self.failed("a subscriber", &error);
                }
                Polled::Said(signal) => {
                    self.tally.add("signals of subscriptions");
                    let upto = match &signal {
                        factum_store::Signal::Event(event) => event.position.0,
                        factum_store::Signal::CaughtUp(head) => head.position.0,
                        factum_store::Signal::Progress(upto) => upto.0,
                    };
                    // It may have looked at all that is there.
                    if !self.known(upto.max(head_of(&ledger))) {
                        return self.followers[which].leave();
                    }
                    let checked = self.followers[which].check(&signal, &self.witness, self.step);
                    self.note(checked);
                    if self.violation.is_some() {
                        return;
                    }
                }
            }
        }
    }

    /// By id, by key, by time.
    pub(crate) fn look_up(&mut self) {
        let Some(ledger) = self.ledger.clone() else { return };
        if !self.known(head_of(&ledger)) || self.witness.log.is_empty() {
            return;
        }
        self.tally.add("look-ups");
        let at = self.rng.usize(..self.witness.log.len());
        let event = self.witness.log[at].clone();
        let answer = match self.rng.u8(..4) {
            0 => self.by_id(&ledger, &event),
            1 => self.by_time(&ledger, event.recorded_at),
            2 => self.by_name(&ledger),
            _ => self.by_key(&ledger),
        };
        match answer {
            Ok(checked) => self.note(checked),
            Err(error) => self.failed("a look-up", &error),
        }
    }

    /// An event that was dropped is answered with nothing.
    fn by_id(
        &self,
        ledger: &EngineLedger,
        event: &RecordedEvent,
    ) -> Result<Result<(), String>, ReadError> {
        let found = block_on(ledger.event(event.id))?;
        let fits = match self.witness.fates.of(event.position) {
            Fate::Kept => found.as_ref() == Some(event),
            Fate::MayBeGone => found.as_ref().is_none_or(|found| found == event),
            Fate::Gone { .. } => found.is_none(),
        };
        let what = || format!("the event {event:?} is answered with {found:?}");
        Ok(if fits { Ok(()) } else { Err(what()) })
    }

    /// What a stream is, and what is kept of it.
    fn by_name(&mut self, ledger: &EngineLedger) -> Result<Result<(), String>, ReadError> {
        let stream = workload::any_stream(&mut self.rng);
        let found = block_on(ledger.stream(stream.clone()))?;
        let expected = model::info(&self.witness.log, &stream);
        let what = || format!("the stream {stream} is {found:?}, not {expected:?}");
        Ok(if found == expected { Ok(()) } else { Err(what()) })
    }

    fn by_time(
        &self,
        ledger: &EngineLedger,
        time: Timestamp,
    ) -> Result<Result<(), String>, ReadError> {
        let found = block_on(ledger.position_at(time))?;
        let expected = self.witness.log.partition_point(|event| event.recorded_at <= time) as u64;
        let same = found.0 == expected;
        let what = || format!("the position at {time:?} is {expected}, not {found}");
        Ok(if same { Ok(()) } else { Err(what()) })
    }

    fn by_key(&mut self, ledger: &EngineLedger) -> Result<Result<(), String>, ReadError> {
        let request = self.rng.usize(..self.history.requests.len());
        let Some(key) = self.history.requests[request].append.key.clone() else {
            return Ok(Ok(()));
        };
        let holder = self.witness.holder(&key);
        let found = match block_on(ledger.receipt(key)) {
            Err(factum_store::AppendError::KeyReused { position, .. }) => Err(position.0),
            Err(error) => return Err(ReadError::Unavailable(error.to_string())),
            Ok(receipt) => Ok(receipt.map(|receipt| receipt.first.0)),
        };
        let placed = |holder: usize| self.history.requests[holder].placed;
        let same = match (holder, found) {
            (None, found) => found == Ok(None),
            (Some(holder), Ok(first)) => holder == request && first == placed(holder),
            (Some(holder), Err(first)) => holder != request && Some(first) == placed(holder),
        };
        let what = || format!("the key of request {request} is answered with {found:?}");
        Ok(if same { Ok(()) } else { Err(what()) })
    }

    pub(crate) fn verify(&mut self) {
        let Some(ledger) = self.ledger.clone() else { return };
        self.tally.add("verifications");
        match ledger.verify(&mut |_, _| {}) {
            Ok(found) if found.damage.is_empty() || self.faulty => {}
            Ok(found) => {
                self.note(Err(format!("verify finds damage that is not there: {found:?}")));
            }
            Err(error) if self.faulty => self.say(|_| format!("verify says: {error}")),
            Err(error) => self.note(Err(format!("verify fails: {error}"))),
        }
    }

    /// Every acknowledgement names what is in the log.
    pub(crate) fn receipts(&self) -> Result<(), String> {
        for attempt in &self.history.attempts {
            let Answer::Yes(receipt) = &attempt.answer else { continue };
            let request = attempt.request;
            let placed = self.history.requests[request].placed;
            let (first, last) = (receipt.first.0 as usize, receipt.last.0 as usize);
            let found = self.witness.log.get(first.wrapping_sub(1)..last);
            let ids = found.map(|events| events.iter().map(|e| e.id).collect::<Vec<_>>());
            let count = self.history.requests[request].append.events.len();
            let time = found.and_then(|events| events.first()).map(|event| event.recorded_at);
            if placed != Some(receipt.first.0)
                || ids.as_ref() != Some(&receipt.ids)
                || receipt.ids.len() != count
                || time != Some(receipt.recorded_at)
            {
                return Err(format!(
                    "request {request} was acknowledged at {first} to {last}, and is at {placed:?}"
                ));
            }
        }
        Ok(())
    }
}

/// A page is the first of what the query shows in its range, up to the head that it reports and
/// while the clock is between two times, and its `next` asks for the rest.
pub(crate) fn check_page(
    read: &Read,
    page: &Page,
    witness: &Witness,
    clock: [Timestamp; 2],
) -> Result<(), String> {
    let head = page.head.position.0;
    let Some(prefix) = witness.log.get(..head as usize) else {
        return Err(format!("a page is of head {head}, and the ledger has {}", witness.head()));
    };
    let Witness { log, fates, .. } = witness;
    let visible = Visible::of(&read.query, log, fates, head..=head, clock, u64::MAX);
    let rest = page.next.as_ref().map_or(Vec::new(), |next| within(next, prefix));
    let mut shown = page.events.iter().peekable();
    for event in within(read, prefix) {
        let is_shown = shown.next_if(|shown| *shown == event).is_some();
        let is_left = rest.first().is_some_and(|first| first.position == event.position);
        if is_left {
            break;
        }
        match (visible.verdict(event), is_shown) {
            (Verdict::Must, false) | (Verdict::Never, true) => {
                let (at, verdict) = (event.position, visible.verdict(event));
                return Err(format!("{read:?} at head {head}, {verdict:?} show {at}: {page:?}"));
            }
            _ => {}
        }
    }
    let same = |next: &Read| (&next.query, next.direction) == (&read.query, read.direction);
    if shown.next().is_some() || page.events.len() > read.limit {
        return Err(format!("{read:?} at head {head} is answered with {:?}", page.events));
    }
    if !page.next.as_ref().is_none_or(same) || !within(read, prefix).ends_with(&rest) {
        return Err(format!("{read:?} at head {head} goes on with {:?}", page.next));
    }
    if let Some(last) = prefix.last()
        && last.recorded_at != page.head.recorded_at
    {
        return Err(format!("the head {head} has another time than its event"));
    }
    Ok(())
}

/// The events of a read's range, in its order.
fn within<'a>(read: &Read, log: &'a [RecordedEvent]) -> Vec<&'a RecordedEvent> {
    let within =
        |event: &&RecordedEvent| event.position > read.after && event.position <= read.up_to;
    match read.direction {
        Direction::Forward => log.iter().filter(within).collect(),
        Direction::Backward => log.iter().rev().filter(within).collect(),
    }
}
