//! `/v1/ledgers/{ledger}/streams/{stream}` and `/v1/ledgers/{ledger}/compactions`: what is kept of
//! streams, and dropping the rest.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use factum::Compact;
use factum_store::{Bytes, Receipt, Revision, StreamInfo, StreamName};
use serde::{Deserialize, Deserializer};
use serde_json::{json, value::RawValue};

use super::{Shared, answer::ok, problem::Problem};
use crate::{
    access::Principal,
    api::{Change, ChangeStream},
    json,
};

/// `{"max_count": 1000}`; `null` takes a limit away, and what is not named stays as it is.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetBody {
    #[serde(default, deserialize_with = "named")]
    truncate_before: Option<Option<Revision>>,
    #[serde(default, deserialize_with = "named")]
    max_count: Option<Option<u64>>,
    #[serde(default, deserialize_with = "named")]
    max_age_seconds: Option<Option<u64>>,
    data: Option<Box<RawValue>>,
}

/// A field that is there, even as `null`.
fn named<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// A body that says nothing.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CompactBody {
    #[serde(default)]
    compress: bool,
    #[serde(default)]
    dry_run: bool,
}

/// GET: what the stream is.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, stream)): Path<(String, String)>,
) -> Result<Response, Problem> {
    ok(&json::stream(&shared.api.stream(&principal, &ledger, name(stream)?).await?))
}

/// POST `…/metadata`: how much of it is kept.
pub(crate) async fn set(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, stream)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let body = shared.bodies.json(request).await?;
    let SetBody { truncate_before, max_count, max_age_seconds, data } = body.read()?;
    for (field, limit) in [("max_count", max_count), ("max_age_seconds", max_age_seconds)] {
        if limit == Some(Some(0)) {
            return Err(Problem::invalid(field, "is 0; the least is 1"));
        }
    }
    let data = data.map(|data| Bytes::from(String::from(Box::<str>::from(data))));
    let change = Change::Set { truncate_before, max_count, max_age_seconds, data };
    changed(&shared, &principal, ledger, stream, change).await
}

/// POST `…/delete`: hides all of it; it can be written again.
pub(crate) async fn delete(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, stream)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let Nothing {} = shared.bodies.json(request).await?.read()?;
    changed(&shared, &principal, ledger, stream, Change::Delete).await
}

/// POST `…/tombstone`: ends it for ever.
pub(crate) async fn tombstone(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, stream)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let Nothing {} = shared.bodies.json(request).await?.read()?;
    changed(&shared, &principal, ledger, stream, Change::Tombstone).await
}

/// POST: drops what is hidden.
pub(crate) async fn compact(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path(ledger): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let CompactBody { compress, dry_run } = shared.bodies.json(request).await?.read()?;
    let stopping = shared.stopping.clone();
    let done =
        shared.api.compact(&principal, ledger, Compact { dry_run, compress }, stopping).await?;
    ok(&json!({
        "segments": done.segments, "done": done.done, "rewritten": done.rewritten,
        "dropped": done.dropped, "bytes_before": done.bytes_before,
        "bytes_after": done.bytes_after, "resumed_after": done.resumed_after,
        "finished": done.finished,
    }))
}

async fn changed(
    shared: &Shared,
    principal: &Principal,
    ledger: String,
    stream: String,
    change: Change,
) -> Result<Response, Problem> {
    let change = ChangeStream { ledger, stream: name(stream)?, change };
    let (receipt, info): (Receipt, StreamInfo) =
        shared.api.change_stream(principal, change).await?;
    ok(&json!({ "receipt": json::receipt(&receipt), "stream": json::stream(&info) }))
}

fn name(stream: String) -> Result<StreamName, Problem> {
    StreamName::new(stream).map_err(|invalid| Problem::invalid(invalid.field, invalid.problem))
}
