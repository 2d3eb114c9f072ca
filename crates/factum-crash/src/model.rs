//! What must be there: everything that writers said, and what each of the guarantees makes of it.
//!
//! * G1, G2: what was acknowledged is at its positions, byte for byte; the rest whole or not at all.
//! * G3: positions have no gap; what was shown to a reader is there; what was acknowledged before
//!   another batch was sent is before it.
//! * G4: no event that a condition excluded came in between.
//! * G5: a key has one outcome, whenever it is asked again.
//! * Nothing is there that nobody sent.

use std::{collections::HashMap, fmt};

use anyhow::{Context as _, ensure};
use factum_engine::EngineLedger;
use factum_store::{
    Ledger as _, Position, Query, QueryItem, Read, RecordedEvent, Revision, StreamName,
};
use futures_lite::future::block_on;

use crate::{
    batch::{BatchId, Kind, difference},
    line::Line,
};

/// What is known of a batch that was sent.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    /// What a guarded one was to come after.
    after: Position,
    /// The last position that was acknowledged before it was sent: it must come later.
    floor: Position,
    acknowledged: Option<(Position, Position)>,
    /// It was acknowledged before the crash that is looked at.
    promised: bool,
    /// A condition did not hold, or it was not there after a restart: it may not turn up any more.
    refused: bool,
}

/// Everything that is known of one ledger.
#[derive(Default)]
pub(crate) struct Model {
    sent: HashMap<BatchId, Sent>,
    /// The batches of the round that is being heard.
    heard: Vec<BatchId>,
    /// Keyed batches that may be sent again.
    keyed: Vec<BatchId>,
    /// The last position that was acknowledged or shown, and the same before the crash.
    known: Position,
    promised: Position,
    /// What the checked part of the ledger holds.
    kept: Kept,
    pub(crate) counts: Counts,
}

/// What a whole run came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: u64,
    pub(crate) acknowledged: u64,
    pub(crate) replayed: u64,
    pub(crate) conflicts: u64,
    /// Neither acknowledged nor refused, and there all the same.
    pub(crate) unknown_kept: u64,
    pub(crate) unknown_lost: u64,
    pub(crate) events_checked: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.replayed += other.replayed;
        self.conflicts += other.conflicts;
        self.unknown_kept += other.unknown_kept;
        self.unknown_lost += other.unknown_lost;
        self.events_checked += other.events_checked;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} batches sent, {} acknowledged, {} answered again, {} refused; of those without an \
             answer {} there and {} not; {} events compared",
            self.sent,
            self.acknowledged,
            self.replayed,
            self.conflicts,
            self.unknown_kept,
            self.unknown_lost,
            self.events_checked
        )
    }
}

/// The checked part of a ledger, position by position.
#[derive(Default)]
struct Kept {
    upto: Position,
    places: HashMap<BatchId, (Position, Position)>,
    revisions: HashMap<StreamName, Revision>,
    contested: HashMap<factum_store::Tag, Position>,
}

impl Model {
    /// Takes in what a writer said before the crash.
    pub(crate) fn hear(&mut self, line: &Line) -> anyhow::Result<()> {
        self.hear_of(line, true)
    }

    /// Takes in what a writer said, before the crash that is looked at or after it.
    pub(crate) fn hear_of(&mut self, line: &Line, before: bool) -> anyhow::Result<()> {
        match line {
            Line::Sends(batch, after) => self.sends(*batch, *after),
            Line::Acknowledged { batch, first, last, replayed } => {
                self.acknowledged(*batch, *first, *last, *replayed, before)?;
            }
            Line::Conflict(batch) => {
                self.counts.conflicts += 1;
                ensure!(batch.kind() != Kind::Expected, "{batch}: nobody else writes its stream");
                self.sent.get_mut(batch).context("a conflict of what was not sent")?.refused = true;
            }
            Line::Failed(..) | Line::Lost(_) | Line::Done(_) => {}
            Line::Saw(position) => self.known = self.known.max(*position),
        }
        if before {
            self.promised = self.known;
        }
        Ok(())
    }

    fn sends(&mut self, batch: BatchId, after: Option<Position>) {
        self.heard.push(batch);
        self.counts.sent += 1;
        let floor = self.known;
        let fresh = Sent { after: after.unwrap_or_default(), floor, ..Sent::default() };
        // Sent again under its key it may have been there before.
        self.sent.entry(batch).or_insert(fresh);
        if batch.kind() == Kind::Keyed && !self.keyed.contains(&batch) {
            self.keyed.push(batch);
        }
    }

    fn acknowledged(
        &mut self,
        batch: BatchId,
        first: Position,
        last: Position,
        replayed: bool,
        before: bool,
    ) -> anyhow::Result<()> {
        self.counts.acknowledged += u64::from(!replayed);
        self.counts.replayed += u64::from(replayed);
        let sent = self.sent.get_mut(&batch).context("an answer to what was not sent")?;
        ensure!(
            sent.acknowledged.is_none_or(|before| replayed && before == (first, last)),
            "G5: {batch} was acknowledged as {first} to {last}, replayed: {replayed}; before as \
             {:?}",
            sent.acknowledged
        );
        ensure!(
            replayed || sent.floor < first,
            "G3: {batch} was given {first} although {} had been acknowledged before it was sent",
            sent.floor
        );
        sent.acknowledged = Some((first, last));
        sent.promised |= before;
        self.known = self.known.max(last);
        Ok(())
    }

    /// Keyed batches to send again: all whose outcome is not known, and some that are old.
    pub(crate) fn send_again(&mut self, random: &mut fastrand::Rng) -> Vec<BatchId> {
        let open =
            |batch: &&BatchId| self.sent.get(batch).is_some_and(|sent| sent.acknowledged.is_none());
        let mut again: Vec<_> = self.keyed.iter().rev().take(64).filter(open).copied().collect();
        again.extend((0..3).filter_map(|_| random.choice(&self.keyed)));
        again
    }

    /// Reads what came since the last check; `whole` reads everything again.
    pub(crate) fn check(&mut self, ledger: &EngineLedger, whole: bool) -> anyhow::Result<()> {
        if whole {
            self.kept = Kept::default();
        }
        let mut next = Some(Read::new(Query::everything()).after(self.kept.upto).limit(10_000));
        let mut head = self.kept.upto;
        while let Some(read) = next {
            let page = block_on(ledger.read(read))?;
            head = page.head.position;
            self.take(&page.events)?;
            next = page.next;
        }
        ensure!(
            self.kept.upto == head,
            "G3: the head is {head}, the last event {}",
            self.kept.upto
        );
        ensure!(
            self.promised <= head,
            "G2: the head is {head}; {} was acknowledged or shown",
            self.promised
        );
        self.check_heard(ledger, whole)
    }

    /// There is no ledger: then nothing may have been acknowledged.
    pub(crate) fn check_nothing(&mut self) -> anyhow::Result<()> {
        self.heard.clear();
        ensure!(
            self.promised == Position::START,
            "G2: {} was acknowledged; there is nothing",
            self.promised
        );
        Ok(())
    }

    /// Takes in events that follow what was checked.
    fn take(&mut self, events: &[RecordedEvent]) -> anyhow::Result<()> {
        let mut rest = events;
        while let Some(first) = rest.first() {
            let batch = BatchId::of(first)?;
            let wanted = batch.events();
            let at = first.position;
            // A page may end within a batch.
            let begin = match self.kept.places.get(&batch) {
                Some((begin, end)) if end.next() == at => (at.0 - begin.0) as usize,
                Some((begin, end)) => {
                    anyhow::bail!("G5: {batch} is at {begin} to {end}, and again at {at}")
                }
                None => 0,
            };
            let here = rest.len().min(wanted.len().saturating_sub(begin));
            ensure!(here > 0, "G5: there is more of {batch} at {at} than was sent");
            for (kept, sent) in rest[..here].iter().zip(&wanted[begin..]) {
                ensure!(
                    kept.position == self.kept.upto.next(),
                    "G3: after {} comes {}",
                    self.kept.upto,
                    kept.position
                );
                if let Some(what) = difference(sent, kept) {
                    anyhow::bail!("{batch} at {}: its {what} is not what was sent", kept.position);
                }
                self.take_one(batch, kept)?;
            }
            rest = &rest[here..];
        }
        Ok(())
    }

    fn take_one(&mut self, batch: BatchId, event: &RecordedEvent) -> anyhow::Result<()> {
        let at = event.position;
        let sent =
            self.sent.get(&batch).with_context(|| format!("{batch} at {at}: nobody sent it"))?;
        ensure!(
            !sent.refused,
            "G4: {batch} is at {at} although it was refused, or was not there before"
        );
        ensure!(sent.floor < at, "G3: {batch} is at {at}, sent after {} was there", sent.floor);
        let kept = &mut self.kept;
        if let Some(place) = &event.stream {
            let next = kept.revisions.get(&place.name).map_or(Revision(0), |last| last.next());
            ensure!(
                place.revision == next,
                "{} at {at} has revision {}, not {next}",
                place.name,
                place.revision
            );
            kept.revisions.insert(place.name.clone(), next);
        }
        if batch.kind() == Kind::Guarded {
            let before = kept.contested.insert(batch.contested(), at).unwrap_or_default();
            ensure!(
                before <= sent.after,
                "G4: {batch} at {at} was to come after {} only; {before} matches",
                sent.after
            );
        }
        kept.places.entry(batch).or_insert((at, at)).1 = at;
        kept.upto = at;
        self.counts.events_checked += 1;
        Ok(())
    }

    /// What was heard since the last check: acknowledged batches are at their positions, others are
    /// whole or not there; and look-ups find them.
    fn check_heard(&mut self, ledger: &EngineLedger, whole: bool) -> anyhow::Result<()> {
        let heard = std::mem::take(&mut self.heard);
        let all: Vec<BatchId> = match whole {
            true => self.sent.keys().copied().collect(),
            false => heard.clone(),
        };
        for batch in all {
            let sent = self.sent.get(&batch).copied().unwrap_or_default();
            let place = self.kept.places.get(&batch).copied();
            match (sent.acknowledged, place) {
                (Some(acknowledged), place) => ensure!(
                    place == Some(acknowledged) || (place.is_none() && !sent.promised),
                    "G2: {batch} was acknowledged at {acknowledged:?}; there is {place:?}"
                ),
                (None, Some((first, last))) => {
                    let len = batch.events().len() as u64;
                    ensure!(last.0 + 1 - first.0 == len, "G1: {batch} is there in part");
                }
                (None, None) => {}
            }
        }
        for batch in &heard {
            let Some(sent) = self.sent.get_mut(batch).filter(|sent| sent.is_open()) else {
                continue;
            };
            match self.kept.places.contains_key(batch) {
                true => self.counts.unknown_kept += 1,
                // Under a key it may be sent again.
                false => {
                    self.counts.unknown_lost += 1;
                    sent.refused = batch.kind() != Kind::Keyed;
                }
            }
        }
        heard.iter().rev().step_by(16).try_for_each(|batch| self.look_up(ledger, *batch))
    }

    /// The index leads to a batch's first event, and the key to its receipt.
    fn look_up(&self, ledger: &EngineLedger, batch: BatchId) -> anyhow::Result<()> {
        let Some((first, last)) = self.kept.places.get(&batch).copied() else { return Ok(()) };
        let append = batch.append();
        let id = append.events[0].id.context("batches have ids")?;
        let found = block_on(ledger.event(id))?.map(|event| event.position);
        ensure!(found == Some(first), "{batch}: its id leads to {found:?}, not {first}");
        let tags = append.events[0].tags.clone();
        let query = Query::from(QueryItem::tags(tags));
        let read = Read::new(query).after(first.prev()).up_to(first);
        let found = block_on(ledger.read(read))?.events.len();
        ensure!(found == 1, "{batch}: its tags do not lead to position {first}");
        if let Some(key) = append.key {
            // Over HTTP the hash is the server's own, so that the key alone is asked for there.
            if let Ok(receipt) = block_on(ledger.receipt(key)) {
                let found = receipt.map(|receipt| (receipt.first, receipt.last));
                ensure!(found == Some((first, last)), "G5: {batch}: its key leads to {found:?}");
            }
        }
        Ok(())
    }
}

impl Sent {
    fn is_open(&self) -> bool {
        self.acknowledged.is_none() && !self.refused
    }
}
