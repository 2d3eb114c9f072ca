//! Answers: what a consumer says about an event that it was given, and what follows when it says
//! nothing.

use std::sync::Arc;

use factum_store::{Position, Timestamp};

use super::{DeliveryId, Group};
use crate::{Change, How, Standing, reference::short, sabotage::Sabotage};

/// What is to become of an event that a consumer could not handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nack {
    /// It is delivered again after the group's back-off.
    Retry,
    /// It is delivered again after so many milliseconds; 0 means now.
    RetryAfter(u64),
    /// It is parked at once.
    Park,
}

/// What became of an event that was not handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is delivered again from this moment on.
    RetriedAt(Timestamp),
    /// It is parked.
    Parked,
}

/// The delivery is over: it was answered, its event was delivered again after its deadline, or the
/// group was reset or restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost;

impl Group {
    /// The event was handled. Late is better than again: it counts as long as the event was not
    /// delivered to somebody else.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn ack(&mut self, id: DeliveryId) -> Result<Position, Lost> {
        let position = self.delivered_as(id).ok_or(Lost)?;
        self.settle(position, How::Acked);
        Ok(position)
    }

    /// The event was not handled, because of `error`.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn nack(
        &mut self,
        id: DeliveryId,
        then: Nack,
        error: &str,
        now: Timestamp,
    ) -> Result<Fate, Lost> {
        let position = self.in_flight(id)?;
        self.unlease(position);
        self.forget_delivery(position);
        Ok(self.failed(position, then, short(error), now))
    }

    /// The consumer needs longer: it has the whole deadline once more, from now on.
    ///
    /// # Errors
    /// [`Lost`].
    pub fn extend(&mut self, id: DeliveryId, now: Timestamp) -> Result<Timestamp, Lost> {
        let position = self.in_flight(id)?;
        let deadline = self.deadline(now);
        let entry = self.open.get_mut(&position).ok_or(Lost)?;
        if let Some(lease) = &mut entry.lease {
            lease.deadline = deadline;
        }
        self.place(position);
        Ok(deadline)
    }

    /// The event never reached the consumer: it is ready again, and nothing is counted.
    pub fn give_back(&mut self, id: DeliveryId) {
        let Ok(position) = self.in_flight(id) else { return };
        self.unlease(position);
        self.forget_delivery(position);
        self.place(position);
    }

    /// The event is no more: its ledger has dropped it.
    pub fn gone(&mut self, position: Position) {
        self.settle(position, How::Gone);
    }

    /// Nobody has answered in time. A late ack still counts.
    pub(super) fn timed_out(&mut self, position: Position, now: Timestamp) {
        self.unlease(position);
        let error = format!("not answered within {} ms", self.pace().ack_deadline_ms);
        self.failed(position, Nack::Retry, error.into(), now);
    }

    pub(super) fn settle(&mut self, position: Position, how: How) {
        if !self.open.contains_key(&position) {
            return;
        }
        self.leave(position);
        self.settled(position, how);
    }

    fn in_flight(&self, id: DeliveryId) -> Result<Position, Lost> {
        let position = self.delivered_as(id).ok_or(Lost)?;
        let leased = self.open.get(&position).is_some_and(|entry| entry.lease.is_some());
        leased.then_some(position).ok_or(Lost)
    }

    fn failed(&mut self, position: Position, then: Nack, error: Arc<str>, now: Timestamp) -> Fate {
        let pace = *self.pace();
        let counted = u32::from(!self.switch.is(Sabotage::AttemptsNotCounted));
        let Some(entry) = self.open.get_mut(&position) else { return Fate::Parked };
        let reference = &mut entry.reference;
        reference.attempts = reference.attempts.saturating_add(counted);
        reference.error = Some(error);
        let wait = match then {
            Nack::Retry => Some(pace.backoff_ms(reference.attempts)),
            Nack::RetryAfter(millis) => Some(millis),
            Nack::Park => None,
        };
        let wait = wait.filter(|_| reference.attempts < pace.attempts_max);
        let at = |millis: u64| now.micros.saturating_add(millis.saturating_mul(1_000));
        let (standing, fate) = match wait.map(at).map(Timestamp::from_micros) {
            Some(at) if at <= now => (Standing::Waiting, Fate::RetriedAt(now)),
            Some(at) => (Standing::RetryAt(at), Fate::RetriedAt(at)),
            None => (Standing::Parked(now), Fate::Parked),
        };
        reference.standing = standing;
        let reference = reference.clone();
        self.place(position);
        self.place_behind(&reference);
        if fate != Fate::Parked || !self.switch.is(Sabotage::ParkedNotKept) {
            self.note(Change::Kept(reference));
        }
        fate
    }
}
