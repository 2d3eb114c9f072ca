//! `/health`: 200 while the server lives, though a part of it may stand still. `/ready`: 200 while
//! requests are to be sent here, a problem otherwise. Everybody may ask; how much there is, and what is
//! wrong with it, is for who is known.

use std::sync::Arc;

use axum::{extract::State, http::Extensions, response::Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Shared,
    answer::ok,
    problem::{Kind, Problem},
};
use crate::{access::Principal, api::Concern};

/// How the server is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Health")]
pub(crate) struct HealthJson {
    /// `degraded` while a view stands still or a ledger takes no appends.
    status: Wellness,
    #[serde(flatten)]
    details: Option<Details>,
}

/// What is told to who is known.
#[derive(Serialize, JsonSchema)]
struct Details {
    version: &'static str,
    ledgers: usize,
    /// Ledgers that take no appends until they are opened again.
    ledgers_failing: usize,
    views: usize,
    views_failing: usize,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Wellness {
    Ok,
    Degraded,
}

pub(crate) async fn health(
    State(shared): State<Arc<Shared>>,
    asked: Extensions,
) -> Result<Response, Problem> {
    let health = shared.api.health().await;
    let well = health.views_failing == 0 && health.ledgers_failing == 0;
    let details = Principal::of(&asked).is_ok().then_some(Details {
        version: env!("CARGO_PKG_VERSION"),
        ledgers: health.ledgers,
        ledgers_failing: health.ledgers_failing,
        views: health.views,
        views_failing: health.views_failing,
    });
    ok(&HealthJson { status: if well { Wellness::Ok } else { Wellness::Degraded }, details })
}

/// How ready the server is.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Ready")]
pub(crate) struct ReadyJson {
    status: &'static str,
    #[serde(flatten)]
    details: Option<ReadyDetails>,
}

/// What is told to who is known.
#[derive(Serialize, JsonSchema)]
struct ReadyDetails {
    ledgers: usize,
    views: usize,
    views_failing: usize,
    views_behind: usize,
    /// Positions that the view farthest behind has not looked at.
    lag_events_max: u64,
    disk_free_bytes: Option<u64>,
}

pub(crate) async fn ready(
    State(shared): State<Arc<Shared>>,
    asked: Extensions,
) -> Result<Response, Problem> {
    let stopping = *shared.stopping.borrow();
    let readiness = shared.api.ready(stopping).await;
    let known = Principal::of(&asked).is_ok();
    if readiness.is_ready() {
        let details = known.then_some(ReadyDetails {
            ledgers: readiness.ledgers,
            views: readiness.views,
            views_failing: readiness.views_failing,
            views_behind: readiness.views_behind,
            lag_events_max: readiness.lag_events_max,
            disk_free_bytes: readiness.disk.map(|disk| disk.free),
        });
        return ok(&ReadyJson { status: "ready", details });
    }
    if !known {
        let said = "the server is not ready; who is known to it is told why";
        return Err(Problem::new(Kind::NotReady, said));
    }
    let said: Vec<_> = readiness.concerns.iter().map(sentence).collect();
    Err(Problem::new(Kind::NotReady, said.join("; ")))
}

fn sentence(concern: &Concern) -> String {
    match concern {
        Concern::Stopping => "the server is stopping".to_owned(),
        Concern::WriterStopped(ledgers) => format!(
            "{ledgers} ledgers take no appends since a write failed; look at the disk, then start \
             the server again"
        ),
        Concern::DiskNearlyFull { free, wanted } => format!(
            "{free} bytes are free where the data are, and {wanted} are wanted \
             (disk_free_bytes_min); make room"
        ),
        Concern::NoAnswer => "how the ledgers are can't be found out in time".to_owned(),
    }
}
