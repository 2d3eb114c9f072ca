//! `/v1/ledgers/{ledger}/groups`: consumer groups, their steering, and what their consumers ask.

mod answers;
mod consume;
mod deliveries;
mod manage;
mod parked;

use std::sync::Arc;

use answers::{
    AckedJson, DeletedJson, DeliveryJson, ExtendedJson, GroupJson, GroupsJson, NackedJson,
    NextJson, ParkedPageJson, RequeuedJson, SkippedJson,
};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use consume::{DeliveriesBody, NackBody, NextBody};
use manage::{CreateBody, ResetBody};
use parked::PickBody;
use serde::de::DeserializeOwned;

use super::{
    Shared,
    problem::{Kind, Problem},
    route::{Route, get, post},
    streams::Nothing,
};
use crate::{
    access::Principal,
    api::{ChangePace, GroupId},
};

const ALL: &str = "/v1/ledgers/{ledger}/groups";

/// The part of the table that is about groups.
pub(super) fn routes() -> Vec<Route> {
    [of_a_ledger(), steering(), consuming(), about_parked()].into_iter().flatten().collect()
}

fn of_a_ledger() -> Vec<Route> {
    vec![
        get(ALL, "list_groups", "The consumer groups, and how they stand", manage::list)
            .answers::<GroupsJson<'_>>(),
        post(ALL, "create_group", "Make a consumer group", manage::create)
            .takes::<CreateBody>()
            .example(r#"{"name":"mail","query":{"items":[{"types":["note.taken"]}]},"order":"tag:note"}"#)
            .answers::<GroupJson<'_>>()
            .may(&[Kind::GroupExists, Kind::GroupsFull]),
        get(
            "/v1/ledgers/{ledger}/groups/{group}",
            "describe_group",
            "A consumer group, and how it stands",
            manage::show,
        )
        .answers::<GroupJson<'_>>()
        .may(&[Kind::UnknownGroup]),
        post(
            "/v1/ledgers/{ledger}/groups/{group}/delete",
            "delete_group",
            "End a consumer group",
            manage::delete,
        )
        .takes::<Nothing>()
        .answers::<DeletedJson<'_>>()
        .may(&[Kind::UnknownGroup]),
    ]
}

fn steering() -> Vec<Route> {
    vec![
        post(
            "/v1/ledgers/{ledger}/groups/{group}/settings",
            "set_group_settings",
            "Change how fast, how often and how much a group delivers",
            manage::set,
        )
        .takes::<ChangePace>()
        .example(r#"{"attempts_max":5}"#)
        .answers::<GroupJson<'_>>()
        .may(&[Kind::UnknownGroup]),
        post(
            "/v1/ledgers/{ledger}/groups/{group}/pause",
            "pause_group",
            "Deliver nothing more, until it is resumed",
            manage::pause,
        )
        .takes::<Nothing>()
        .answers::<GroupJson<'_>>()
        .may(&[Kind::UnknownGroup]),
        post(
            "/v1/ledgers/{ledger}/groups/{group}/resume",
            "resume_group",
            "Deliver again",
            manage::resume,
        )
        .takes::<Nothing>()
        .answers::<GroupJson<'_>>()
        .may(&[Kind::UnknownGroup]),
        post(
            "/v1/ledgers/{ledger}/groups/{group}/reset",
            "reset_group",
            "Forget everything, what is parked too, and begin anew somewhere",
            manage::reset,
        )
        .takes::<ResetBody>()
        .example(r#"{"to":"start"}"#)
        .answers::<GroupJson<'_>>()
        .may(&[Kind::UnknownGroup]),
    ]
}

fn consuming() -> Vec<Route> {
    vec![
        post(
            "/v1/ledgers/{ledger}/groups/{group}/next",
            "draw_events",
            "The next events for a consumer; it waits when there are none",
            consume::next,
        )
        .takes::<NextBody>()
        .example(r#"{"consumer":"worker-1","max":10,"wait_ms":20000}"#)
        .answers::<NextJson<'_>>()
        .may(&[Kind::UnknownGroup]),
        get(
            "/v1/ledgers/{ledger}/groups/{group}/deliveries",
            "follow_group",
            "Events for a consumer that stays, as they come; they are answered with POST",
            deliveries::follow,
        )
        .parameters(deliveries::PARAMETERS)
        .answers_as::<DeliveryJson<'_>>(200, "text/event-stream")
        .may(&[Kind::UnknownGroup, Kind::NotAcceptable]),
        post(
            "/v1/ledgers/{ledger}/groups/{group}/ack",
            "ack_deliveries",
            "These were handled",
            consume::ack,
        )
        .takes::<DeliveriesBody>()
        .example(r#"{"deliveries":["5f3a-1c"]}"#)
        .answers::<AckedJson>()
        .may(&[Kind::UnknownGroup]),
        post(
            "/v1/ledgers/{ledger}/groups/{group}/nack",
            "nack_deliveries",
            "These could not be handled: deliver them again, or park them",
            consume::nack,
        )
        .takes::<NackBody>()
        .example(r#"{"deliveries":["5f3a-1c"],"reason":"no such address","then":"park"}"#)
        .answers::<NackedJson>()
        .may(&[Kind::UnknownGroup]),
        post(
            "/v1/ledgers/{ledger}/groups/{group}/extend",
            "extend_deliveries",
            "These take longer: the deadline begins anew",
            consume::extend,
        )
        .takes::<DeliveriesBody>()
        .example(r#"{"deliveries":["5f3a-1c"]}"#)
        .answers::<ExtendedJson>()
        .may(&[Kind::UnknownGroup]),
    ]
}

fn about_parked() -> Vec<Route> {
    vec![
        get(
            "/v1/ledgers/{ledger}/groups/{group}/parked",
            "list_parked",
            "The parked events, in pages",
            parked::parked,
        )
        .parameters(parked::PARAMETERS)
        .answers::<ParkedPageJson<'_>>()
        .may(&[Kind::UnknownGroup]),
        post(
            "/v1/ledgers/{ledger}/groups/{group}/requeue",
            "requeue_parked",
            "Deliver parked events again, from the first attempt on",
            parked::requeue,
        )
        .takes::<PickBody>()
        .example(r#"{"all":true}"#)
        .answers::<RequeuedJson>()
        .may(&[Kind::UnknownGroup, Kind::NotParked]),
        post(
            "/v1/ledgers/{ledger}/groups/{group}/skip",
            "skip_parked",
            "Give parked events up; those behind them go on",
            parked::skip,
        )
        .takes::<PickBody>()
        .example(r#"{"position":17}"#)
        .answers::<SkippedJson>()
        .may(&[Kind::UnknownGroup, Kind::NotParked]),
    ]
}

/// Who asks what of which group.
struct Asked<B> {
    shared: Arc<Shared>,
    principal: Principal,
    id: GroupId,
    body: B,
}

impl<B: DeserializeOwned> FromRequest<Arc<Shared>> for Asked<B> {
    type Rejection = Problem;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let principal = Principal::from_request_parts(&mut parts, shared).await?;
        let path = Path::from_request_parts(&mut parts, shared).await;
        let Path((ledger, group)): Path<(String, String)> =
            path.map_err(|error| Problem::new(Kind::Malformed, error.body_text()))?;
        let body = shared.bodies.json(Request::from_parts(parts, body)).await?.read()?;
        Ok(Self { shared: Arc::clone(shared), principal, id: id(ledger, &group)?, body })
    }
}

fn id(ledger: String, group: &str) -> Result<GroupId, Problem> {
    Ok(GroupId {
        ledger,
        group: group.parse().map_err(|invalid: factum_store::Invalid| {
            Problem::invalid(invalid.field, invalid.problem)
        })?,
    })
}
