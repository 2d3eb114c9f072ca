//! Reads and heads.

use factum_store::{Direction, Head, Invalid, Position, Query, Read, Timestamp};

use crate::v1;

/// The limit of a read that has none.
pub const LIMIT_ALL: u64 = u64::MAX;

/// What a request asks to read; its limit is that of the whole answer.
///
/// # Errors
/// [`Invalid`], by the path of the field.
pub fn read(request: v1::ReadRequest) -> Result<Read, Invalid> {
    let direction = match v1::Direction::try_from(request.direction) {
        Ok(v1::Direction::Forward) => Direction::Forward,
        Ok(v1::Direction::Backward) => Direction::Backward,
        Err(_) => return Err(Invalid::new("direction", "is unknown; it is FORWARD or BACKWARD")),
    };
    let limit = request.limit.unwrap_or(LIMIT_ALL);
    Ok(Read {
        query: query(request.query)?,
        after: Position(request.after),
        up_to: request.up_to.map_or(Position::END, Position),
        direction,
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
    })
}

/// A query that may be absent: every event of the application.
fn query(query: Option<v1::Query>) -> Result<Query, Invalid> {
    query.map_or_else(|| Ok(Query::all()), Query::try_from)
}

impl v1::SubscribeRequest {
    /// What is to be followed, and after which position.
    ///
    /// # Errors
    /// [`Invalid`], by the path of the field.
    pub fn into_parts(self) -> Result<(Query, Position), Invalid> {
        Ok((query(self.query)?, Position(self.after)))
    }
}

impl v1::ReadRequest {
    /// The request for what `read` asks of a ledger.
    #[must_use]
    pub fn of(ledger: &str, read: &Read) -> Self {
        Self {
            ledger: ledger.to_owned(),
            query: Some(read.query.clone().into()),
            after: read.after.0,
            up_to: Some(read.up_to.0),
            direction: match read.direction {
                Direction::Forward => v1::Direction::Forward.into(),
                Direction::Backward => v1::Direction::Backward.into(),
            },
            limit: Some(read.limit as u64),
        }
    }
}

impl From<Head> for v1::Head {
    fn from(head: Head) -> Self {
        Self { position: head.position.0, recorded_at_micros: head.recorded_at.micros }
    }
}

impl From<v1::Head> for Head {
    fn from(head: v1::Head) -> Self {
        Self {
            position: Position(head.position),
            recorded_at: Timestamp::from_micros(head.recorded_at_micros),
        }
    }
}
