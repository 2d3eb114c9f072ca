//! A snapshot shows nothing after its head, even though the log and the index have more (G3).

use std::{path::Path, sync::Arc};

use factum_store::{
    Append, Direction, EventId, Head, IdempotencyKey, NewEvent, Position, Query, QueryItem, Read,
    RequestHash, Revision, StreamName, Timestamp,
};

use super::{IndexedSegment, SegmentIndex, Sight, Snapshot, lookup, read, retention};
use crate::{
    index::Tail,
    log::{Encoded, IdRoot, Patch, Segment, SegmentHeader, Stamp},
    machine::{Machine, SimulatedMachine},
    sabotage::Switch,
    sealing::push_frame,
};

const EVENTS: u64 = 20;

fn id(position: u64) -> EventId {
    EventId(uuid::Uuid::from_u128(position.into()))
}

fn key(position: u64) -> IdempotencyKey {
    IdempotencyKey {
        principal: "ann".into(),
        operation: "append".into(),
        key: position.to_string().into(),
        request: RequestHash([0; 32]),
    }
}

fn stream() -> StreamName {
    StreamName::new("s-1").unwrap()
}

/// One segment with more events than a reader may see, a frame each, a microsecond apart.
fn segment() -> Arc<IndexedSegment> {
    let (machine, path) = (SimulatedMachine::new(1), Path::new("/segment"));
    let header = SegmentHeader { ledger: 7, first: Position(1), generation: 0, id_root: IdRoot(1) };
    let mut bytes = header.encode();
    for position in 1..=EVENTS {
        let event = NewEvent::new("a".parse().unwrap(), "{}").in_stream(stream());
        let event = NewEvent { id: Some(id(position)), ..event };
        let append = Append::new([event]).keyed(key(position));
        let stamp = Stamp {
            first: Position(position),
            recorded_at: Timestamp::from_micros(position),
            synced_upto: Position::START,
        };
        let patch = Patch { slot: 0, revision: Revision(position - 1) };
        let frame = Encoded::new(&append);
        let frame = frame.stamp(&header, bytes.len() as u64, stamp, &[patch]);
        bytes.extend_from_slice(&frame);
    }
    machine.create(path).unwrap().write_at(&bytes, 0).unwrap();
    let log = Arc::new(Segment::open(&machine, path, false).unwrap());
    let tail = Arc::new(Tail::new(Position(1)));
    let mut frames = log.frames(log.begin(), bytes.len() as u64);
    while let Some(frame) = frames.next().unwrap() {
        push_frame(&tail, &frame, |_, _| {}).unwrap();
    }
    Arc::new(IndexedSegment { log, index: SegmentIndex::Tail(tail) })
}

#[test]
fn g3_a_snapshot_shows_nothing_after_its_head() {
    let sight = Sight::new(Arc::new(SimulatedMachine::new(2)));
    let segments = Arc::new(vec![segment()]);
    for upto in 0..=EVENTS {
        let head = Head { position: Position(upto), recorded_at: Timestamp::from_micros(upto) };
        let segments = Arc::clone(&segments);
        let snapshot = Snapshot { head, segments, switch: Switch::default() };
        let by_type = Query::from(QueryItem::types(["a".parse().unwrap()]));
        for query in [Query::all(), by_type.clone(), QueryItem::stream(stream()).into()] {
            for direction in [Direction::Forward, Direction::Backward] {
                let request = Read { direction, ..Read::new(query.clone()) };
                let page = read(&snapshot, &sight, &request, None).unwrap();
                let shown: Vec<_> = page.events.iter().map(|event| event.position.0).collect();
                let mut expected: Vec<_> = (1..=upto).collect();
                if direction == Direction::Backward {
                    expected.reverse();
                }
                assert_eq!(shown, expected, "{query:?} {direction:?}");
            }
        }
        let in_the_way = lookup::first_matches(&snapshot, &by_type, Position(3), 99).unwrap();
        assert_eq!(in_the_way.len() as u64, upto.saturating_sub(3));
        let tip = retention::tip(&snapshot, &stream()).unwrap();
        assert_eq!(tip.map(|tip| tip.revision), upto.checked_sub(1).map(Revision));
        let latest = Timestamp::from_micros(u64::MAX);
        assert_eq!(lookup::position_at(&snapshot, latest).unwrap(), Position(upto));
        for position in 1..=EVENTS {
            let event = lookup::event(&snapshot, id(position)).unwrap();
            assert_eq!(event.is_some(), position <= upto);
            let receipt = lookup::receipt(&snapshot, &key(position)).unwrap();
            assert_eq!(receipt.is_some(), position <= upto);
        }
    }
}
