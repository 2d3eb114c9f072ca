//! What consumers ask: events, and what became of them.

use std::time::Duration;

use axum::response::Response;
use factum_consumers::{DeliveryId, Nack};
use factum_store::Invalid;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Asked,
    answers::{AckedJson, ExtendedJson, NackedJson, NextJson},
};
use crate::{
    api::Draw,
    http::{answer::ok, problem::Problem},
    schema,
};

/// Deliveries that one request may answer.
const DELIVERIES_MAX: usize = 1_024;
/// The longest that one may ask to wait, in milliseconds.
const AFTER_MS_MAX: u64 = 86_400_000;

/// `{"consumer":"worker-1","max":10,"wait_ms":20000}`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DrawEvents")]
pub(crate) struct NextBody {
    /// Who asks, for people who look at the group and for bounds.
    #[serde(default = "NextBody::anonymous")]
    #[schemars(with = "schema::Name")]
    consumer: String,
    /// At most this many.
    #[serde(default = "NextBody::one")]
    #[schemars(range(min = 1, max = 256))]
    max: usize,
    /// How long to wait when there are none.
    #[serde(default)]
    #[schemars(range(min = 0, max = 30_000))]
    wait_ms: u64,
}

/// `{"deliveries":["5f3a-1c"]}`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AnswerDeliveries")]
pub(crate) struct DeliveriesBody {
    #[schemars(with = "Vec<schema::DeliveryText>", length(max = 1_024))]
    deliveries: Vec<String>,
}

/// `{"deliveries":["5f3a-1c"],"reason":"no such address","then":"park"}`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NackDeliveries")]
#[schemars(extend("not" = { "required": ["then", "after_ms"], "properties": { "then": { "const": "park" } } }))]
pub(crate) struct NackBody {
    #[schemars(with = "Vec<schema::DeliveryText>", length(max = 1_024))]
    deliveries: Vec<String>,
    /// Why; it is kept with the event, up to 512 bytes of it.
    #[serde(default)]
    reason: String,
    /// Deliver it again, or park it at once.
    #[serde(default)]
    then: Then,
    /// For a retry, instead of the group's back-off; 0 is now.
    #[schemars(range(min = 0, max = 86_400_000))]
    after_ms: Option<u64>,
}

/// What is to become of an event that was not handled.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "NackThen")]
pub(crate) enum Then {
    #[default]
    Retry,
    Park,
}

/// POST `…/next`: events for a consumer.
pub(super) async fn next(
    Asked { shared, principal, id, body }: Asked<NextBody>,
) -> Result<Response, Problem> {
    let NextBody { consumer, max, wait_ms } = body;
    let draw = Draw { consumer, max, wait: Duration::from_millis(wait_ms) };
    let drawn = shared.api.draw(&principal, &id, draw).await?;
    ok(&NextJson::of(&drawn))
}

/// POST `…/ack`.
pub(super) async fn ack(
    Asked { shared, principal, id, body }: Asked<DeliveriesBody>,
) -> Result<Response, Problem> {
    let DeliveriesBody { deliveries } = body;
    let deliveries = read_all(&deliveries)?;
    let all = deliveries.len();
    let lost = shared.api.ack(&principal, &id, deliveries).await?;
    ok(&AckedJson::of(all, &lost))
}

/// POST `…/nack`.
pub(super) async fn nack(
    Asked { shared, principal, id, body }: Asked<NackBody>,
) -> Result<Response, Problem> {
    let NackBody { deliveries, reason, then, after_ms } = body;
    let then = match (then, after_ms) {
        (_, Some(millis)) if millis > AFTER_MS_MAX => {
            let problem = format!("is {millis}; the most is {AFTER_MS_MAX}, a day");
            return Err(Problem::invalid("after_ms", problem));
        }
        (Then::Park, None) => Nack::Park,
        (Then::Park, Some(_)) => {
            return Err(Problem::invalid("after_ms", "is for a retry; leave it out to park"));
        }
        (Then::Retry, None) => Nack::Retry,
        (Then::Retry, Some(millis)) => Nack::RetryAfter(millis),
    };
    let deliveries = read_all(&deliveries)?;
    let fates = shared.api.nack(&principal, &id, deliveries, then, reason).await?;
    ok(&NackedJson::of(&fates))
}

/// POST `…/extend`.
pub(super) async fn extend(
    Asked { shared, principal, id, body }: Asked<DeliveriesBody>,
) -> Result<Response, Problem> {
    let DeliveriesBody { deliveries } = body;
    let extended = shared.api.extend(&principal, &id, read_all(&deliveries)?).await?;
    ok(&ExtendedJson::of(&extended))
}

fn read_all(deliveries: &[String]) -> Result<Vec<DeliveryId>, Problem> {
    if deliveries.len() > DELIVERIES_MAX {
        let problem = format!("has {}; the limit is {DELIVERIES_MAX}", deliveries.len());
        return Err(Problem::invalid("deliveries", problem));
    }
    let read = |(i, text): (usize, &String)| {
        let wrong = |e: Invalid| Problem::invalid(format!("deliveries[{i}]"), e.problem);
        text.parse().map_err(wrong)
    };
    deliveries.iter().enumerate().map(read).collect()
}

impl NextBody {
    fn anonymous() -> String {
        "anonymous".to_owned()
    }

    fn one() -> usize {
        1
    }
}
