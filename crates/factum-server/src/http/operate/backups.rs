//! `/v1/backups`: the backups that clients had made, and making one.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    response::Response,
};
use factum_store::Invalid;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{begun, jobs::UpToJson};
use crate::{
    access::Principal,
    api::{BackupKept, MakeBackup},
    http::{Shared, answer::ok, problem::Problem},
    json, schema,
};

/// `{"name":"nightly","compare":true}`
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MakeBackup")]
pub(super) struct MakeBody {
    /// Under which it is kept; the server knows where. 1 to 64 of a-z, 0-9, _ and -, not beginning
    /// with -. Of a backup that is there, only what is new is copied.
    #[schemars(regex(pattern = "^[a-z0-9_][a-z0-9_-]{0,63}$"))]
    name: String,
    /// Then read all of it again, and compare it with its checksums.
    #[serde(default)]
    compare: bool,
}

/// The backups, by name.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Backups")]
pub(super) struct BackupsJson {
    backups: Vec<BackupJson>,
}

/// A backup; or why it can't be used, which an interrupted one says of itself.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Backup")]
struct BackupJson {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    found: Option<FoundJson>,
}

/// What a backup holds.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "BackupFacts")]
struct FoundJson {
    #[schemars(with = "schema::Time")]
    made_at: String,
    #[schemars(with = "schema::Count")]
    bytes: u64,
    ledgers: Vec<UpToJson>,
}

impl BackupJson {
    fn of(kept: BackupKept) -> Self {
        let name = kept.name.to_string();
        match kept.found {
            Err(problem) => Self { name, problem: Some(problem), found: None },
            Ok(facts) => {
                let (made_at, bytes) = (json::time(facts.made_at), facts.bytes);
                let up_to = |ledger: factum::LedgerFacts| UpToJson {
                    name: ledger.name,
                    position: ledger.head,
                };
                let ledgers = facts.ledgers.into_iter().map(up_to).collect();
                Self { name, problem: None, found: Some(FoundJson { made_at, bytes, ledgers }) }
            }
        }
    }
}

/// GET.
pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
) -> Result<Response, Problem> {
    let backups = shared.api.backups(&principal).await?;
    ok(&BackupsJson { backups: backups.into_iter().map(BackupJson::of).collect() })
}

/// POST.
pub(super) async fn make(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    request: Request,
) -> Result<Response, Problem> {
    let MakeBody { name, compare } = shared.bodies.json(request).await?.read()?;
    let name = name
        .parse()
        .map_err(|invalid: Invalid| Problem::invalid(invalid.field, invalid.problem))?;
    let make = MakeBackup { name, compare };
    begun(&*shared.api.back_up(&principal, make, shared.stopping.clone()).await?)
}
