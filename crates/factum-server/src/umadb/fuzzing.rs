//! The decoders of this protocol, for fuzzing. What they take comes back: an event that was decoded
//! and encoded again is, to who decodes it by the interface, what was sent.

use bytes::Bytes;
use factum_store::{EventId, NewEvent, Position, RecordedEvent, Timestamp};
use prost::Message;

use super::{
    answer::answers,
    notes::Notes,
    request,
    v1::{Event, SequencedEvent},
    wire::Fields,
};
use crate::fuzzing::Target;

pub(crate) const TARGETS: &[Target] = &[
    ("umadb_append", append),
    ("umadb_read", read),
    ("umadb_subscribe", subscribe),
    ("umadb_metadata", metadata),
];

fn append(bytes: &[u8]) {
    let sent = Bytes::copy_from_slice(bytes);
    let Ok(request) = request::append(String::new(), sent.clone()) else { return };
    let mut fields = Fields::of(sent);
    let mut events = request.events.into_iter();
    while let Ok(Some((number, value))) = fields.next() {
        let (1, Ok(sent)) = (number, value.bytes()) else { continue };
        let sent = Event::decode(sent).expect("what is taken is an event by the interface");
        let new = events.next().expect("no event is lost");
        assert!(new.tags.is_sorted_by(|a, b| a < b), "tags are a sorted set");
        assert_comes_back(new, &sent);
    }
}

fn assert_comes_back(new: NewEvent, sent: &Event) {
    let came = answers(&[recorded(new)], 1, |_| None);
    for (answer, _) in came.into_iter().flatten() {
        let event = Fields::of(answer.0).next().expect("is a message").expect("has an event");
        let event = event.1.bytes().map(SequencedEvent::decode);
        let came = event.expect("is a message").expect("is one by the interface").event;
        let came = came.expect("is there");
        assert_eq!((&came.event_type, &came.tags), (&sent.event_type, &sent.tags));
        assert_eq!((&came.data, &came.metadata), (&sent.data, &sent.metadata));
        let id = |text: &str| text.parse::<EventId>().ok();
        assert_eq!(id(&came.uuid), id(&sent.uuid));
    }
}

/// An event as if it had been recorded.
fn recorded(new: NewEvent) -> RecordedEvent {
    RecordedEvent {
        position: Position(u64::MAX),
        recorded_at: Timestamp::from_micros(1),
        id: new.id.unwrap_or_else(made),
        stream: None,
        event_type: new.event_type,
        tags: new.tags,
        data: new.data,
        content_type: new.content_type,
        metadata: new.metadata,
        envelope: new.envelope,
    }
}

/// What a ledger would make for that event.
fn made() -> EventId {
    "00000000-0000-7000-8000-0fffffffffff".parse().expect("an id")
}

fn read(bytes: &[u8]) {
    let _ = request::read(String::new(), Bytes::copy_from_slice(bytes));
}

fn subscribe(bytes: &[u8]) {
    let _ = request::subscribe(String::new(), Bytes::copy_from_slice(bytes));
}

/// Metadata that another face took may be anything.
fn metadata(bytes: &[u8]) {
    let notes = Notes::of_metadata(bytes);
    let tags = ["$tracking:s", "a", "b"].map(|tag| tag.parse().expect("a tag"));
    let shown = notes.ordered(&tags).count();
    assert!(shown >= tags.len() - 1, "a tag is lost");
    if let Ok(entries) = serde_json::from_slice::<serde_json::Map<String, _>>(bytes) {
        let _: &serde_json::Map<_, serde_json::Value> = &entries;
        assert!(notes.entries.len() + 3 >= entries.len(), "an entry is lost");
    }
}

/// Inputs of a target that are whole, to begin with.
pub(crate) fn seeds(target: &str) -> Vec<Vec<u8>> {
    let seeds: &[&[u8]] = match target {
        "umadb_append" => &[
            b"\x0a\x12\x0a\x01a\x12\x03k:2\x12\x03k:1\x1a\x03{1}",
            b"\x0a\x37\x0a\x01a\x22\x24018f2f6e-0000-7000-8000-000000000001\x2a\x0c\x0a\x03key\x12\x05value\
              \x12\x0d\x0a\x09\x0a\x07\x0a\x01a\x12\x02kt\x10\x07\x1a\x05\x0a\x01s\x10\x03",
        ],
        "umadb_read" => &[b"\x0a\x09\x0a\x07\x0a\x01a\x12\x02kt\x10\x05\x18\x01\x20\x0a\x30\x80\x08"],
        "umadb_subscribe" => &[b"\x0a\x09\x0a\x07\x0a\x01a\x12\x02kt\x10\x05\x18\x80\x08"],
        "umadb_metadata" => &[
            br#"{"k":"v","n":[1],"$tag_order":[1,0],"$uuid":"00000000-0000-0000-0000-000000000000"}"#,
            br#"{"$tracking":{"source":"s","position":7},"a":"\u0041"}"#,
        ],
        _ => &[],
    };
    seeds.iter().map(|seed| seed.to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_whole_and_come_back() {
        for (name, target) in TARGETS {
            for seed in seeds(name) {
                target(&seed);
            }
        }
        for seed in seeds("umadb_append") {
            assert!(request::append(String::new(), seed.into()).is_ok());
        }
        for seed in seeds("umadb_read") {
            assert!(request::read(String::new(), seed.into()).is_ok());
        }
        for seed in seeds("umadb_subscribe") {
            assert!(request::subscribe(String::new(), seed.into()).is_ok());
        }
    }
}
