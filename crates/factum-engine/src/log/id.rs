//! The ids that a ledger makes: UUIDs of version 7 (RFC 9562) that say where their event is, so
//! they are neither stored with the event nor indexed.
//!
//! ```text
//!   48 bits  when the event was recorded, milliseconds     4 bits  7
//!   12 bits  the ledger's, upper part                      2 bits  variant
//!   18 bits  the ledger's, lower part
//!   44 bits  position
//! ```

use factum_store::{EventId, Position, Timestamp};

/// The 30 bits that all ids made by one ledger have in common: drawn once, kept by copies of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IdRoot(pub(crate) u32);

const POSITION_BITS: u32 = 44;
const POSITION_MASK: u64 = (1 << POSITION_BITS) - 1;

impl IdRoot {
    /// A root from chance.
    pub(crate) fn of(chance: u128) -> Self {
        Self(chance as u32 & 0x3fff_ffff)
    }

    /// The id of the event that was recorded at a position.
    pub(crate) fn id(self, recorded_at: Timestamp, position: Position) -> EventId {
        let (upper, lower) = (u64::from(self.0 >> 18), u64::from(self.0 & 0x3_ffff));
        let millis = (recorded_at.micros / 1_000) & 0xffff_ffff_ffff;
        let high = millis << 16 | 0x7000 | upper;
        let low = 0b10 << 62 | lower << POSITION_BITS | position.0 & POSITION_MASK;
        EventId(uuid::Uuid::from_u64_pair(high, low))
    }

    /// Where the event would be if its ledger had made this id. Only the event itself can tell.
    pub(crate) fn position(id: EventId) -> Position {
        Position(id.0.as_u64_pair().1 & POSITION_MASK)
    }
}

#[cfg(test)]
mod tests {
    use factum_store::{ContentType, EventType, RecordedEvent};

    use super::*;

    #[test]
    fn an_id_is_of_version_7_and_says_where_its_event_is() {
        let (root, at) = (IdRoot::of(u128::MAX), Timestamp::from_micros(1_234_567_890_123_456));
        for position in [1, 77, POSITION_MASK].map(Position) {
            let id = root.id(at, position);
            assert_eq!((id.0.get_version_num(), id.0.get_variant()), (7, uuid::Variant::RFC4122));
            assert_eq!(IdRoot::position(id), position);
            let (seconds, nanos) = id.0.get_timestamp().expect("it has a time").to_unix();
            assert_eq!((seconds, nanos), (1_234_567_890, 123_000_000));
            assert_ne!(IdRoot(7).id(at, position), id);
        }
    }

    #[test]
    fn an_event_knows_whether_its_ledger_made_its_id() {
        let (at, position) = (Timestamp::from_micros(1_234_567_890_123_456), Position(77));
        let event = |id| RecordedEvent {
            position,
            recorded_at: at,
            id,
            stream: None,
            event_type: EventType::new("a").expect("a name"),
            tags: Vec::new(),
            data: Default::default(),
            content_type: ContentType::Json,
            metadata: Default::default(),
            envelope: Default::default(),
        };
        let root = IdRoot::of(u128::MAX);
        assert!(event(root.id(at, position)).has_made_id());
        let later = Timestamp::from_micros(at.micros + 1_000);
        let given = [
            root.id(at, Position(78)),
            root.id(later, position),
            EventId(uuid::Uuid::nil()),
            EventId(uuid::Uuid::now_v7()),
            EventId(uuid::Uuid::new_v4()),
        ];
        assert!(given.iter().all(|id| !event(*id).has_made_id()));
    }
}
