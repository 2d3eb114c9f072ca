//! Events, encoded where they were read, straight from what was read.

use bytes::{BufMut, BytesMut};
use factum_store::{EventId, RecordedEvent};

use super::{
    notes::Notes,
    status,
    wire::{Encoded, delimited_len, number_len, put_bytes, put_delimiter, put_number},
};

/// Bytes of one answer: what the clients take is 4 MiB.
const ANSWER_BYTES_MAX: usize = 7 << 19;
const EVENT_BYTES_MAX: usize = (4 << 20) - 64;

/// An answer, and the position of its last event.
pub(super) type Answer = Result<(Encoded, Option<u64>), tonic::Status>;

/// The events as answers of at most so many events each, and none too large for a client.
/// `head` says of the last event's position what the answer's head is.
pub(super) fn answers(
    events: &[RecordedEvent],
    batch: usize,
    head: impl Fn(u64) -> Option<u64>,
) -> Vec<Answer> {
    let mut answers = Vec::with_capacity(1);
    for events in events.chunks(batch.max(1)) {
        let (mut out, mut last) = (BytesMut::with_capacity(room(events)), None);
        for event in events {
            let known = Known::of(event);
            let len = known.len();
            if len > EVENT_BYTES_MAX {
                answers.extend(finish(&mut out, last, &head));
                answers.push(Err(status::too_large(event.position.0, len)));
                return answers;
            }
            if !out.is_empty() && out.len() + delimited_len(len) > ANSWER_BYTES_MAX {
                answers.extend(finish(&mut out, last, &head));
            }
            known.put(&mut out, len);
            last = Some(event.position.0);
        }
        answers.extend(finish(&mut out, last, &head));
    }
    answers
}

/// An answer without events.
pub(super) fn nothing(head: Option<u64>) -> Encoded {
    let mut out = BytesMut::new();
    if let Some(head) = head {
        put_number(&mut out, HEAD, head);
    }
    Encoded(out.freeze())
}

fn finish(
    out: &mut BytesMut,
    last: Option<u64>,
    head: impl Fn(u64) -> Option<u64>,
) -> Option<Answer> {
    let last = last.filter(|_| !out.is_empty())?;
    if let Some(head) = head(last) {
        put_number(out, HEAD, head);
    }
    Some(Ok((Encoded(out.split().freeze()), Some(last))))
}

/// Bytes to begin with. What is missing is added as it is needed.
fn room(events: &[RecordedEvent]) -> usize {
    let data: usize = events.iter().map(|event| event.data.len() + 128).sum();
    data.min(ANSWER_BYTES_MAX)
}

// Fields, by the messages of `dcb.proto`.
const EVENTS: u8 = 1;
const HEAD: u8 = 2;
const POSITION: u8 = 1;
const EVENT: u8 = 2;
const TRACKING: u8 = 3;
const SOURCE: u8 = 1;
const SOURCE_POSITION: u8 = 2;
const TYPE: u8 = 1;
const TAGS: u8 = 2;
const DATA: u8 = 3;
const UUID: u8 = 4;
const METADATA: u8 = 5;
const KEY: u8 = 1;
const VALUE: u8 = 2;

/// Bytes of an id as text.
const UUID_LEN: usize = 36;

/// An event, and what is known of it before it is written.
struct Known<'a> {
    event: &'a RecordedEvent,
    notes: Notes<'a>,
    /// Bytes of the message `Event`.
    event_len: usize,
    /// The id that was given with it. One that the ledger made is not shown: the clients expect an
    /// event that they wrote without one to come back without one.
    id: Option<EventId>,
}

impl<'a> Known<'a> {
    fn of(event: &'a RecordedEvent) -> Self {
        let notes = Notes::of_metadata(&event.metadata);
        let id = notes.id.or_else(|| (!event.has_made_id()).then_some(event.id));
        let tags = notes.ordered(&event.tags).map(|tag| delimited_len(tag.as_str().len()));
        let entries = notes.entries.iter().map(|(k, v)| delimited_len(entry_len(k, v)));
        let event_len = delimited_len(event.event_type.as_str().len())
            + tags.sum::<usize>()
            + optional(event.data.len())
            + id.map_or(0, |_| delimited_len(UUID_LEN))
            + entries.sum::<usize>();
        Self { event, notes, event_len, id }
    }

    fn tracking_len(&self) -> Option<usize> {
        let tracking = self.notes.tracking.as_ref()?;
        Some(delimited_len(tracking.source.len()) + number_len(tracking.position))
    }

    /// Bytes of the message `SequencedEvent`.
    fn len(&self) -> usize {
        number_len(self.event.position.0)
            + delimited_len(self.event_len)
            + self.tracking_len().map_or(0, delimited_len)
    }

    fn put(&self, out: &mut BytesMut, len: usize) {
        out.reserve(delimited_len(len));
        put_delimiter(out, EVENTS, len);
        put_number(out, POSITION, self.event.position.0);
        put_delimiter(out, EVENT, self.event_len);
        self.put_event(out);
        if let (Some(len), Some(tracking)) = (self.tracking_len(), &self.notes.tracking) {
            put_delimiter(out, TRACKING, len);
            put_bytes(out, SOURCE, tracking.source.as_bytes());
            put_number(out, SOURCE_POSITION, tracking.position);
        }
    }

    fn put_event(&self, out: &mut BytesMut) {
        put_bytes(out, TYPE, self.event.event_type.as_str().as_bytes());
        for tag in self.notes.ordered(&self.event.tags) {
            put_bytes(out, TAGS, tag.as_str().as_bytes());
        }
        if !self.event.data.is_empty() {
            put_bytes(out, DATA, &self.event.data);
        }
        if let Some(id) = self.id {
            put_delimiter(out, UUID, UUID_LEN);
            let mut text = [0; UUID_LEN];
            out.put_slice(id.0.hyphenated().encode_lower(&mut text).as_bytes());
        }
        for (key, value) in &self.notes.entries {
            put_delimiter(out, METADATA, entry_len(key, value));
            put_bytes(out, KEY, key.as_bytes());
            put_bytes(out, VALUE, value.as_bytes());
        }
    }
}

fn entry_len(key: &str, value: &str) -> usize {
    delimited_len(key.len()) + delimited_len(value.len())
}

fn optional(len: usize) -> usize {
    if len == 0 { 0 } else { delimited_len(len) }
}
