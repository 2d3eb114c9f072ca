//! How fast, how often and how much a group delivers, as somebody asks for it.

use factum_consumers::Pace;
use schemars::JsonSchema;
use serde::Deserialize;

/// What of a group's pace is meant; of what is not named, what it was or the default.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(rename = "SetGroup")]
pub(crate) struct ChangePace {
    /// How long a consumer has for an event before it is delivered again. 30 s.
    #[schemars(range(min = 10, max = 86_400_000))]
    ack_deadline_ms: Option<u64>,
    /// Deliveries after which an event is parked. 10.
    #[schemars(range(min = 1, max = 1_000_000))]
    attempts_max: Option<u32>,
    /// The wait before the second delivery; it doubles with each further one. 1 s.
    #[schemars(range(min = 0, max = 86_400_000))]
    backoff_initial_ms: Option<u64>,
    /// The longest wait between two deliveries, not below the first. 5 minutes.
    #[schemars(range(min = 0, max = 86_400_000))]
    backoff_max_ms: Option<u64>,
    /// Events in flight at a time. 256.
    #[schemars(range(min = 1, max = 1_024))]
    in_flight_max: Option<usize>,
    /// Events in flight at a time with one consumer. 64.
    #[schemars(range(min = 1, max = 1_024))]
    in_flight_per_consumer_max: Option<usize>,
    /// Parked events at which the group stops. 1,000.
    #[schemars(range(min = 1, max = 1_000))]
    parked_max: Option<usize>,
    /// Events waiting behind parked ones at which the group stops. 10,000.
    #[schemars(range(min = 1, max = 10_000))]
    held_max: Option<usize>,
}

impl ChangePace {
    /// What becomes of a pace.
    pub(crate) fn of(self, pace: Pace) -> Pace {
        Pace {
            ack_deadline_ms: self.ack_deadline_ms.unwrap_or(pace.ack_deadline_ms),
            attempts_max: self.attempts_max.unwrap_or(pace.attempts_max),
            backoff_initial_ms: self.backoff_initial_ms.unwrap_or(pace.backoff_initial_ms),
            backoff_max_ms: self.backoff_max_ms.unwrap_or(pace.backoff_max_ms),
            in_flight_max: self.in_flight_max.unwrap_or(pace.in_flight_max),
            in_flight_per_consumer_max: self
                .in_flight_per_consumer_max
                .unwrap_or(pace.in_flight_per_consumer_max),
            parked_max: self.parked_max.unwrap_or(pace.parked_max),
            held_max: self.held_max.unwrap_or(pace.held_max),
        }
    }
}
