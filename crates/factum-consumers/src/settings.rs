//! What a group is made of: [`Definition`] for ever, [`Pace`] as long as nobody changes it. Both are
//! checked before anything is made of them, so that whatever a client names is bounded (G12).

use std::{fmt, str::FromStr};

use factum_store::{EventType, Invalid, Limits, Query, RecordedEvent};
use serde::{Deserialize, Serialize};

use crate::Key;

/// Which events a group consumes, and in what order. It never changes: another one is another group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Definition {
    /// Which events.
    pub query: Query,
    /// Which of them may not overtake each other.
    pub order: Order,
}

/// Which events may not overtake each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Order {
    /// All may.
    #[default]
    None,
    /// Those of the same stream; events in no stream are free.
    Stream,
    /// Those that share a tag of this kind (`order` is the kind of `order:W1`); events without one
    /// are free, and an event with several waits for all of them.
    Tag(Box<str>),
}

/// How fast, how often and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pace {
    /// How long a consumer has for an event before it is delivered again. 30 s.
    pub ack_deadline_ms: u64,
    /// Deliveries after which an event is parked. 10.
    pub attempts_max: u32,
    /// The wait before the second delivery; it doubles with each further one. 1 s.
    pub backoff_initial_ms: u64,
    /// The longest wait between two deliveries. 5 minutes.
    pub backoff_max_ms: u64,
    /// Events in flight at a time. 256.
    pub in_flight_max: usize,
    /// Events in flight at a time with one consumer. 64.
    pub in_flight_per_consumer_max: usize,
    /// Parked events at which the group stops. 1,000.
    pub parked_max: usize,
    /// Events waiting behind parked ones at which the group stops. 10,000.
    pub held_max: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            ack_deadline_ms: 30_000,
            attempts_max: 10,
            backoff_initial_ms: 1_000,
            backoff_max_ms: 300_000,
            in_flight_max: 256,
            in_flight_per_consumer_max: 64,
            parked_max: 1_000,
            held_max: 10_000,
        }
    }
}

impl Pace {
    /// A day: nothing waits longer.
    const MILLIS_MAX: u64 = 86_400_000;

    /// Refuses what is out of bounds.
    ///
    /// # Errors
    /// The first [`Invalid`] field.
    pub fn check(&self) -> Result<(), Invalid> {
        let within = |field: &str, value: u64, least: u64, most: u64| {
            let problem = format!("is {value}; it must be from {least} to {most}");
            let fits = (least..=most).contains(&value);
            fits.then_some(()).ok_or_else(|| Invalid::new(field, problem))
        };
        let (millis, count) = (Self::MILLIS_MAX, |count: usize| count as u64);
        within("ack_deadline_ms", self.ack_deadline_ms, 10, millis)?;
        within("attempts_max", self.attempts_max.into(), 1, 1_000_000)?;
        within("backoff_initial_ms", self.backoff_initial_ms, 0, millis)?;
        within("backoff_max_ms", self.backoff_max_ms, self.backoff_initial_ms, millis)?;
        within("in_flight_max", count(self.in_flight_max), 1, 1_024)?;
        let each = count(self.in_flight_per_consumer_max);
        within("in_flight_per_consumer_max", each, 1, 1_024)?;
        within("parked_max", count(self.parked_max), 1, 1_000)?;
        within("held_max", count(self.held_max), 1, 10_000)
    }

    /// How long an event waits after so many failed deliveries.
    #[must_use]
    pub fn backoff_ms(&self, attempts: u32) -> u64 {
        let doubled = 1_u64.checked_shl(attempts.saturating_sub(1)).unwrap_or(u64::MAX);
        self.backoff_initial_ms.saturating_mul(doubled).min(self.backoff_max_ms)
    }
}

impl Definition {
    /// Refuses what is out of bounds.
    ///
    /// # Errors
    /// The first [`Invalid`] field.
    pub fn check(&self) -> Result<(), Invalid> {
        if self.query.items.is_empty() {
            let problem = "has no items, so it matches nothing; [{}] matches every event";
            return Err(Invalid::new("query.items", problem));
        }
        Limits::default().check_query(&self.query).map_err(|invalid| invalid.within("query"))
    }
}

impl Order {
    /// What an event may not overtake.
    #[must_use]
    pub fn keys(&self, event: &RecordedEvent) -> Vec<Key> {
        match self {
            Self::None => Vec::new(),
            Self::Stream => {
                event.stream.iter().map(|place| Key::from(place.name.as_str())).collect()
            }
            Self::Tag(kind) => {
                let tags = event.tags.iter().map(factum_store::Tag::as_str);
                let is = |tag: &str| tag.split_once(':').is_some_and(|(of, _)| *of == **kind);
                tags.filter(|tag| is(tag)).map(Key::from).collect()
            }
        }
    }
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Stream => f.write_str("stream"),
            Self::Tag(kind) => write!(f, "tag:{kind}"),
        }
    }
}

impl FromStr for Order {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let problem = "must be none, stream, or tag:KIND as in tag:order";
        match text.split_once(':') {
            None if text == "none" => Ok(Self::None),
            None if text == "stream" => Ok(Self::Stream),
            // A kind follows the rules of the names that begin with it.
            Some(("tag", kind))
                if !kind.contains(':') && EventType::new(kind.to_owned()).is_ok() =>
            {
                Ok(Self::Tag(kind.into()))
            }
            _ => Err(Invalid::new("order", problem)),
        }
    }
}

impl TryFrom<String> for Order {
    type Error = Invalid;

    fn try_from(text: String) -> Result<Self, Invalid> {
        text.parse()
    }
}

impl From<Order> for String {
    fn from(order: Order) -> Self {
        order.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_is_written() {
        for text in ["none", "stream", "tag:order"] {
            assert_eq!(text.parse::<Order>().map(|order| order.to_string()), Ok(text.into()));
        }
        for text in ["", "tag", "tag:", "tag:a:b", "Stream", "tag:\n"] {
            assert!(text.parse::<Order>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_wait_doubles_up_to_its_bound() {
        let pace = Pace { backoff_initial_ms: 100, backoff_max_ms: 1_000, ..Pace::default() };
        let waits = [1, 2, 3, 4, 5, 60, 64, 65, u32::MAX].map(|n| pace.backoff_ms(n));
        assert_eq!(waits, [100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000, 1_000]);
    }

    #[test]
    fn what_is_out_of_bounds_is_named() {
        assert_eq!(Pace::default().check(), Ok(()));
        let refused = Pace { parked_max: 0, ..Pace::default() }.check();
        let said = refused.expect_err("is out of bounds").to_string();
        assert_eq!(said, "parked_max is 0; it must be from 1 to 1000");
        assert!(Pace { backoff_max_ms: 1, ..Pace::default() }.check().is_err());
        let nothing = Definition { query: Query::none(), order: Order::None };
        assert!(nothing.check().is_err());
    }
}
