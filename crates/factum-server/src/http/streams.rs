//! `/v1/ledgers/{ledger}/streams/{stream}` and `/v1/ledgers/{ledger}/compactions`: what is kept of
//! streams, and dropping the rest.

use std::sync::Arc;

use axum::{
    extract::{Path, Request, State},
    http::{HeaderMap, HeaderValue, header},
    response::Response,
};
use factum::{Compact, Compacted};
use factum_store::{Bytes, Position, Receipt, Revision, StreamInfo, StreamName};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::{Shared, answer::ok, known::Known, problem::Problem};
use crate::{
    access::Principal,
    api::{Change, ChangeStream, version},
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

/// The header of a change that must not overwrite somebody else's.
pub(crate) const IF_MATCH: Known = Known::pattern(
    "If-Match",
    "^(\\*|\"[!#-~]+\")$",
    "change the stream only while its ETag is this",
);

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
    let info = shared.api.stream(&principal, &ledger, name(stream)?).await?;
    let mut response = ok(&StreamJson::of(&info))?;
    tag(&mut response, &info);
    Ok(response)
}

/// POST `…/metadata`: how much of it is kept.
pub(crate) async fn set(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, stream)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let if_match = if_match(request.headers())?;
    let body = shared.bodies.json(request).await?;
    let SetBody { truncate_before, max_count, max_age_seconds, data } = body.read()?;
    for (field, limit) in [("max_count", max_count), ("max_age_seconds", max_age_seconds)] {
        if limit == Some(Some(0)) {
            return Err(Problem::invalid(field, "is 0; the least is 1"));
        }
    }
    let data = data.map(|data| Bytes::from(String::from(Box::<str>::from(data))));
    let change = Change::Set { truncate_before, max_count, max_age_seconds, data };
    changed(&shared, &principal, ledger, stream, change, if_match).await
}

/// POST `…/delete`: hides all of it; it can be written again.
pub(crate) async fn delete(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, stream)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let if_match = if_match(request.headers())?;
    let Nothing {} = shared.bodies.json(request).await?.read()?;
    changed(&shared, &principal, ledger, stream, Change::Delete, if_match).await
}

/// POST `…/tombstone`: ends it for ever.
pub(crate) async fn tombstone(
    State(shared): State<Arc<Shared>>,
    principal: Principal,
    Path((ledger, stream)): Path<(String, String)>,
    request: Request,
) -> Result<Response, Problem> {
    let if_match = if_match(request.headers())?;
    let Nothing {} = shared.bodies.json(request).await?.read()?;
    changed(&shared, &principal, ledger, stream, Change::Tombstone, if_match).await
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
    if_match: Option<String>,
) -> Result<Response, Problem> {
    let change = ChangeStream { ledger, stream: name(stream)?, change, if_match };
    let (receipt, info): (Receipt, StreamInfo) =
        shared.api.change_stream(principal, change).await?;
    let changed = ChangedJson { receipt: ReceiptJson::of(&receipt), stream: StreamJson::of(&info) };
    let mut response = ok(&changed)?;
    tag(&mut response, &info);
    Ok(response)
}

/// The ETag of a stream, for If-Match.
fn tag(response: &mut Response, info: &StreamInfo) {
    if let Ok(tag) = HeaderValue::try_from(format!("\"{}\"", version(info))) {
        response.headers_mut().insert(header::ETAG, tag);
    }
}

/// The ETag that a change expects; `*` is as good as none, for every stream can be changed.
fn if_match(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return match headers.contains_key(header::IF_MATCH) {
            true => Err(Problem::invalid("If-Match", "is there twice; send it once")),
            false => Ok(None),
        };
    };
    let text = value.to_str().unwrap_or_default();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    match bare {
        Some(bare) if !bare.is_empty() && !bare.contains('"') => Ok(Some(bare.to_owned())),
        None if text == "*" => Ok(None),
        _ => Err(Problem::invalid("If-Match", "must be one ETag in quotes, or *")),
    }
}

fn name(stream: String) -> Result<StreamName, Problem> {
    StreamName::new(stream).map_err(|invalid| Problem::invalid(invalid.field, invalid.problem))
}
