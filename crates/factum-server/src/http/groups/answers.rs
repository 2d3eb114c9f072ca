//! How groups, deliveries and parked events look as JSON.

use factum_consumers::{DeliveryId, Fate, Pace, Reference, Standing, Stopped};
use factum_store::{Position, QueryItem, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    api::{GroupState, GroupStatus, Next, ParkedPage},
    consumers::{Drawn, Given, State},
    json, schema,
};

/// The consumer groups of a ledger.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Groups")]
pub(crate) struct GroupsJson<'a> {
    pub(super) groups: Vec<GroupJson<'a>>,
}

/// A group: how it stands, or why nothing is known of it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Group")]
pub(crate) struct GroupJson<'a> {
    name: &'a str,
    /// `active`, `paused`, `stopped` at a bound, or `failed`.
    state: &'static str,
    /// Why it is stopped or failed, and what to try.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<&'a str>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    found: Option<FoundJson<'a>>,
}

/// How a group stands.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GroupState")]
struct FoundJson<'a> {
    query: QueryJson<'a>,
    order: String,
    settings: SettingsJson,
    /// Every matching event up to here was settled, parked, or waits behind a parked one.
    #[schemars(with = "schema::Place")]
    position: Position,
    /// Positions of the ledger that are not there yet.
    #[schemars(with = "schema::Count")]
    lag_events: u64,
    #[schemars(with = "schema::Count")]
    in_flight: usize,
    /// Looked at, and their turn has come.
    #[schemars(with = "schema::Count")]
    ready: usize,
    /// Wait for their next attempt.
    #[schemars(with = "schema::Count")]
    retrying: usize,
    /// Wait for one of the same key before them.
    #[schemars(with = "schema::Count")]
    behind: usize,
    #[schemars(with = "schema::Count")]
    parked: usize,
    /// Wait behind parked ones.
    #[schemars(with = "schema::Count")]
    held: usize,
    #[schemars(with = "schema::Count")]
    acked: u64,
    #[schemars(with = "schema::Count")]
    skipped: u64,
    /// Were dropped by retention before they were handled.
    #[schemars(with = "schema::Count")]
    gone: u64,
    consumers: Vec<ConsumerJson<'a>>,
}

/// How fast, how often and how much a group delivers.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GroupSettings")]
struct SettingsJson {
    #[schemars(with = "schema::Count")]
    ack_deadline_ms: u64,
    attempts_max: u32,
    #[schemars(with = "schema::Count")]
    backoff_initial_ms: u64,
    #[schemars(with = "schema::Count")]
    backoff_max_ms: u64,
    #[schemars(with = "schema::Count")]
    in_flight_max: usize,
    #[schemars(with = "schema::Count")]
    in_flight_per_consumer_max: usize,
    #[schemars(with = "schema::Count")]
    parked_max: usize,
    #[schemars(with = "schema::Count")]
    held_max: usize,
}

/// Which events.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Query")]
struct QueryJson<'a> {
    #[schemars(with = "Vec<schema::Object>")]
    items: &'a [QueryItem],
}

/// Somebody who draws.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Consumer")]
struct ConsumerJson<'a> {
    name: &'a str,
    #[schemars(with = "schema::Count")]
    in_flight: usize,
    #[schemars(with = "schema::Time")]
    last_seen: String,
}

/// That a group is no more.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "GroupDeleted")]
pub(crate) struct DeletedJson<'a> {
    pub(super) deleted: &'a str,
}

/// Events for a consumer.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Deliveries")]
pub(crate) struct NextJson<'a> {
    deliveries: Vec<DeliveryJson<'a>>,
    /// Why there are none, if it is for more than want of events.
    state: &'static str,
}

/// An event, and what to answer with.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Delivery")]
pub(crate) struct DeliveryJson<'a> {
    delivery: String,
    attempt: u32,
    #[schemars(with = "schema::Time")]
    deadline: String,
    event: json::EventJson<'a>,
}

/// How many were handled, and which could not be answered any more.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Acked")]
pub(crate) struct AckedJson {
    #[schemars(with = "schema::Count")]
    acked: usize,
    lost: Vec<String>,
}

/// What became of those that were not handled.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Nacked")]
pub(crate) struct NackedJson {
    nacked: Vec<FateJson>,
    lost: Vec<String>,
}

/// What became of one.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Fate")]
struct FateJson {
    delivery: String,
    parked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<schema::Time>")]
    retried_at: Option<String>,
}

/// Until when they have to be answered.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Extended")]
pub(crate) struct ExtendedJson {
    extended: Vec<DeadlineJson>,
    lost: Vec<String>,
}

/// Until when one has to be answered.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Deadline")]
struct DeadlineJson {
    delivery: String,
    #[schemars(with = "schema::Time")]
    deadline: String,
}

/// Parked events.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "ParkedPage")]
pub(crate) struct ParkedPageJson<'a> {
    parked: Vec<ParkedJson<'a>>,
    next: Option<Next>,
}

/// A parked event.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Parked")]
struct ParkedJson<'a> {
    #[schemars(with = "schema::Place")]
    position: Position,
    #[serde(rename = "type")]
    event_type: &'a str,
    keys: Vec<&'a str>,
    attempts: u32,
    error: Option<&'a str>,
    #[schemars(with = "Option<schema::Time>")]
    since: Option<String>,
}

/// How many are delivered again.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Requeued")]
pub(crate) struct RequeuedJson {
    #[schemars(with = "schema::Count")]
    pub(super) requeued: usize,
}

/// How many were given up.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Skipped")]
pub(crate) struct SkippedJson {
    #[schemars(with = "schema::Count")]
    pub(super) skipped: usize,
}

impl<'a> GroupJson<'a> {
    pub(super) fn of(group: &'a GroupStatus) -> Self {
        let name = group.name.as_str();
        match &group.found {
            Err(problem) => Self { name, state: "failed", problem: Some(problem), found: None },
            Ok(found) => {
                let (state, problem) = state(found.state);
                let found = FoundJson::of(found, group.head.position);
                Self { name, state, problem, found: Some(found) }
            }
        }
    }
}

impl SettingsJson {
    fn of(pace: Pace) -> Self {
        Self {
            ack_deadline_ms: pace.ack_deadline_ms,
            attempts_max: pace.attempts_max,
            backoff_initial_ms: pace.backoff_initial_ms,
            backoff_max_ms: pace.backoff_max_ms,
            in_flight_max: pace.in_flight_max,
            in_flight_per_consumer_max: pace.in_flight_per_consumer_max,
            parked_max: pace.parked_max,
            held_max: pace.held_max,
        }
    }
}

impl<'a> FoundJson<'a> {
    fn of(found: &'a GroupState, head: Position) -> Self {
        let status = &found.status;
        let consumer = |(name, in_flight, seen): &'a (_, usize, Timestamp)| {
            let name: &std::sync::Arc<str> = name;
            ConsumerJson { name, in_flight: *in_flight, last_seen: json::time(*seen) }
        };
        Self {
            query: QueryJson { items: &found.definition.query.items },
            order: found.definition.order.to_string(),
            settings: SettingsJson::of(found.pace),
            position: status.position,
            lag_events: head.0.saturating_sub(status.position.0),
            in_flight: status.in_flight,
            ready: status.ready,
            retrying: status.retrying,
            behind: status.behind,
            parked: status.parked,
            held: status.held,
            acked: found.acked,
            skipped: found.skipped,
            gone: found.gone,
            consumers: status.consumers.iter().map(consumer).collect(),
        }
    }
}

/// A word for machines, and a sentence for people.
pub(super) fn state(state: State) -> (&'static str, Option<&'static str>) {
    match state {
        State::Active => ("active", None),
        State::Paused => ("paused", None),
        State::Stopped(Stopped::Parked) => {
            ("stopped", Some("as many events are parked as may be; requeue or skip some"))
        }
        State::Stopped(Stopped::Held) => {
            let problem = "as many events wait behind parked ones as may; requeue or skip those";
            ("stopped", Some(problem))
        }
    }
}

impl<'a> NextJson<'a> {
    pub(super) fn of(drawn: &'a Drawn) -> Self {
        let deliveries = drawn.given.iter().map(DeliveryJson::of).collect();
        Self { deliveries, state: state(drawn.state).0 }
    }
}

impl<'a> DeliveryJson<'a> {
    pub(super) fn of(given: &'a Given) -> Self {
        let delivery = &given.delivery;
        Self {
            delivery: delivery.id.to_string(),
            attempt: delivery.attempt,
            deadline: json::time(delivery.deadline),
            event: json::EventJson::of(&given.event),
        }
    }
}

impl AckedJson {
    pub(super) fn of(all: usize, lost: &[DeliveryId]) -> Self {
        Self { acked: all - lost.len(), lost: lost.iter().map(DeliveryId::to_string).collect() }
    }
}

impl NackedJson {
    pub(super) fn of(fates: &[(DeliveryId, Option<Fate>)]) -> Self {
        let (mut nacked, mut lost) = (Vec::new(), Vec::new());
        for (delivery, fate) in fates {
            let delivery = delivery.to_string();
            match fate {
                None => lost.push(delivery),
                Some(Fate::Parked) => {
                    nacked.push(FateJson { delivery, parked: true, retried_at: None });
                }
                Some(Fate::RetriedAt(at)) => {
                    let retried_at = Some(json::time(*at));
                    nacked.push(FateJson { delivery, parked: false, retried_at });
                }
            }
        }
        Self { nacked, lost }
    }
}

impl ExtendedJson {
    pub(super) fn of(extended: &[(DeliveryId, Option<Timestamp>)]) -> Self {
        let (mut all, mut lost) = (Vec::new(), Vec::new());
        for (delivery, deadline) in extended {
            let delivery = delivery.to_string();
            match deadline {
                None => lost.push(delivery),
                Some(at) => all.push(DeadlineJson { delivery, deadline: json::time(*at) }),
            }
        }
        Self { extended: all, lost }
    }
}

impl<'a> ParkedPageJson<'a> {
    pub(super) fn of(page: &'a ParkedPage) -> Self {
        let parked = page.parked.iter().map(ParkedJson::of).collect();
        Self { parked, next: page.next.map(Next::After) }
    }
}

impl<'a> ParkedJson<'a> {
    fn of(reference: &'a Reference) -> Self {
        let since = match reference.standing {
            Standing::Parked(since) => Some(json::time(since)),
            Standing::Waiting | Standing::RetryAt(_) => None,
        };
        Self {
            position: reference.position,
            event_type: &reference.event_type,
            keys: reference.keys.iter().map(|key| &**key).collect(),
            attempts: reference.attempts,
            error: reference.error.as_deref(),
            since,
        }
    }
}
