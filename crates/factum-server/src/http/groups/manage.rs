//! Making groups, looking at them, and steering them.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use factum_consumers::{Definition, Order, Pace};
use factum_store::{Position, Query, QueryItem};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Asked,
    answers::{DeletedJson, GroupJson, GroupsJson},
    id,
};
use crate::{
    access::Principal,
    api::{ChangePace, CreateGroup, Start},
    http::{Shared, answer::ok, problem::Problem, streams::Nothing},
    schema,
};

/// What an order looks like.
const ORDER: &str = "^(none|stream|tag:[^:\\u0000-\\u001F\\u007F-\\u009F]{1,64})$";

/// `{"name":"mail","query":{"items":[{"types":["order.placed"]}]},"order":"tag:order"}`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "CreateGroup")]
pub(crate) struct CreateBody {
    #[schemars(regex(pattern = "^[a-z0-9_][a-z0-9_-]{0,63}$"))]
    name: String,
    /// Which events; every event of the application when it is left out.
    query: Option<QueryBody>,
    /// Events that may not overtake each other: none, those of a `stream`, or those that share a tag
    /// of a kind, as in `tag:order`.
    #[serde(default)]
    #[schemars(with = "String", regex(pattern = ORDER))]
    order: Order,
    /// `start`, `now`, or a position; `start` when it is left out.
    from: Option<From>,
    #[serde(default)]
    settings: ChangePace,
}

/// Which events: those that match any of the items.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "QueryItems")]
pub(crate) struct QueryBody {
    #[schemars(with = "Vec<schema::Item>", length(min = 1, max = 256))]
    items: Vec<QueryItem>,
}

/// A position: with the first event after it. Or a word.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "Beginning")]
pub(crate) enum From {
    After(#[schemars(with = "schema::Place")] Position),
    Word(Word),
}

/// With the first event, or with what is recorded from now on.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "BeginningWord")]
pub(crate) enum Word {
    Start,
    Now,
}

/// `{"to":"start"}`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ResetGroup")]
pub(crate) struct ResetBody {
    to: From,
}

/// GET: the groups.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
) -> Result<Response, Problem> {
    let groups = shared.api.groups(&principal, &ledger).await?;
    ok(&GroupsJson { groups: groups.iter().map(GroupJson::of).collect() })
}

/// POST: a new one.
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let body: CreateBody = shared.bodies.json(request).await?.read()?;
    let CreateBody { name, query, order, from, settings } = body;
    let query = query.map_or_else(Query::all, |query| Query { items: query.items });
    let create = CreateGroup {
        id: id(ledger, &name)?,
        definition: Definition { query, order },
        pace: settings.of(Pace::default()),
        start: from.unwrap_or(From::Word(Word::Start)).into(),
    };
    ok(&GroupJson::of(&shared.api.create_group(&principal, create).await?))
}

/// GET: one of them.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, group)): Path<(String, String)>,
) -> Result<Response, Problem> {
    ok(&GroupJson::of(&shared.api.group(&principal, &id(ledger, &group)?).await?))
}

/// POST `…/settings`.
pub(super) async fn set(
    Asked { shared, principal, id, body }: Asked<ChangePace>,
) -> Result<Response, Problem> {
    ok(&GroupJson::of(&shared.api.set_pace(&principal, &id, body).await?))
}

/// POST `…/pause`.
pub(super) async fn pause(
    Asked { shared, principal, id, .. }: Asked<Nothing>,
) -> Result<Response, Problem> {
    ok(&GroupJson::of(&shared.api.pause_group(&principal, &id, true).await?))
}

/// POST `…/resume`.
pub(super) async fn resume(
    Asked { shared, principal, id, .. }: Asked<Nothing>,
) -> Result<Response, Problem> {
    ok(&GroupJson::of(&shared.api.pause_group(&principal, &id, false).await?))
}

/// POST `…/reset`.
pub(super) async fn reset(
    Asked { shared, principal, id, body }: Asked<ResetBody>,
) -> Result<Response, Problem> {
    ok(&GroupJson::of(&shared.api.reset_group(&principal, &id, body.to.into()).await?))
}

/// POST `…/delete`.
pub(super) async fn delete(
    Asked { shared, principal, id, .. }: Asked<Nothing>,
) -> Result<Response, Problem> {
    shared.api.delete_group(&principal, &id).await?;
    ok(&DeletedJson { deleted: id.group.as_str() })
}

impl std::convert::From<From> for Start {
    fn from(from: From) -> Self {
        match from {
            From::After(position) => Self::After(position),
            From::Word(Word::Start) => Self::After(Position::START),
            From::Word(Word::Now) => Self::Now,
        }
    }
}
