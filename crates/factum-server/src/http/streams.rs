//! `/v1/ledgers/{ledger}/streams/{stream}` and `/v1/ledgers/{ledger}/compactions`: what is kept of
//! streams, and dropping the rest.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    response::Response,
};
use factum::{Compact, Compacted};
use factum_store::{Bytes, Position, Receipt, Revision, StreamInfo, StreamName};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{Shared, answer::ok, problem::Problem};
use crate::{
    access::Principal,
    api::{Change, ChangeStream},
    json::{ReceiptJson, StreamJson},
    schema,
};

/// `{"max_count": 1000}`; `null` takes a limit away, and what is not named stays as it is.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "StreamMetadata")]
pub(crate) struct SetBody {
    #[serde(default, deserialize_with = "named")]
    #[schemars(with = "Option<schema::StreamRevision>")]
    truncate_before: Option<Option<Revision>>,
    #[serde(default, deserialize_with = "named")]
    #[schemars(with = "Option<schema::Positive>")]
    max_count: Option<Option<u64>>,
    #[serde(default, deserialize_with = "named")]
    #[schemars(with = "Option<schema::Positive>")]
    max_age_seconds: Option<Option<u64>>,
    #[schemars(with = "Option<schema::Json>")]
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
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// What to do beside dropping what is hidden.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Compact")]
pub(crate) struct CompactBody {
    /// Write what stays compressed.
    #[serde(default)]
    compress: bool,
    /// Only say what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// A stream that was changed, and where that was recorded.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "StreamChanged")]
pub(crate) struct ChangedJson<'a> {
    receipt: ReceiptJson<'a>,
    stream: StreamJson<'a>,
}

/// What a compaction did, or would do.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Compacted")]
pub(crate) struct CompactedJson {
    /// Closed segments in all, and those that are done.
    segments: u64,
    done: u64,
    /// Those that this run rewrote.
    rewritten: u64,
    /// Events that this run dropped.
    dropped: u64,
    bytes_before: u64,
    bytes_after: u64,
    /// Where an interrupted run had stopped, when this one went on there.
    #[schemars(with = "Option<schema::Place>")]
    resumed_after: Option<Position>,
    /// Whether all was done; not when the server was stopped meanwhile.
    finished: bool,
}

impl CompactedJson {
    fn of(compacted: &Compacted) -> Self {
        let Compacted { segments, done, rewritten, dropped, .. } = *compacted;
        let Compacted { bytes_before, bytes_after, resumed_after, finished, .. } = *compacted;
        Self {
            segments,
            done,
            rewritten,
            dropped,
            bytes_before,
            bytes_after,
            resumed_after,
            finished,
        }
    }
}

/// GET: what the stream is.
pub(crate) async fn show(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, stream)): Path<(String, String)>,
) -> Result<Response, Problem> {
    ok(&StreamJson::of(&shared.api.stream(&principal, &ledger, name(stream)?).await?))
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
    ok(&CompactedJson::of(&done))
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
    ok(&ChangedJson { receipt: ReceiptJson::of(&receipt), stream: StreamJson::of(&info) })
}

fn name(stream: String) -> Result<StreamName, Problem> {
    StreamName::new(stream).map_err(|invalid| Problem::invalid(invalid.field, invalid.problem))
}
