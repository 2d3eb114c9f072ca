//! [`MemoryLedger`]: a vector of events behind a lock.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use event_listener::{Event, EventListener};
use futures_core::Stream;

use crate::{
    Append, AppendError, BoxFuture, BoxStream, Condition, Conflict, Direction, EventId, Head,
    IdempotencyKey, Invalid, Ledger, Limits, NewEvent, Offence, Page, Position, Query, Read,
    ReadError, Receipt, RecordedEvent, Revision, Signal, StreamInfo, StreamMetadata, StreamName,
    StreamPlace, StreamState, Subscribe, Timestamp, refused_subscription,
};

/// A ledger in memory.
#[derive(Clone, Default)]
pub struct MemoryLedger {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    limits: Limits,
    grown: Event,
}

#[derive(Default)]
struct State {
    events: Vec<RecordedEvent>,
    keys: Vec<(IdempotencyKey, Receipt)>,
    now: Option<Timestamp>,
}

impl MemoryLedger {
    /// An empty ledger.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the time that the next events are recorded at, and by which events grow old. Without it,
    /// each event is recorded one second after the one before. Time never goes back.
    pub fn set_time(&self, now: Timestamp) {
        self.shared.lock().now = Some(now);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn append(&self, append: &Append) -> Result<Receipt, AppendError> {
        self.limits.check_append(append)?;
        let mut state = self.lock();
        if let Some(key) = &append.key
            && let Some(receipt) = state.receipt(key)?
        {
            return Ok(receipt);
        }
        state.check_ended(&append.events)?;
        state.check(&append.conditions)?;
        let receipt = state.record(&append.events);
        if let Some(key) = &append.key {
            state.keys.push((key.clone(), receipt.clone()));
        }
        drop(state);
        self.grown.notify(usize::MAX);
        Ok(receipt)
    }
}

impl State {
    fn head(&self) -> Head {
        self.events.last().map_or_else(Head::default, |last| Head {
            position: last.position,
            recorded_at: last.recorded_at,
        })
    }

    fn last(&self, stream: &StreamName) -> Option<&RecordedEvent> {
        let is_in = |event: &&RecordedEvent| {
            event.stream.as_ref().is_some_and(|place| place.name == *stream)
        };
        self.events.iter().rev().find(is_in)
    }

    fn revision(&self, stream: &StreamName) -> Option<Revision> {
        Some(self.last(stream)?.stream.as_ref()?.revision)
    }

    fn info(&self, stream: &StreamName) -> StreamInfo {
        let said = stream.metadata_stream().ok().and_then(|metadata| self.last(&metadata));
        StreamInfo {
            stream: stream.clone(),
            last: self.revision(stream),
            tombstoned: self.last(stream).is_some_and(|last| last.event_type.is_tombstone()),
            // A ledger lets in only what can be read.
            metadata: said.and_then(|event| StreamMetadata::of(event).ok()).unwrap_or_default(),
            metadata_revision: said.and_then(|event| Some(event.stream.as_ref()?.revision)),
        }
    }

    /// Whether a query finds an event: an item that names a stream finds what is visible of it.
    fn finds(&self, query: &Query, event: &RecordedEvent) -> bool {
        let visible = || {
            let Some(place) = &event.stream else { return true };
            let now = self.now.unwrap_or_default().max(self.head().recorded_at);
            self.info(&place.name).window(now).shows(place.revision, event.recorded_at)
        };
        query.items.iter().any(|item| {
            Query::from(item.clone()).matches(event) && (item.stream.is_none() || visible())
        })
    }

    fn receipt(&self, key: &IdempotencyKey) -> Result<Option<Receipt>, AppendError> {
        let same = |k: &IdempotencyKey| {
            (&k.principal, &k.operation, &k.key) == (&key.principal, &key.operation, &key.key)
        };
        let Some((earlier, receipt)) = self.keys.iter().find(|(k, _)| same(k)) else {
            return Ok(None);
        };
        if earlier.request != key.request {
            let key = key.key.to_string();
            return Err(AppendError::KeyReused { key, position: receipt.first });
        }
        Ok(Some(Receipt { replayed: true, ..receipt.clone() }))
    }

    fn check_ended(&self, events: &[NewEvent]) -> Result<(), AppendError> {
        for stream in events.iter().filter_map(|event| event.stream.as_ref()) {
            let info = self.info(stream);
            if let (StreamState::Tombstoned, Some(revision)) = (info.state(), info.last) {
                let stream = stream.clone();
                return Err(AppendError::StreamTombstoned { stream, revision });
            }
        }
        Ok(())
    }

    fn check(&self, conditions: &[Condition]) -> Result<(), AppendError> {
        for (index, condition) in conditions.iter().enumerate() {
            let (stream, offending) = match condition {
                Condition::Revision { stream, expected } => {
                    let info = self.info(stream);
                    if expected.holds(info.last, info.state()) {
                        continue;
                    }
                    (Some(info), Vec::new())
                }
                Condition::NoMatch { query, after } => {
                    if *after > self.head().position {
                        let problem =
                            format!("is {after}, beyond the head {}", self.head().position);
                        return Err(
                            Invalid::new(format!("conditions[{index}].after"), problem).into()
                        );
                    }
                    let later = self.events.iter().filter(|event| event.position > *after);
                    let offending: Vec<_> = later
                        .filter(|event| query.matches(event))
                        .take(Conflict::OFFENDING_MAX)
                        .map(|event| Offence {
                            position: event.position,
                            event_type: event.event_type.clone(),
                        })
                        .collect();
                    if offending.is_empty() {
                        continue;
                    }
                    (None, offending)
                }
            };
            let (failed, head) = (condition.clone(), self.head().position);
            let revision = stream.as_ref().and_then(|info| info.last);
            let state = stream.as_ref().map(StreamInfo::state);
            let conflict = Conflict { index, failed, head, revision, state, offending };
            return Err(AppendError::Conflict(Box::new(conflict)));
        }
        Ok(())
    }

    fn record(&mut self, events: &[NewEvent]) -> Receipt {
        let before = self.head();
        let next_second = before.recorded_at.micros + 1_000_000;
        let recorded_at =
            self.now.unwrap_or(Timestamp::from_micros(next_second)).max(before.recorded_at);
        for event in events {
            let position = self.head().position.next();
            let id = event.id.unwrap_or(EventId(uuid::Uuid::from_u128(position.0.into())));
            let stream = event.stream.clone().map(|name| {
                let revision = self.revision(&name).map_or(Revision(0), Revision::next);
                StreamPlace { name, revision }
            });
            self.events.push(RecordedEvent {
                position,
                recorded_at,
                id,
                stream,
                event_type: event.event_type.clone(),
                tags: event.tags.clone(),
                data: event.data.clone(),
                content_type: event.content_type.clone(),
                metadata: event.metadata.clone(),
                envelope: event.envelope.clone(),
            });
        }
        let (first, last) = (before.position.next(), self.head().position);
        let ids = self.events.iter().filter(|e| e.position >= first).map(|e| e.id).collect();
        Receipt { first, last, recorded_at, ids, replayed: false }
    }

    fn read(&self, read: &Read) -> Page {
        let within = |event: &&RecordedEvent| {
            event.position > read.after
                && event.position <= read.up_to
                && self.finds(&read.query, event)
        };
        let mut events: Vec<_> = match read.direction {
            Direction::Forward => self
                .events
                .iter()
                .filter(within)
                .take(read.limit.saturating_add(1))
                .cloned()
                .collect(),
            Direction::Backward => self
                .events
                .iter()
                .rev()
                .filter(within)
                .take(read.limit.saturating_add(1))
                .cloned()
                .collect(),
        };
        let next = (events.len() > read.limit).then(|| {
            events.truncate(read.limit);
            let mut next = read.clone();
            match (read.direction, events.last()) {
                (Direction::Forward, Some(last)) => next.after = last.position,
                (Direction::Backward, Some(last)) => next.up_to = last.position.prev(),
                (_, None) => {}
            }
            next
        });
        Page { events, next, head: self.head() }
    }
}

fn ready<'a, T: Send + 'a>(value: T) -> BoxFuture<'a, T> {
    Box::pin(std::future::ready(value))
}

impl Ledger for MemoryLedger {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Receipt, AppendError>> {
        ready(self.shared.append(&append))
    }

    fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
        if read.limit == 0 {
            return ready(Err(Invalid::new("limit", "is 0; it must be at least 1").into()));
        }
        let checked = self.shared.limits.check_query(&read.query);
        ready(checked.map_err(ReadError::from).map(|()| self.shared.lock().read(&read)))
    }

    fn subscribe(&self, subscribe: Subscribe) -> BoxStream<Result<Signal, ReadError>> {
        let shared = Arc::clone(&self.shared);
        let Subscribe { query, after } = subscribe;
        if let Err(invalid) = shared.limits.check_query(&query) {
            return refused_subscription(invalid.into());
        }
        Box::pin(Subscription { shared, query, looked: after, told: None, listener: None })
    }

    fn head(&self) -> BoxFuture<'_, Result<Head, ReadError>> {
        ready(Ok(self.shared.lock().head()))
    }

    fn stream(&self, stream: StreamName) -> BoxFuture<'_, Result<StreamInfo, ReadError>> {
        ready(Ok(self.shared.lock().info(&stream)))
    }

    fn event(&self, id: EventId) -> BoxFuture<'_, Result<Option<RecordedEvent>, ReadError>> {
        ready(Ok(self.shared.lock().events.iter().find(|event| event.id == id).cloned()))
    }

    fn receipt(&self, key: IdempotencyKey) -> BoxFuture<'_, Result<Option<Receipt>, AppendError>> {
        ready(self.shared.lock().receipt(&key))
    }

    fn position_at(&self, time: Timestamp) -> BoxFuture<'_, Result<Position, ReadError>> {
        let state = self.shared.lock();
        let earlier = state.events.iter().rev().find(|event| event.recorded_at <= time);
        ready(Ok(earlier.map_or(Position::START, |event| event.position)))
    }
}

struct Subscription {
    shared: Arc<Shared>,
    query: Query,
    looked: Position,
    told: Option<Position>,
    listener: Option<Pin<Box<EventListener>>>,
}

impl Subscription {
    /// What there is to say now, if anything.
    fn next(&mut self) -> Option<Signal> {
        let state = self.shared.lock();
        let head = state.head();
        let mut skipped = 0;
        let after = self.looked;
        for event in state.events.iter().filter(|event| event.position > after) {
            self.looked = event.position;
            if state.finds(&self.query, event) {
                return Some(Signal::Event(Box::new(event.clone())));
            }
            skipped += 1;
            if skipped == Signal::PROGRESS_EVERY {
                return Some(Signal::Progress(self.looked));
            }
        }
        (self.told != Some(head.position)).then(|| {
            self.told = Some(head.position);
            Signal::CaughtUp(head)
        })
    }
}

impl Stream for Subscription {
    type Item = Result<Signal, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(signal) = self.next() {
                self.listener = None;
                return Poll::Ready(Some(Ok(signal)));
            }
            // Listen first, then look again: what is appended in between is not missed.
            match &mut self.listener {
                None => self.listener = Some(Box::pin(self.shared.grown.listen())),
                Some(listener) => match listener.as_mut().poll(cx) {
                    Poll::Ready(()) => self.listener = None,
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
    }
}
