//! Every "no" that HTTP can answer, in one table, and the document that says it (RFC 9457).
//!
//! The slugs and statuses are part of the interface and never change their meaning.

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::fault::ConflictJson;
use crate::{json::ReceiptJson, schema};

/// What kind of problem it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    UnknownRoute,
    UnknownLedger,
    UnknownCommand,
    UnknownView,
    UnknownFold,
    UnknownKey,
    UnknownGroup,
    NotParked,
    GroupExists,
    GroupsFull,
    UnknownEvent,
    UnknownReceipt,
    MethodNotAllowed,
    Malformed,
    Invalid,
    UnknownParameter,
    BodyTooLarge,
    BodyTooSlow,
    UnsupportedMediaType,
    NotAcceptable,
    HostNotAllowed,
    OriginNotAllowed,
    Unauthenticated,
    Forbidden,
    UnknownToken,
    UnknownJob,
    NotSetUp,
    Refused,
    Conflict,
    Contended,
    Changed,
    Exists,
    InUse,
    KeyReused,
    StreamEnded,
    ViewBehind,
    Busy,
    NotReady,
    Unavailable,
    OutcomeUnknown,
    ReadOnly,
    Full,
    Damaged,
    Bug,
}

/// One row of the table.
#[derive(Clone, Copy, Serialize, JsonSchema)]
pub(crate) struct ProblemType {
    #[serde(skip)]
    pub(crate) kind: Kind,
    /// The last part of the type's URI reference.
    #[serde(skip)]
    pub(crate) slug: &'static str,
    pub(crate) status: u16,
    pub(crate) title: &'static str,
    /// What it means, and what to try.
    pub(crate) explanation: &'static str,
}

const fn row(
    kind: Kind,
    slug: &'static str,
    status: u16,
    title: &'static str,
    explanation: &'static str,
) -> ProblemType {
    ProblemType { kind, slug, status, title, explanation }
}

/// The table. Rows stand in the order of [`Kind`].
#[rustfmt::skip]
pub(crate) const TYPES: [ProblemType; 44] = [
    row(Kind::UnknownRoute, "unknown-route", 404, "There is nothing at this address",
        "GET / lists every route."),
    row(Kind::UnknownLedger, "unknown-ledger", 404, "There is no such ledger",
        "GET /v1/ledgers lists those there are."),
    row(Kind::UnknownCommand, "unknown-command", 404, "The ledger's application has no such command",
        "GET /v1/ledgers/{ledger}/commands lists them with their fields and refusals."),
    row(Kind::UnknownView, "unknown-view", 404, "The ledger's application has no such view",
        "GET /v1/ledgers/{ledger}/views lists those there are."),
    row(Kind::UnknownFold, "unknown-fold", 404, "The ledger's application has no such fold",
        "GET /v1/ledgers/{ledger}/folds lists those there are."),
    row(Kind::UnknownKey, "unknown-key", 404, "The view has no row under this key",
        "`position` says what the view had seen. A row that a command of yours made is there once \
         the view has seen it: pass the receipt's `last` as `after`."),
    row(Kind::UnknownGroup, "unknown-group", 404, "The ledger has no such consumer group",
        "GET /v1/ledgers/{ledger}/groups lists those there are."),
    row(Kind::NotParked, "not-parked", 404, "No event is parked there",
        "GET /v1/ledgers/{ledger}/groups/{group}/parked lists those that are. Nothing was changed."),
    row(Kind::GroupExists, "group-exists", 409, "The ledger has a consumer group of this name",
        "Nothing was changed. Use another name, or the group that is there."),
    row(Kind::GroupsFull, "groups-full", 409, "The ledger has as many consumer groups as it may",
        "Nothing was changed. Delete a group that nobody needs."),
    row(Kind::UnknownEvent, "unknown-event", 404, "The ledger has no such event",
        "Nothing with this id, or at this position, is recorded, or it was dropped."),
    row(Kind::UnknownReceipt, "unknown-receipt", 404, "The key was never used",
        "Nothing was recorded under this Idempotency-Key for this operation by whoever asks: the \
         request can be sent again."),
    row(Kind::MethodNotAllowed, "method-not-allowed", 405, "The address does not take this method",
        "The Allow header lists the methods that it takes."),
    row(Kind::Malformed, "malformed", 400, "The request can't be read",
        "Its address, its headers or its body is not what its form says it is: percent-encoding, \
         UTF-8, JSON. `detail` says where."),
    row(Kind::Invalid, "invalid", 400, "A part of the request is not acceptable",
        "`field` names the part and `detail` what is wrong with it, with the limit if there is \
         one. Nothing was changed."),
    row(Kind::UnknownParameter, "unknown-parameter", 400, "The address has no such parameter",
        "`field` names it and `detail` lists those there are. It is refused rather than ignored, \
         so that a misspelt filter never answers with everything."),
    row(Kind::BodyTooLarge, "body-too-large", 413, "The body is too large",
        "`detail` says the limit. Send less, in several requests."),
    row(Kind::BodyTooSlow, "body-too-slow", 408, "The body did not arrive in time",
        "Send the request again; nothing was changed."),
    row(Kind::UnsupportedMediaType, "unsupported-media-type", 415, "The body must be JSON",
        "Send the header Content-Type: application/json."),
    row(Kind::NotAcceptable, "not-acceptable", 406, "The answer is in a form that was not asked for",
        "`detail` says which Accept header is needed: a stream without end is for who asks for one."),
    row(Kind::HostNotAllowed, "host-not-allowed", 403, "The Host header does not name this server",
        "A page of another site could otherwise reach a server on this machine through a name of \
         its own (DNS rebinding). Use localhost, or the address that the server listens on."),
    row(Kind::OriginNotAllowed, "origin-not-allowed", 403, "Pages of other sites may not ask",
        "The Origin header must be the server's own address."),
    row(Kind::Unauthenticated, "unauthenticated", 401, "Who asks is not known",
        "Send the header Authorization: Bearer TOKEN, with a token that is good. Whether one is \
         missing, wrong, expired or revoked is answered in the same way, whatever was asked for."),
    row(Kind::Forbidden, "forbidden", 403, "Who asks may not do this",
        "`detail` says what. An administrator can give a token more rights: factum token create."),
    row(Kind::UnknownToken, "unknown-token", 404, "There is no token of this id",
        "GET /v1/tokens lists those there are."),
    row(Kind::UnknownJob, "unknown-job", 404, "There is no such job, or none that you may see",
        "GET /v1/jobs lists those there are. The server keeps the last 100, until it ends."),
    row(Kind::NotSetUp, "not-set-up", 409, "The server is not set up for this",
        "Nothing was changed. `detail` says which setting is missing or does not fit."),
    row(Kind::Refused, "refused", 422, "The command was refused by a rule of the application",
        "`reason` is the refusal's code and `data` what belongs to it; `detail` says it in words. \
         The refusal is recorded: the same Idempotency-Key gets it again."),
    row(Kind::Conflict, "conflict", 409, "A condition of the append did not hold",
        "Nothing was written. `conflict` says which condition and what stood in its way: decide \
         again with that."),
    row(Kind::Contended, "contended", 409, "Others kept changing what the command decides on",
        "Nothing was written. Try again; with the same Idempotency-Key if you use one."),
    row(Kind::Changed, "changed", 412, "It is not as the request expects it to be",
        "Nothing was changed. `etag` is what it is now: read it again, then decide again."),
    row(Kind::Exists, "exists", 409, "There is one of this name already",
        "Nothing was changed. Use it, or choose another name."),
    row(Kind::InUse, "in-use", 409, "Somebody works with it",
        "Nothing was changed. Try again when those who read, follow or compact it have ended."),
    row(Kind::KeyReused, "key-reused", 422, "The Idempotency-Key was used for another request",
        "Nothing was written. A key stands for one request for as long as its events are kept: \
         use a new key for a new request."),
    row(Kind::StreamEnded, "stream-ended", 410, "The stream was ended for ever by a tombstone",
        "Nothing was written, and nothing ever will be under this name: use another stream."),
    row(Kind::ViewBehind, "view-behind", 503, "The view has not seen the position in time",
        "Try again: the receipt stays valid. `position` says how far the view is."),
    row(Kind::Busy, "busy", 429, "More requests of this kind, or of yours, than the server takes",
        "Nothing was changed. Try again after the time in the Retry-After header."),
    row(Kind::NotReady, "not-ready", 503, "Requests are better sent elsewhere",
        "Only /ready answers this. `detail` says why: the server stops, a ledger takes no appends \
         since a write failed, or the disk is nearly full."),
    row(Kind::Unavailable, "unavailable", 503, "What is needed can't be used now",
        "Nothing was changed. Try again later; `detail` and the server's log say more."),
    row(Kind::OutcomeUnknown, "outcome-unknown", 504, "Whether it was recorded is not known",
        "With an Idempotency-Key: send the same request again, it happens once. Without one: read \
         back before trying again."),
    row(Kind::ReadOnly, "read-only", 503, "The ledger can't be written",
        "Nothing was changed. The data directory, or its disk, takes no writes."),
    row(Kind::Full, "full", 507, "No room on the disk",
        "Nothing was acknowledged. Make room, then start the server again."),
    row(Kind::Damaged, "damaged", 500, "Bytes on disk are damaged",
        "What can't be trusted is not served. `detail` names the place; `factum verify` says more."),
    row(Kind::Bug, "bug", 500, "A mistake of the server's own",
        "It was logged. Please report it with the server's log."),
];

const _: () = {
    let mut i = 0;
    while i < TYPES.len() {
        assert!(TYPES[i].kind as usize == i, "a row stands in the wrong place");
        i += 1;
    }
};

impl Kind {
    pub(crate) fn row(self) -> &'static ProblemType {
        &TYPES[self as usize]
    }
}

impl ProblemType {
    /// The type's URI reference; a GET on it explains it.
    pub(crate) fn uri(&self) -> String {
        format!("/problems/{}", self.slug)
    }
}

/// What a problem document looks like. Beside the first four members there are those that belong
/// to its kind.
#[derive(JsonSchema)]
#[schemars(rename = "Problem")]
#[expect(dead_code, reason = "a document is written member by member; this describes it")]
pub(crate) struct ProblemJson {
    /// A URI reference that says what kind of problem it is; a GET on it explains it.
    #[serde(rename = "type")]
    uri: String,
    title: String,
    status: u16,
    /// What happened here, in a sentence.
    detail: String,
    /// The part of the request that is not acceptable.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// Of a refusal: its code.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Of a refusal: what belongs to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<schema::Json>,
    /// Of a refusal: where it was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    receipt: Option<ReceiptJson<'static>>,
    /// Of a refusal: whether it was recorded by an earlier request with the same key.
    #[serde(skip_serializing_if = "Option::is_none")]
    replayed: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict: Option<ConflictJson>,
    /// Of a stream that changed: its ETag now.
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
}

/// One answer of "no".
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) kind: Kind,
    detail: String,
    more: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), more: Map::new() }
    }

    /// What is wrong with one part of the request.
    pub(crate) fn invalid(field: impl Into<String>, problem: impl AsRef<str>) -> Self {
        let field = field.into();
        let detail = format!("{field} {}", problem.as_ref());
        Self::new(Kind::Invalid, detail).with("field", field)
    }

    /// The same with one more member.
    pub(crate) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }

    /// The document.
    pub(crate) fn document(&self) -> Value {
        let row = self.kind.row();
        let mut document = json!({
            "type": row.uri(), "title": row.title, "status": row.status, "detail": self.detail,
        });
        for (name, value) in &self.more {
            document[name] = value.clone();
        }
        document
    }

    pub(crate) fn log(&self) {
        let (slug, detail) = (self.kind.row().slug, self.detail.as_str());
        if self.kind.row().status >= 500 {
            tracing::warn!(problem = slug, "{detail:?}");
        } else {
            tracing::debug!(problem = slug, "{detail:?}");
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.log();
        let status = StatusCode::from_u16(self.kind.row().status).unwrap_or_default();
        let mut response = Response::new(Body::from(self.document().to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if matches!(status.as_u16(), 429 | 503) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_own_slug_and_says_no() {
        for (i, row) in TYPES.iter().enumerate() {
            assert!(StatusCode::from_u16(row.status).is_ok_and(|s| s.as_u16() >= 400));
            assert!(TYPES[..i].iter().all(|earlier| earlier.slug != row.slug));
        }
    }
}
