//! Clients: what they ask, and whether what they are answered may be answered.

use factum_store::{AppendError, Conflict, Position, Receipt, RecordedEvent, Revision, StreamName};

use crate::{
    fates::Fate,
    history::{Answer, Attempt},
    model::{self, Broken},
    scene::Scene,
    workload,
};

impl Scene {
    /// A client that waits for nothing asks for something: new, or again.
    pub(crate) fn submit(&mut self) {
        let which = self.rng.usize(..self.clients.len());
        let Some(ledger) = self.ledger.clone() else { return };
        if self.clients[which].waiting.is_some() {
            return;
        }
        let request = match self.clients[which].again.take() {
            Some(again) => again,
            None => self.request(which),
        };
        let append = self.history.requests[request].append.clone();
        let attempt = self.history.attempt(request, self.step);
        self.say(|_| format!("client {which} appends request {request}: {append:?}"));
        self.tally.add("appends");
        match ledger.submit(append) {
            Ok(answered) => self.clients[which].waiting = Some((attempt, answered)),
            Err(error) => self.answered(which, attempt, Err(error)),
        }
    }

    fn request(&mut self, which: usize) -> usize {
        let (number, seen) = (self.history.requests.len(), self.clients[which].seen);
        let witness = &self.witness;
        let ends = |stream: &StreamName| witness.revision(stream);
        let conditions = workload::conditions(&mut self.rng, seen, &ends);
        let append = workload::append(&mut self.rng, number, conditions, &ends);
        self.history.request(append)
    }

    /// Takes the answers that have come.
    pub(crate) fn collect(&mut self) {
        for which in 0..self.clients.len() {
            let Some((attempt, answered)) = self.clients[which].waiting.take() else { continue };
            match answered.try_recv() {
                Ok(answer) => self.answered(which, attempt, answer),
                Err(_) => self.clients[which].waiting = Some((attempt, answered)),
            }
        }
        // Answers of earlier groups come in any order with it.
        if self.failing {
            self.failed_at.get_or_insert(self.witness.shown);
        }
    }

    fn answered(&mut self, which: usize, attempt: usize, answer: Result<Receipt, AppendError>) {
        let Attempt { request, invoked, .. } = self.history.attempts[attempt];
        self.say(|_| match &answer {
            Ok(receipt) => format!(
                "client {which}: request {request} is at {} to {}{}",
                receipt.first,
                receipt.last,
                if receipt.replayed { ", again" } else { "" }
            ),
            Err(error) => format!("client {which}: request {request}: {error}"),
        });
        self.history.attempts[attempt].responded = self.step;
        let keyed = self.history.requests[request].append.key.is_some();
        match answer {
            Ok(receipt) => {
                self.clients[which].seen = self.clients[which].seen.max(receipt.last);
                if keyed && self.rng.u8(..4) == 0 {
                    self.clients[which].again = Some(request);
                }
                let checked = self.check_receipt(request, &receipt);
                self.witness.shown = self.witness.shown.max(receipt.last.0);
                self.history.attempts[attempt].answer = Answer::Yes(receipt);
                self.note(checked);
            }
            Err(AppendError::OutcomeUnknown(_)) => {
                self.tally.add("appends: outcome unknown");
                self.history.attempts[attempt].responded = u64::MAX;
                self.history.attempts[attempt].answer = Answer::Unknown;
                self.failing = true;
                // Only a key makes it safe to try again.
                self.clients[which].again = keyed.then_some(request);
            }
            Err(error) => {
                let checked = self.check_error(which, request, invoked, &error);
                self.history.attempts[attempt].answer = Answer::No;
                self.note(checked);
                if self.history.requests[request].placed.is_some()
                    && !self.history.may_exist(request)
                {
                    self.note(Err(format!("request {request} was refused, and is in the log")));
                }
            }
        }
    }

    fn check_receipt(&mut self, request: usize, receipt: &Receipt) -> Result<(), String> {
        self.tally.add(match receipt.replayed {
            true => "appends: replayed",
            false => "appends: acknowledged",
        });
        if let Some(failed_at) = self.failed_at.filter(|_| !receipt.replayed) {
            return Err(format!(
                "after a write or sync failed at {failed_at}, request {request} was acknowledged"
            ));
        }
        let first = |attempt: &usize| {
            let answer = &self.history.attempts[*attempt].answer;
            matches!(answer, Answer::Yes(receipt) if !receipt.replayed)
        };
        if !receipt.replayed && self.history.requests[request].attempts.iter().any(first) {
            return Err(format!("request {request} was recorded twice"));
        }
        Ok(())
    }

    fn check_error(
        &mut self,
        which: usize,
        request: usize,
        invoked: u64,
        error: &AppendError,
    ) -> Result<(), String> {
        match error {
            AppendError::Conflict(conflict) => {
                self.tally.add("appends: conflict");
                self.clients[which].seen = self.clients[which].seen.max(conflict.head);
                self.check_conflict(request, invoked, conflict)
            }
            AppendError::KeyReused { position, .. } => {
                self.tally.add("appends: key of another request");
                self.check_reused(request, *position)
            }
            AppendError::Full(_) => {
                self.tally.add("appends: disk full");
                self.full = true;
                self.must_be_faulty(error)
            }
            AppendError::Unavailable(_) | AppendError::Corrupt(_) => {
                self.tally.add("appends: unavailable");
                self.refusing = true;
                self.must_be_faulty(error)
            }
            AppendError::StreamTombstoned { stream, revision } => {
                self.tally.add("appends: stream ended");
                self.check_ended(request, stream, *revision)
            }
            AppendError::Invalid(_) | AppendError::OutcomeUnknown(_) => {
                Err(format!("request {request} is answered: {error}"))
            }
        }
    }

    fn must_be_faulty(&self, error: &AppendError) -> Result<(), String> {
        match self.faulty {
            true => Ok(()),
            false => Err(format!("an append is refused, and nothing is wrong: {error}")),
        }
    }

    /// A conflict says what the model says at the head that it names, which everybody may see.
    fn check_conflict(
        &mut self,
        request: usize,
        invoked: u64,
        conflict: &Conflict,
    ) -> Result<(), String> {
        let head = conflict.head.0;
        let read = self.witness.head() >= head || self.watch();
        let known = self.witness.head();
        if known < head {
            if !read && self.faulty {
                // A fault keeps everybody from seeing whether it is true.
                return Ok(());
            }
            return Err(format!(
                "request {request} conflicts with events up to {head}, and the head is {known}"
            ));
        }
        self.history.sights.push((head, invoked, self.step));
        let append = &self.history.requests[request].append;
        let log = &self.witness.log[..head as usize];
        if let Some((stream, _)) = model::ended(log, &append.events) {
            return Err(format!(
                "request {request} is answered with {conflict:?}, and {stream} is \
                                ended"
            ));
        }
        let Conflict { index, revision, state, offending, .. } = conflict.clone();
        let there = |event: &RecordedEvent| match self.witness.fates.of(event.position) {
            Fate::Kept => true,
            Fate::MayBeGone => offending.iter().any(|found| found.position == event.position),
            Fate::Gone { .. } => false,
        };
        let expected = model::broken(log, &append.conditions, there);
        let fits = expected == Some(Broken { index, revision, state, offending });
        let failed = append.conditions.get(index) == Some(&conflict.failed);
        if fits && failed {
            return Ok(());
        }
        Err(format!("request {request} is answered with {conflict:?}, not {expected:?}"))
    }

    /// A stream that is ended is ended for everybody, where the tombstone stands.
    fn check_ended(
        &mut self,
        request: usize,
        stream: &StreamName,
        revision: Revision,
    ) -> Result<(), String> {
        let read = self.watch();
        let append = &self.history.requests[request].append;
        let named = append.events.iter().any(|event| event.stream.as_ref() == Some(stream));
        let info = model::info(&self.witness.log, stream);
        let ended = info.tombstoned && info.last == Some(revision);
        if named && (ended || !read && self.faulty) {
            return Ok(());
        }
        Err(format!("request {request} is told that {stream} was ended at {revision}: {info:?}"))
    }

    fn check_reused(&mut self, request: usize, position: Position) -> Result<(), String> {
        let read = self.watch();
        let key = self.history.requests[request].append.key.as_ref();
        let holder = key.and_then(|key| self.witness.holder(key));
        let placed = holder.and_then(|holder| self.history.requests[holder].placed);
        if holder != Some(request) && placed == Some(position.0) || !read && self.faulty {
            return Ok(());
        }
        Err(format!("request {request} is told of another under its key at {position}: {placed:?}"))
    }
}
