//! Ids as they were given. Factum's are used once; but there are clients that give all events the
//! same, most of them nil, and expect it back. What identifies nothing is noted in the metadata of
//! its event, and the ledger makes an id of its own.

use std::collections::HashSet;

use factum_store::{Bytes, EventId, NewEvent, RecordedEvent};
use serde::{Deserialize, Serialize};

/// The key in an event's metadata.
pub(crate) const GIVEN_ID: &str = "$uuid";

/// Notes the ids that are nil, or those of an earlier event of the same batch.
pub(super) fn note_ids(events: &mut [NewEvent]) {
    let (several, mut seen) = (events.len() > 1, HashSet::new());
    for event in events {
        let Some(id) = event.id else { continue };
        if id.0.is_nil() || (several && !seen.insert(id)) {
            event.metadata = noted(&event.metadata, GIVEN_ID, &id);
            event.id = None;
        }
    }
}

/// The id that was given with an event, if one was.
pub(super) fn given_id(event: &RecordedEvent) -> Option<EventId> {
    #[derive(Deserialize)]
    struct Noted {
        #[serde(rename = "$uuid")]
        id: EventId,
    }
    if !event.has_made_id() {
        return Some(event.id);
    }
    let noted = !event.metadata.is_empty();
    noted.then(|| serde_json::from_slice::<Noted>(&event.metadata).ok()).flatten().map(|n| n.id)
}

/// Metadata, a JSON object or nothing, with one more member.
pub(super) fn noted(metadata: &[u8], key: &str, value: &impl Serialize) -> Bytes {
    let value = serde_json::to_string(value).expect("texts and numbers can be written as JSON");
    let rest = metadata.strip_prefix(b"{").unwrap_or(b"}");
    let comma = if rest == b"}" { "" } else { "," };
    let lead = format!("{{\"{key}\":{value}{comma}");
    [lead.as_bytes(), rest].concat().into()
}

#[cfg(test)]
mod tests {
    use factum_store::EventType;

    use super::*;

    #[test]
    fn what_identifies_nothing_is_noted_beside_what_the_metadata_say_already() {
        let id = |n| format!("00000000-0000-0000-0000-00000000000{n}").parse().ok();
        let new = |id, metadata: &'static str| {
            let event = NewEvent::new(EventType::new("a").expect("a name"), "1");
            NewEvent { id, metadata: metadata.into(), ..event }
        };
        let nil = id(0);
        let mut events =
            [new(id(1), ""), new(id(1), r#"{"k":"v"}"#), new(nil, "{}"), new(None, "")];
        note_ids(&mut events);
        let kept = events.each_ref().map(|event| event.id);
        assert_eq!(kept, [id(1), None, None, None]);
        let [first, second, third, fourth] = events.map(|event| event.metadata);
        assert_eq!((&first, &fourth), (&Bytes::new(), &Bytes::new()));
        assert_eq!(second, r#"{"$uuid":"00000000-0000-0000-0000-000000000001","k":"v"}"#);
        assert_eq!(third, r#"{"$uuid":"00000000-0000-0000-0000-000000000000"}"#);
    }
}
