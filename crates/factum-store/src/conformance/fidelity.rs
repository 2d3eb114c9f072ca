//! What is handed in comes back: every field, every identity, pages of any size.

use bytes::Bytes;
use futures_lite::future::block_on;

use super::{FreshLedger, events::*};
use crate::{ContentType, Envelope, EventId, Ledger, NewEvent, Position, Query, Read, Schema};

pub(super) fn cases(fresh: FreshLedger<'_>) {
    an_event_comes_back_as_it_was_handed_in(&*fresh());
    the_first_event_of_an_identity_is_found(&*fresh());
    a_page_may_be_of_any_size(&*fresh());
}

/// Large, so that no identity is one that a ledger makes from small numbers.
fn id(number: u128) -> EventId {
    EventId(uuid::Uuid::from_u128(number << 100))
}

fn an_event_comes_back_as_it_was_handed_in(ledger: &dyn Ledger) {
    let text = |text: &'static str| Some(text.into());
    let full = NewEvent {
        id: Some(id(1)),
        // Neither JSON nor UTF-8, and spaces that a parser would drop: passed through, not read.
        data: Bytes::from_static(b"\x00\xff{not json"),
        content_type: ContentType::Other("image/png".into()),
        metadata: Bytes::from_static(b"{ \"spaces\" : \"kept\" }"),
        envelope: Envelope {
            schema: Some(Schema { name: "shape".into(), version: u32::MAX }),
            actor: text("ann"),
            correlation_id: text("größer als 日本"),
            causation_ids: vec![EventId(uuid::Uuid::nil()), EventId(uuid::Uuid::max())],
            command_id: text("req-42"),
            trace: text("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        },
        ..event("full", &["b:2", "a:1", "ü:3"]).in_stream(stream("s-1"))
    };
    let bare = NewEvent { data: Bytes::new(), ..event("bare", &[]) };
    let receipt = put(ledger, [full.clone(), bare.clone()]);
    let kept = all(ledger, Read::new(Query::all()));
    assert_eq!(kept.len(), 2);
    for (new, kept) in [full, bare].iter().zip(kept) {
        assert_eq!(new.id.unwrap_or(kept.id), kept.id, "the identity that was given");
        assert_eq!(kept.recorded_at, receipt.recorded_at);
        assert_eq!(new.stream, kept.stream.map(|place| place.name));
        assert_eq!((&new.event_type, &new.tags), (&kept.event_type, &kept.tags));
        assert_eq!((&new.data, &new.content_type), (&kept.data, &kept.content_type));
        assert_eq!((&new.metadata, &new.envelope), (&kept.metadata, &kept.envelope));
    }
}

fn the_first_event_of_an_identity_is_found(ledger: &dyn Ledger) {
    let of = |number| NewEvent { id: Some(id(number)), ..event("x", &[]) };
    put(ledger, [of(1), event("made", &[]), of(2)]);
    // A foreign writer may use an identity twice.
    put(ledger, [of(3), of(1)]);
    let found = |id| block_on(ledger.event(id)).expect("a look-up").map(|event| event.position);
    for (number, position) in [(1, 1), (2, 3), (3, 4)] {
        assert_eq!(found(id(number)), Some(Position(position)), "identity {number}");
    }
    assert_eq!(found(id(9)), None);
}

fn a_page_may_be_of_any_size(ledger: &dyn Ledger) {
    put(ledger, (0..5).map(|_| event("x", &[])));
    for limit in [1, 4, 5, 6, usize::MAX - 1, usize::MAX] {
        let read = Read::new(Query::all()).limit(limit);
        assert_eq!(positions(&all(ledger, read.clone())), [1, 2, 3, 4, 5], "pages of {limit}");
        assert_eq!(positions(&all(ledger, read.backward())), [5, 4, 3, 2, 1], "pages of {limit}");
    }
}
