//! `/v1/tokens`: who may what. A secret is in the answer that makes it, and nowhere else.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use factum_store::{Invalid, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Shared, answer::ok, problem::Problem, streams::Nothing};
use crate::{
    access::{Identity, NewToken, Principal, Right, TokenId},
    json::TokenJson,
    schema,
};

/// A token that is to be made.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewToken")]
pub(crate) struct CreateBody {
    /// Who will have it: 1 to 64 of a-z, 0-9, ., _ and -.
    name: String,
    /// What it allows.
    rights: Vec<Right>,
    /// The certificate that will be shown instead of a secret: sha256:, uri:, dns:, email: or cn: and
    /// what it has there.
    #[serde(default)]
    #[schemars(with = "Option<schema::Name>")]
    certificate: Option<String>,
    /// From when on it is worth nothing.
    #[serde(default)]
    #[schemars(with = "Option<schema::Time>")]
    expires_at: Option<String>,
}

/// A new secret for a token.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Rotate")]
pub(crate) struct RotateBody {
    /// How long the secret before it is good, too.
    #[serde(default)]
    #[schemars(with = "schema::Count")]
    grace_seconds: u64,
}

/// The tokens, oldest first.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Tokens")]
pub(crate) struct TokensJson<'a> {
    tokens: Vec<TokenJson<'a>>,
}

/// GET: all of them.
pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
) -> Result<Response, Problem> {
    let tokens = shared.api.tokens(&principal)?;
    let tokens = tokens.iter().map(|token| TokenJson::of(token, None)).collect();
    ok(&TokensJson { tokens })
}

/// GET: one of them.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    ok(&TokenJson::of(&shared.api.token(&principal, token_id(&id)?)?, None))
}

/// POST: a new one.
pub(crate) async fn create(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    request: Request,
) -> Result<Response, Problem> {
    let body = shared.bodies.json(request).await?;
    let CreateBody { name, rights, certificate, expires_at } = body.read()?;
    let certificate = certificate.map(|text| text.parse::<Identity>().map_err(invalid));
    let certificate = certificate.transpose()?;
    let expires_at = expires_at.map(moment).transpose()?;
    let new = NewToken { name, rights, certificate, expires_at };
    let (token, secret) = shared.api.create_token(&principal, new).await?;
    ok(&TokenJson::of(&token, secret.as_ref()))
}

/// POST `…/rotate`: a new secret for it.
pub(crate) async fn rotate(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let RotateBody { grace_seconds } = shared.bodies.json(request).await?.read()?;
    let grace = Duration::from_secs(grace_seconds);
    let (token, secret) = shared.api.rotate_token(&principal, token_id(&id)?, grace).await?;
    ok(&TokenJson::of(&token, Some(&secret)))
}

/// POST `…/revoke`: makes it worthless.
pub(crate) async fn revoke(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(id): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let Nothing {} = shared.bodies.json(request).await?.read()?;
    ok(&TokenJson::of(&shared.api.revoke_token(&principal, token_id(&id)?).await?, None))
}

fn token_id(text: &str) -> Result<TokenId, Problem> {
    text.parse().map_err(invalid)
}

fn invalid(invalid: Invalid) -> Problem {
    Problem::invalid(invalid.field, invalid.problem)
}

fn moment(text: String) -> Result<Timestamp, Problem> {
    let time = text.parse::<jiff::Timestamp>().ok();
    let micros = time.and_then(|time| u64::try_from(time.as_microsecond()).ok());
    micros.map(Timestamp::from_micros).ok_or_else(|| {
        Problem::invalid("expires_at", "is no RFC 3339 time, such as 2027-01-31T12:00:00Z")
    })
}
