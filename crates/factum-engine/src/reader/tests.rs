//! A snapshot shows nothing after its head, even though the log and the index have more (G3).

use std::{ops::ControlFlow, path::Path, sync::Arc};

use arc_swap::ArcSwap;
use factum_store::{
    Append, Direction, EventId, Head, IdempotencyKey, NewEvent, Position, Query, QueryItem, Read,
    RequestHash, Revision, StreamName, Timestamp,
};

use super::{IndexedSegment, SegmentIndex, Sight, Snapshot, lookup, read, retention, scan};
use crate::{
    error::{Damage, EngineError},
    index::{Entry, IndexCache, Sealed, Tail},
    log::{Encoded, IdRoot, Patch, Segment, SegmentHeader, Stamp},
    machine::{Machine, SimulatedMachine},
    sabotage::Switch,
    sealing::{entries_of, push_frame},
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
    segment_of(id)
}

/// The same, whose events have ids of their own that follow from their positions.
fn segment_of(id: impl Fn(u64) -> EventId) -> Arc<IndexedSegment> {
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

/// The events of a segment, of which 6 and 7 are lost.
fn salvaged(whole: &IndexedSegment) -> Snapshot {
    let log = &whole.log;
    let run = |first: u64, last: u64| {
        let tail = Tail::new(Position(first));
        let mut frames = log.frames(log.begin(), log.len().unwrap());
        while let Some(frame) = frames.next().unwrap() {
            if (first..=last).contains(&frame.first().0) {
                push_frame(&tail, &frame, |_, _| {}).unwrap();
            }
        }
        SegmentIndex::Tail(Arc::new(tail))
    };
    let (file, what) = (log.path.display().to_string(), "gone".to_owned());
    let lost = SegmentIndex::Lost {
        first: Position(6),
        last: Position(7),
        after: Timestamp::from_micros(5),
        damage: Damage { file, offset: 0, position: Position(6), what },
    };
    let parts = [run(1, 5), lost, run(8, EVENTS)];
    let parts = parts.map(|index| Arc::new(IndexedSegment { log: Arc::clone(log), index }));
    let head = Head { position: Position(EVENTS), recorded_at: Timestamp::from_micros(EVENTS) };
    Snapshot { head, segments: Arc::new(parts.into()), switch: Switch::default() }
}

#[test]
fn g10_a_scan_shows_no_event_twice_before_damage_and_begins_behind_it() {
    let sight = Sight::new(Arc::new(SimulatedMachine::new(3)));
    let snapshot = salvaged(&segment());
    let scanned = |after| {
        let mut shown = Vec::new();
        let ended = scan(&snapshot, &sight, &Query::all(), Position(after), &mut |event| {
            shown.push(event.position.0);
            ControlFlow::Continue(())
        });
        (shown, ended)
    };
    let (shown, ended) = scanned(0);
    assert_eq!(shown, [1, 2, 3, 4, 5]);
    assert!(matches!(ended, Err(EngineError::Damaged(_))));
    let (shown, ended) = scanned(6);
    assert_eq!(shown, [0; 0]);
    assert!(matches!(ended, Err(EngineError::Damaged(_))));
    let (shown, ended) = scanned(7);
    assert_eq!(shown, (8..=EVENTS).collect::<Vec<_>>());
    assert_eq!(ended.unwrap(), Position(EVENTS));
}

#[test]
fn g10_an_id_that_only_looks_like_one_of_a_lost_place_is_found_where_it_is() {
    // The ledger made none of these; each seems to say the place before its own.
    let snapshot = salvaged(&segment_of(|position| id(position - 1)));
    for position in [9, 10] {
        let found = lookup::event(&snapshot, id(position - 1)).unwrap();
        assert_eq!(found.map(|event| event.position.0), Some(position));
    }
    // Says place 7, which is lost, and is at 8.
    let found = lookup::event(&snapshot, id(7)).unwrap();
    assert_eq!(found.map(|event| event.position.0), Some(8));
    // Is at 7: nobody can say that it is nowhere.
    assert!(matches!(lookup::event(&snapshot, id(6)), Err(EngineError::Damaged(_))));
}

#[test]
fn an_id_that_was_used_twice_is_of_the_first_event_even_where_it_says_the_place_of_the_second() {
    let segment = segment_of(|position| id(if position == 3 { 9 } else { position }));
    let head = Head { position: Position(EVENTS), recorded_at: Timestamp::from_micros(EVENTS) };
    let segments = Arc::new(vec![segment]);
    let snapshot = Snapshot { head, segments, switch: Switch::default() };
    let found = lookup::event(&snapshot, id(9)).unwrap();
    assert_eq!(found.map(|event| event.position), Some(Position(3)));
}

/// The same segment with an index file whose checksums fit, and which leads astray.
fn led_astray(whole: &IndexedSegment, astray: u64) -> Arc<IndexedSegment> {
    let log = Arc::clone(&whole.log);
    let index_of = |log: &Segment, astray: u64| {
        let tail = Tail::of(log.header.covered());
        let mut frames = log.frames(log.begin(), log.len().unwrap());
        while let Some(frame) = frames.next().unwrap() {
            entries_of(&frame, |entry| {
                tail.push(&Entry { offset: entry.offset + astray, ..*entry });
            })?;
        }
        let (machine, path) = (SimulatedMachine::new(4), Path::new("/index"));
        let file = machine.create(path).unwrap();
        file.write_at(&tail.seal(), 0).unwrap();
        Ok(Sealed::open(file, &IndexCache::with_bytes(1 << 20)).unwrap())
    };
    let sealed = ArcSwap::from_pointee(index_of(&log, astray).unwrap());
    let of = Arc::clone(&log);
    let index = SegmentIndex::sealed(sealed, Box::new(move || index_of(&of, 0)));
    Arc::new(IndexedSegment { log, index })
}

#[test]
fn g10_an_index_that_leads_to_no_frame_is_built_again_and_is_not_damage_of_the_log() {
    let segments = Arc::new(vec![led_astray(&segment(), 8)]);
    let head = Head { position: Position(EVENTS), recorded_at: Timestamp::from_micros(EVENTS) };
    let snapshot = Snapshot { head, segments, switch: Switch::default() };
    for position in 1..=EVENTS {
        let found = lookup::event(&snapshot, id(position)).unwrap();
        assert_eq!(found.map(|event| event.position), Some(Position(position)));
    }
}
