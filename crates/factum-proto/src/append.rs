//! Appends: their conditions, keys and receipts.

use factum_store::{
    Append, ByteString, Condition, EventId, ExpectedRevision, IdempotencyKey, Invalid, NewEvent,
    Position, Query, Receipt, RequestHash, Revision, StreamName, Timestamp,
};

use crate::{event::names, v1};

/// The operation of a key that names none.
const APPEND: &str = "append";

/// A key as a client says it. Whose it is, is said by who is authenticated, too; what it stands for
/// may be left to the server to hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyed {
    /// On whose behalf the client asks.
    pub principal: ByteString,
    /// What the key is for.
    pub operation: ByteString,
    /// The key itself.
    pub key: ByteString,
    /// What it stands for; `None` leaves it to the server.
    pub request: Option<RequestHash>,
}

/// The append that a request asks for, and its key.
///
/// # Errors
/// [`Invalid`], by the path of the field.
pub fn append(
    events: Vec<v1::NewEvent>,
    conditions: Vec<v1::Condition>,
    key: Option<v1::Key>,
) -> Result<(Append, Option<Keyed>), Invalid> {
    let events = events.into_iter().enumerate().map(|(i, event)| {
        NewEvent::try_from(event).map_err(|invalid| invalid.within(&format!("events[{i}]")))
    });
    let events = events.collect::<Result<_, _>>()?;
    let conditions = conditions.into_iter().enumerate().map(|(i, condition)| {
        Condition::try_from(condition)
            .map_err(|invalid| invalid.within(&format!("conditions[{i}]")))
    });
    let conditions = conditions.collect::<Result<_, _>>()?;
    let key = key.map(Keyed::try_from).transpose()?;
    Ok((Append { events, conditions, key: None }, key))
}

impl From<Condition> for v1::Condition {
    fn from(condition: Condition) -> Self {
        use v1::{Expected, condition::Condition as Wire};
        let condition = match condition {
            Condition::Revision { stream, expected } => {
                let (expected, revision) = match expected {
                    ExpectedRevision::Any => (Expected::Any, 0),
                    ExpectedRevision::None => (Expected::None, 0),
                    ExpectedRevision::Exists => (Expected::Exists, 0),
                    ExpectedRevision::Exactly(revision) => (Expected::Exactly, revision.0),
                };
                let (stream, expected) = (stream.into(), expected.into());
                Wire::Revision(v1::RevisionCondition { stream, expected, revision })
            }
            Condition::NoMatch { query, after } => {
                Wire::NoMatch(v1::NoMatchCondition { query: Some(query.into()), after: after.0 })
            }
        };
        Self { condition: Some(condition) }
    }
}

impl TryFrom<v1::Condition> for Condition {
    type Error = Invalid;

    fn try_from(condition: v1::Condition) -> Result<Self, Invalid> {
        use v1::condition::Condition as Wire;
        match condition.condition {
            Some(Wire::Revision(condition)) => Ok(Self::Revision {
                expected: expected(&condition)?,
                stream: StreamName::new(condition.stream)?,
            }),
            Some(Wire::NoMatch(v1::NoMatchCondition { query: Some(query), after })) => {
                let query = Query::try_from(query).map_err(|invalid| invalid.within("query"))?;
                Ok(Self::NoMatch { query, after: Position(after) })
            }
            Some(Wire::NoMatch(_)) => {
                Err(Invalid::new("query", "is missing; say what must not be there"))
            }
            None => Err(Invalid::new("condition", "is missing; it is revision or no_match")),
        }
    }
}

fn expected(condition: &v1::RevisionCondition) -> Result<ExpectedRevision, Invalid> {
    match v1::Expected::try_from(condition.expected) {
        Ok(v1::Expected::Any) => Ok(ExpectedRevision::Any),
        Ok(v1::Expected::None) => Ok(ExpectedRevision::None),
        Ok(v1::Expected::Exists) => Ok(ExpectedRevision::Exists),
        Ok(v1::Expected::Exactly) => Ok(ExpectedRevision::Exactly(Revision(condition.revision))),
        Ok(v1::Expected::Unspecified) | Err(_) => {
            let problem = "is missing or unknown; it is ANY, NONE, EXISTS or EXACTLY";
            Err(Invalid::new("expected", problem))
        }
    }
}

impl From<IdempotencyKey> for v1::Key {
    fn from(key: IdempotencyKey) -> Self {
        Self {
            principal: key.principal.into(),
            operation: Some(key.operation.into()),
            key: key.key.into(),
            request_hash: Some(key.request.0.to_vec().into()),
        }
    }
}

impl TryFrom<v1::Key> for Keyed {
    type Error = Invalid;

    fn try_from(key: v1::Key) -> Result<Self, Invalid> {
        let request = key.request_hash.map(|hash| <[u8; 32]>::try_from(&hash[..]).map(RequestHash));
        let request = request.transpose().map_err(|_| {
            Invalid::new("key.request_hash", "has not 32 bytes; leave it out, or hash to 256 bits")
        })?;
        Ok(Self {
            principal: key.principal.into(),
            operation: key.operation.map_or(ByteString::from_static(APPEND), Into::into),
            key: key.key.into(),
            request,
        })
    }
}

impl From<Receipt> for v1::Receipt {
    fn from(receipt: Receipt) -> Self {
        Self {
            first: receipt.first.0,
            last: receipt.last.0,
            recorded_at_micros: receipt.recorded_at.micros,
            ids: receipt.ids.iter().map(EventId::to_string).collect(),
            replayed: receipt.replayed,
        }
    }
}

impl TryFrom<v1::Receipt> for Receipt {
    type Error = Invalid;

    fn try_from(receipt: v1::Receipt) -> Result<Self, Invalid> {
        Ok(Self {
            first: Position(receipt.first),
            last: Position(receipt.last),
            recorded_at: Timestamp::from_micros(receipt.recorded_at_micros),
            ids: names("ids", receipt.ids, |id| id.parse())?,
            replayed: receipt.replayed,
        })
    }
}
