//! Append in a boundary: events, unless something matches a query after a position, as clients know
//! it from the DCB specification; and with it, how far an upstream source was followed.
//!
//! A retry is known by the ids that were given: when events with just these are what stands in its
//! way, they were recorded before, and the answer is where (G5). A position beyond the head is no
//! error here: nothing is after it.

use std::{collections::BTreeMap, fmt, sync::Arc};

use factum_store::{
    Append, Condition, Conflict, EventId, EventType, Invalid, Ledger, NewEvent, Offence, Position,
    Query, Read, ReadError,
};

use super::{
    Api, ApiError,
    append::refuse_system_types,
    given::{given_id, note_ids},
    room::{events_bytes, query_bytes},
    tracking::{Tracked, Tracking},
};
use crate::{
    access::{Principal, Verb},
    observe::TraceContext,
};

/// Items of one condition. A query with more becomes several conditions.
const ITEMS_MAX: usize = 256;
/// How often an append is tried while others record of the same source, or beyond the same head.
const ATTEMPTS_MAX: usize = 16;

/// What is to be appended, and when.
#[derive(Debug)]
pub(crate) struct AppendInBoundary {
    pub(crate) ledger: String,
    /// Without any, the boundary is looked at and the tracking recorded.
    pub(crate) events: Vec<NewEvent>,
    pub(crate) boundary: Option<Boundary>,
    pub(crate) tracking: Option<Tracking>,
}

/// No event may match the query after the position.
#[derive(Clone, Debug)]
pub(crate) struct Boundary {
    pub(crate) query: Query,
    pub(crate) after: Position,
}

/// Events that match, and the ids that were given with them.
type Matches = BTreeMap<Position, (Option<EventId>, EventType)>;

/// Why nothing was appended.
#[derive(Debug)]
pub(crate) enum AppendRefused {
    /// The source was followed that far already.
    NotBeyond {
        given: Tracking,
        recorded: u64,
    },
    Api(ApiError),
}

impl AppendInBoundary {
    /// What it takes in memory beside its payload.
    pub(crate) fn parts_bytes(&self) -> usize {
        let query = self.boundary.as_ref().map_or(0, |boundary| query_bytes(&boundary.query));
        events_bytes(&self.events) + query
    }
}

impl Api {
    /// The position of the last event; [`Position::START`] when there are none to append.
    pub(crate) async fn append_in_boundary(
        &self,
        principal: &Principal,
        request: AppendInBoundary,
    ) -> Result<Position, AppendRefused> {
        let ledger = self.ledger(principal, Verb::Append, &request.ledger)?;
        refuse_system_types(&request.events)?;
        if request.boundary.is_some() || request.tracking.is_some() || request.events.is_empty() {
            return self.append_with_care(&ledger, &request, principal.trace()).await;
        }
        let mut events = request.events;
        note_ids(&mut events);
        let append = Append::new(events);
        let receipt = self.write(ledger, &request.ledger, append, principal.trace()).await?;
        Ok(receipt.last)
    }

    async fn append_with_care(
        &self,
        ledger: &Arc<dyn Ledger>,
        request: &AppendInBoundary,
        trace: Option<&TraceContext>,
    ) -> Result<Position, AppendRefused> {
        let mut last = None;
        for _ in 0..ATTEMPTS_MAX {
            let tracked = match &request.tracking {
                Some(tracking) => Some(self.look_at_source(ledger, tracking.source.clone()).await?),
                None => None,
            };
            if let Some(answer) = request.without_writing(tracked.as_ref()) {
                return self.only_look(ledger, request, answer).await;
            }
            let head = ledger.head().await.map_err(ApiError::from)?.position;
            let append = request.to_append(tracked.as_ref(), head)?;
            let written = self.write(Arc::clone(ledger), &request.ledger, append, trace).await;
            let conflict = match written {
                Ok(_) if request.events.is_empty() => return Ok(Position::START),
                Ok(receipt) => return Ok(receipt.last),
                Err(ApiError::Conflict(conflict)) => conflict,
                Err(error) => return Err(error.into()),
            };
            match &request.boundary {
                Some(boundary) if boundary.is_broken(&conflict) => {
                    return self.recorded_before(ledger, request, boundary, conflict).await;
                }
                // Others were faster: look again.
                _ => last = Some(conflict),
            }
        }
        let busy = ApiError::Busy { what: "appends that track one source" };
        Err(last.map_or(busy, ApiError::Conflict).into())
    }

    /// What there is to say when nothing is to be written, unless the boundary says something else.
    async fn only_look(
        &self,
        ledger: &Arc<dyn Ledger>,
        request: &AppendInBoundary,
        answer: Result<Position, AppendRefused>,
    ) -> Result<Position, AppendRefused> {
        let Some(boundary) = &request.boundary else { return answer };
        let found = self.matching(ledger, boundary, Conflict::OFFENDING_MAX).await?;
        if found.is_empty() {
            return answer;
        }
        let head = ledger.head().await.map_err(ApiError::from)?.position;
        let Boundary { query, after } = boundary.clone();
        let offending =
            found.into_iter().map(|(position, (_, event_type))| Offence { position, event_type });
        let conflict = Conflict {
            index: 0,
            failed: Condition::NoMatch { query, after },
            head,
            revision: None,
            state: None,
            offending: offending.collect(),
        };
        self.recorded_before(ledger, request, boundary, Box::new(conflict)).await
    }

    /// Where the events are, if they are just what stands in their own way.
    async fn recorded_before(
        &self,
        ledger: &Arc<dyn Ledger>,
        request: &AppendInBoundary,
        boundary: &Boundary,
        conflict: Box<Conflict>,
    ) -> Result<Position, AppendRefused> {
        let ids: Vec<_> = request.events.iter().map(|event| event.id).collect();
        if ids.is_empty() || ids.contains(&None) {
            return Err(ApiError::Conflict(conflict).into());
        }
        let found = self.matching(ledger, boundary, ids.len()).await?;
        let same = found.values().map(|(id, _)| id).eq(&ids);
        match found.last_key_value() {
            Some((last, _)) if same => Ok(*last),
            _ => Err(ApiError::Conflict(conflict).into()),
        }
    }

    /// The first events that match, at most so many.
    async fn matching(
        &self,
        ledger: &Arc<dyn Ledger>,
        boundary: &Boundary,
        limit: usize,
    ) -> Result<Matches, ApiError> {
        let reads = boundary.parts().map(|part| Read::new(part).after(boundary.after).limit(limit));
        let (ledger, reads) = (Arc::clone(ledger), reads.collect::<Vec<_>>());
        let found = async move {
            let mut found = BTreeMap::new();
            for read in reads {
                first(&*ledger, read, limit, &mut found).await?;
            }
            Ok::<_, ReadError>(found)
        };
        Ok(self.bulkheads.queries.run(found).await??)
    }
}

/// Adds the first events that a read finds to those that others found, and keeps the first of all.
async fn first(
    ledger: &dyn Ledger,
    read: Read,
    limit: usize,
    found: &mut Matches,
) -> Result<(), ReadError> {
    let (mut next, mut left) = (Some(read), limit);
    while let Some(read) = next.take().filter(|_| left > 0) {
        let page = ledger.read(read.limit(left)).await?;
        left -= page.events.len().min(left);
        next = page.next;
        let matches = page.events.into_iter().map(|e| (e.position, (given_id(&e), e.event_type)));
        found.extend(matches);
        while found.len() > limit {
            found.pop_last();
        }
    }
    Ok(())
}

impl AppendInBoundary {
    /// The answer, where there is nothing to write.
    fn without_writing(
        &self,
        tracked: Option<&Tracked>,
    ) -> Option<Result<Position, AppendRefused>> {
        let Some(tracking) = &self.tracking else {
            return self.events.is_empty().then_some(Ok(Position::START));
        };
        let recorded = tracked?.position.filter(|recorded| tracking.position <= *recorded)?;
        Some(Err(AppendRefused::NotBeyond { given: tracking.clone(), recorded }))
    }

    fn to_append(&self, tracked: Option<&Tracked>, head: Position) -> Result<Append, Invalid> {
        let mut append = Append::new(self.events.iter().cloned());
        if let Some(boundary) = &self.boundary {
            let after = boundary.after.min(head);
            let conditions = boundary.parts().map(|query| Condition::NoMatch { query, after });
            append.conditions.extend(conditions);
        }
        note_ids(&mut append.events);
        if let (Some(tracking), Some(tracked)) = (&self.tracking, tracked) {
            append.conditions.push(tracking.guard(tracked)?);
            tracking.note(&mut append.events)?;
        }
        Ok(append)
    }
}

impl Boundary {
    /// The query in parts that a ledger takes: none matches unless the whole does.
    fn parts(&self) -> impl Iterator<Item = Query> + '_ {
        self.query.items.chunks(ITEMS_MAX).map(|items| Query { items: items.to_vec() })
    }

    /// Whether a conflict is about the boundary, and not about the guard that comes after it, or
    /// about what was recorded before `after` while that was still beyond the head.
    fn is_broken(&self, conflict: &Conflict) -> bool {
        conflict.index < self.parts().count()
            && conflict.offending.iter().any(|offence| offence.position > self.after)
    }
}

impl fmt::Display for AppendRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBeyond { given: Tracking { source, position }, recorded } => write!(
                f,
                "the tracking position {position} of source {source:?} is not beyond {recorded}, \
                 which is recorded; what comes after that is to be recorded next"
            ),
            Self::Api(error) => write!(f, "{error:?}"),
        }
    }
}

impl<E: Into<ApiError>> From<E> for AppendRefused {
    fn from(error: E) -> Self {
        Self::Api(error.into())
    }
}
