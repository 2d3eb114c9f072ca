//! Handing events out: to whoever asks, in order of position, one of each key at a time.

use std::{fmt, str::FromStr, sync::Arc};

use factum_store::{Invalid, Position, Timestamp};

use super::{Consumer, Group, Lease};

/// That an event was given to a consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// What to answer with.
    pub id: DeliveryId,
    /// Which event.
    pub position: Position,
    /// The how-manyth time, from 1.
    pub attempt: u32,
    /// Until when it has to be answered.
    pub deadline: Timestamp,
}

/// Which delivery: no two of a group are the same, whatever is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryId {
    run: u64,
    number: u64,
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.run, self.number)
    }
}

impl FromStr for DeliveryId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        let plain = |part: &&str| part.bytes().all(digit);
        let read = |part| Some(part).filter(plain).and_then(|p| u64::from_str_radix(p, 16).ok());
        let parts = text.split_once('-').and_then(|(run, number)| read(run).zip(read(number)));
        let problem = "is not the id of a delivery, such as 5f3a-1c";
        let (run, number) = parts.ok_or_else(|| Invalid::new("delivery", problem))?;
        Ok(Self { run, number })
    }
}

impl Group {
    /// Consumers that are remembered. Further ones are served too, but not each bounded.
    const CONSUMERS_MAX: usize = 1_024;
    /// For how long a consumer that has nothing is shown.
    const CONSUMER_MICROS: u64 = 60_000_000;

    /// Hands out at most `max` events to a consumer; none when nothing is ready.
    pub fn draw(&mut self, consumer: &str, max: usize, now: Timestamp) -> Vec<Delivery> {
        let room = self.room(consumer, now).min(max);
        if room == 0 || self.durable.paused || self.stopped().is_some() {
            return Vec::new();
        }
        let turns: Vec<_> = self.ready.iter().take(room).copied().collect();
        turns.into_iter().filter_map(|position| self.lease(position, consumer, now)).collect()
    }

    /// Whether a draw could find something.
    #[must_use]
    pub fn has_ready(&self) -> bool {
        let free = self.leases.len() < self.pace().in_flight_max;
        free && !self.ready.is_empty() && !self.durable.paused && self.stopped().is_none()
    }

    /// How many more a consumer may have.
    fn room(&mut self, consumer: &str, now: Timestamp) -> usize {
        let in_group = self.pace().in_flight_max.saturating_sub(self.leases.len());
        let each = self.pace().in_flight_per_consumer_max;
        if !self.consumers.contains_key(consumer) && self.consumers.len() < Self::CONSUMERS_MAX {
            self.consumers.insert(consumer.into(), Consumer { in_flight: 0, seen: now });
        }
        let Some(known) = self.consumers.get_mut(consumer) else { return in_group.min(each) };
        known.seen = now;
        in_group.min(each.saturating_sub(known.in_flight))
    }

    fn lease(&mut self, position: Position, consumer: &str, now: Timestamp) -> Option<Delivery> {
        self.forget_delivery(position);
        let deadline = self.deadline(now);
        let number = self.delivered;
        let (name, known) = match self.consumers.get_key_value(consumer) {
            Some((name, _)) => (Arc::clone(name), true),
            None => (Arc::from(consumer), false),
        };
        let entry = self.open.get_mut(&position)?;
        entry.lease = Some(Lease { consumer: Arc::clone(&name), deadline });
        entry.delivery = Some(number);
        let attempt = entry.reference.attempts + 1;
        if let Some(consumer) = self.consumers.get_mut(&name).filter(|_| known) {
            consumer.in_flight += 1;
        }
        self.delivered += 1;
        self.deliveries.insert(number, position);
        self.place(position);
        Some(Delivery { id: DeliveryId { run: self.run, number }, position, attempt, deadline })
    }

    pub(super) fn deadline(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_micros(now.micros.saturating_add(self.pace().ack_deadline_ms * 1_000))
    }

    /// The open event of a delivery that is its newest.
    pub(super) fn delivered_as(&self, id: DeliveryId) -> Option<Position> {
        self.deliveries.get(&id.number).copied().filter(|_| id.run == self.run)
    }

    /// Takes an event from whoever has it.
    pub(super) fn unlease(&mut self, position: Position) {
        let lease = self.open.get_mut(&position).and_then(|entry| entry.lease.take());
        let Some(lease) = lease else { return };
        if let Some(consumer) = self.consumers.get_mut(&lease.consumer) {
            consumer.in_flight = consumer.in_flight.saturating_sub(1);
        }
    }

    /// From here on, nobody can answer for the newest delivery of an event.
    pub(super) fn forget_delivery(&mut self, position: Position) {
        let number = self.open.get_mut(&position).and_then(|entry| entry.delivery.take());
        if let Some(number) = number {
            self.deliveries.remove(&number);
        }
    }

    pub(super) fn forget_consumers(&mut self, now: Timestamp) {
        let recent =
            |seen: Timestamp| now.micros.saturating_sub(seen.micros) < Self::CONSUMER_MICROS;
        self.consumers.retain(|_, consumer| consumer.in_flight > 0 || recent(consumer.seen));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written() {
        let id = DeliveryId { run: u64::MAX, number: 17 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "-", "1", "1-", "x-1", "1-2-3", "+1-1", "A-1", "1-11111111111111111"] {
            assert!(text.parse::<DeliveryId>().is_err(), "{text:?}");
        }
    }
}
