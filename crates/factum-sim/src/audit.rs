//! The audit: after each restart and at the end, everything that was answered is compared with the
//! whole log again (G1 to G5).

use crate::{
    history::Answer,
    order::{Moment, Role, in_real_time},
    reading::everything,
    scene::Scene,
    witness::Witness,
};

impl Scene {
    /// Reads the whole ledger and compares it with everything that is known. `false` when it could
    /// not be read.
    pub(crate) fn audit(&mut self) -> bool {
        let Some(ledger) = &self.ledger else { return false };
        match everything(ledger, 0) {
            Err(error) => {
                self.say(|_| format!("the audit can't read: {error}"));
                if !self.faulty {
                    self.note(Err(format!("the ledger can't be read after a restart: {error}")));
                }
                false
            }
            Ok((head, mut events)) => {
                self.tally.add("audits");
                let (known, shown) = (self.witness.head(), self.witness.shown);
                let known_now = events.partition_point(|event| event.position.0 <= known);
                let fresh = events.split_off(known_now);
                if head < shown || known + fresh.len() as u64 != head {
                    let count = fresh.len();
                    self.note(Err(format!(
                        "{count} events are there after {known} at head {head}, and {shown} were \
                         shown"
                    )));
                    return true;
                }
                let Witness { log, fates, .. } = &mut self.witness;
                let compared = fates.compare(log, &events, Some(self.step));
                if compared.is_err() {
                    self.note(compared);
                    return true;
                }
                let extended = self.witness.extend(fresh, &mut self.history);
                self.note(extended);
                self.witness.shown = head;
                true
            }
        }
    }

    /// Acknowledgements and real time, over the whole history.
    pub(crate) fn account(&mut self) {
        let receipts = self.receipts();
        self.note(receipts);
        let mut moments = self.moments();
        let ordered = in_real_time(&mut moments).map_err(|(before, after)| {
            format!("{after:?} ended before {before:?} began, and stands after it")
        });
        self.note(ordered);
    }

    fn moments(&self) -> Vec<Moment> {
        let history = &self.history;
        let mut moments = Vec::new();
        for request in &history.requests {
            let Some(first) = request.placed else { continue };
            let position = first + request.append.events.len() as u64 - 1;
            let attempts = request.attempts.iter().map(|at| &history.attempts[*at]);
            let (mut invoked, mut responded) = (u64::MAX, 0);
            for attempt in attempts {
                match &attempt.answer {
                    Answer::Yes(receipt) if receipt.replayed => moments.push(Moment {
                        position,
                        invoked: attempt.invoked,
                        responded: attempt.responded,
                        role: Role::Knew,
                    }),
                    // Which of several attempts wrote it is not known: any may have.
                    Answer::Yes(_) | Answer::Waiting | Answer::Unknown => {
                        invoked = invoked.min(attempt.invoked);
                        responded = responded.max(attempt.responded);
                    }
                    Answer::No | Answer::Lost => {}
                }
            }
            moments.push(Moment { position, invoked, responded, role: Role::Append });
        }
        let saw = |&(position, invoked, responded): &(u64, u64, u64)| Moment {
            position,
            invoked,
            responded,
            role: Role::Saw,
        };
        moments.extend(history.sights.iter().map(saw));
        moments
    }
}
