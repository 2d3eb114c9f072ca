//! The index against the plainest thing that could be right: lists of terms, searched from end to
//! end. Tail and sealed file must both say the same, and a damaged file nothing at all.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use factum_store::{Direction, Position, Timestamp};
use proptest::prelude::*;

use super::{
    Entry, IndexCache, IndexError, Locator, Place, Sealed, Tail, Tally, Term, View,
    pages::PAGE_BYTES,
};
use crate::machine::File;

/// A file in memory that can be read only.
pub(super) struct Bytes(pub(super) Vec<u8>);

impl File for Bytes {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = self.0.get(offset as usize..).unwrap_or(&[]);
        let count = rest.len().min(buf.len());
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn set_len(&self, _: u64) -> io::Result<()> {
        Err(io::ErrorKind::ReadOnlyFilesystem.into())
    }
}

/// The oracle: what was pushed.
#[derive(Clone, Debug)]
struct Model {
    first: Position,
    /// For each event: its terms, its place, its time.
    events: Vec<(Vec<Term>, Place, Timestamp)>,
}

impl Model {
    fn positions(&self) -> impl DoubleEndedIterator<Item = Position> {
        (self.first.0..self.first.0 + self.events.len() as u64).map(Position)
    }

    fn event(&self, position: Position) -> &(Vec<Term>, Place, Timestamp) {
        &self.events[(position.0 - self.first.0) as usize]
    }

    fn last(&self) -> Position {
        Position(self.first.0 + self.events.len() as u64 - 1)
    }

    fn tail(&self) -> Tail {
        let tail = Tail::new(self.first);
        for position in self.positions() {
            let (terms, place, recorded_at) = self.event(position);
            tail.push(&Entry {
                position,
                recorded_at: *recorded_at,
                offset: place.offset,
                opens_frame: place.slot == 0,
                terms,
            });
        }
        tail
    }

    fn seek(
        &self,
        term: Term,
        target: Position,
        upto: Position,
        to: Direction,
    ) -> Option<Position> {
        let carries = |position: &Position| self.event(*position).0.contains(&term);
        let seen = self.positions().take_while(|position| *position <= upto);
        match to {
            Direction::Forward => seen.filter(carries).find(|position| *position >= target),
            Direction::Backward => seen.filter(|p| carries(p) && *p <= target).last(),
        }
    }

    /// Compares everything that `view` says of `terms` with this.
    fn check(&self, view: View<'_>, upto: Position, terms: &[Term]) {
        let outside = [Position(self.first.0.saturating_sub(2)), Position(self.last().0 + 2)];
        let targets: Vec<_> = self.positions().chain(outside).collect();
        for term in terms {
            let of_term = |p: &Position| *p <= upto && self.event(*p).0.contains(term);
            let count = self.positions().filter(of_term).count() as u64;
            for to in [Direction::Forward, Direction::Backward] {
                let (counted, mut cursor) = view.postings(*term).unwrap();
                assert_eq!(counted, count, "{term:?} up to {upto}");
                for target in &targets {
                    let found = cursor.seek(*target, to).unwrap();
                    assert_eq!(
                        found,
                        self.seek(*term, *target, upto, to),
                        "{term:?} {target} {to:?}"
                    );
                }
            }
        }
        let mut locator = view.locator();
        for position in targets {
            let here = position >= self.first && position <= upto;
            let place = here.then(|| self.event(position).1);
            assert_eq!(located(&mut locator, position), place, "{position} up to {upto}");
        }
        let end = self.events.last().map_or(0, |event| event.2.micros) + 2;
        for micros in 0..end {
            let earlier = |p: &Position| *p <= upto && self.event(*p).2.micros <= micros;
            let expected = self.positions().rfind(earlier);
            let around = view.around(Timestamp::from_micros(micros)).unwrap();
            let fits = match (around, expected) {
                (Some((low, high)), Some(expected)) => low <= expected && expected <= high,
                (None, None) => true,
                _ => false,
            };
            assert!(fits, "at {micros} up to {upto}: {around:?}, not around {expected:?}");
        }
    }
}

/// Where a position lies; a length that the index knows must lead to the next frame.
fn located(locator: &mut Locator<'_>, position: Position) -> Option<Place> {
    let place = locator.locate(position).unwrap()?;
    assert!(place.bytes.is_none_or(|bytes| bytes > 0 && bytes.is_multiple_of(8)));
    Some(Place { bytes: None, ..place })
}

/// Few terms, so that lists are long and shared; some at the ends of the range of terms.
fn some_term() -> impl Strategy<Value = Term> {
    prop_oneof![
        4 => (0_u64..6).prop_map(|n| Term(n.wrapping_mul(0x9e37_79b9_7f4a_7c15))),
        1 => any::<u64>().prop_map(Term),
        1 => prop_oneof![Just(Term(0)), Just(Term(u64::MAX))],
    ]
}

/// Frames of a few events each, close in time.
fn some_model() -> impl Strategy<Value = Model> {
    let event = prop::collection::vec(some_term(), 0..5);
    let frame = (prop::collection::vec(event, 1..5), 0_u64..3, 30_u64..400);
    (1_u64..1_000, prop::collection::vec(frame, 1..12)).prop_map(|(first, frames)| {
        let (mut events, mut offset, mut micros) = (Vec::new(), 64, 0);
        for (frame, passes, bytes) in frames {
            micros += passes;
            for (slot, terms) in (0..).zip(frame) {
                let place = Place { segment: Position(first), offset, bytes: None, slot };
                events.push((terms, place, Timestamp::from_micros(micros)));
            }
            offset += bytes * 8;
        }
        Model { first: Position(first), events }
    })
}

fn terms_in(model: &Model) -> Vec<Term> {
    let mut terms: Vec<_> = model.events.iter().flat_map(|event| event.0.clone()).collect();
    terms.extend([Term(1), Term(u64::MAX / 3)]);
    terms.sort_unstable();
    terms.dedup();
    terms
}

fn open(bytes: Vec<u8>) -> Result<Sealed, IndexError> {
    Sealed::open(Arc::new(Bytes(bytes)), &IndexCache::with_bytes(1 << 20))
}

proptest! {
    #[test]
    fn tail_and_sealed_file_say_what_was_pushed(model in some_model()) {
        let (tail, tally, terms) = (model.tail(), Tally::default(), terms_in(&model));
        for upto in model.positions() {
            model.check(View::Tail { tail: &tail, upto }, upto, &terms);
        }
        let sealed = open(tail.seal()).unwrap();
        model.check(View::Sealed { sealed: &sealed, tally: &tally }, model.last(), &terms);
        prop_assert_eq!(tail.seal(), model.tail().seal(), "the same events, the same bytes");
    }
}

/// `count` events in frames of `batch`: term 0 on each, term 1 on every third, and one of its own.
fn long(count: u64, batch: u64) -> Model {
    let first = Position(10);
    let events = (0..count).map(|i| {
        let mut terms = vec![Term(0), own_term(i)];
        terms.extend((i % 3 == 0).then_some(Term(1)));
        let (offset, slot) = (64 + i / batch * 1_000, (i % batch) as u32);
        let micros = i / batch * 10;
        (terms, Place { segment: first, offset, bytes: None, slot }, Timestamp::from_micros(micros))
    });
    Model { first, events: events.collect() }
}

fn own_term(i: u64) -> Term {
    Term((i + 2).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

#[test]
fn long_lists_are_sought_in_a_page_or_two() {
    let model = long(60_000, 1);
    let sealed = open(model.tail().seal()).unwrap();
    for (term, every) in [(Term(0), 1), (Term(1), 3)] {
        for i in (0..60_000).step_by(7_919) {
            let target = Position(10 + i);
            let tally = Tally::default();
            let (count, mut cursor) = sealed.postings(term, &tally).unwrap();
            assert_eq!(count, 60_000_u64.div_ceil(every));
            let found = cursor.at_or_after(target).unwrap();
            assert_eq!(found, Some(Position(10 + i.next_multiple_of(every))));
            assert!(tally.pages() <= 3, "{} pages for the first seek", tally.pages());
            let before = tally.pages();
            assert_eq!(
                cursor.at_or_before(target).unwrap(),
                Some(Position(10 + i / every * every))
            );
            assert!(tally.pages() - before <= 2, "a seek nearby reads what it has again");
        }
        let tally = Tally::default();
        let (_, mut cursor) = sealed.postings(term, &tally).unwrap();
        let (mut walked, mut target) = (0, Position(0));
        while let Some(position) = cursor.at_or_after(target).unwrap() {
            (walked, target) = (walked + 1, position.next());
        }
        assert_eq!(walked, 60_000 / every);
        assert!(tally.pages() <= 20, "{} pages for a walk of {walked}", tally.pages());
    }
}

#[test]
fn frames_are_found_by_position_and_by_time_over_many_leaves() {
    let model = long(20_000, 1);
    let (sealed, tally) = (open(model.tail().seal()).unwrap(), Tally::default());
    let mut locator = View::Sealed { sealed: &sealed, tally: &tally }.locator();
    for position in model.positions().chain(model.positions().rev().step_by(3)) {
        assert_eq!(located(&mut locator, position), Some(model.event(position).1));
    }
    // Ten microseconds from frame to frame: one before the next, and exactly at this one.
    for (position, micros) in model.positions().zip((0..).step_by(10)) {
        for micros in [micros, micros + 9] {
            let found = sealed.around(Timestamp::from_micros(micros), &tally).unwrap();
            let (low, high) = found.unwrap();
            assert!(low <= position && position <= high, "at {micros}: {found:?}");
            assert!(high.0 - low.0 < 512, "a leaf at most: {found:?}");
        }
    }
}

#[test]
fn one_of_many_terms_is_found_or_missed_in_a_page() {
    let model = long(60_000, 100);
    let sealed = open(model.tail().seal()).unwrap();
    let (mut pages, asked) = (0, 2_000);
    for i in 0..asked {
        let tally = Tally::default();
        let (count, mut cursor) = sealed.postings(own_term(i * 30), &tally).unwrap();
        assert_eq!(count, 1);
        assert_eq!(cursor.at_or_after(Position(0)).unwrap(), Some(Position(10 + i * 30)));
        let (count, _) = sealed.postings(Term(own_term(i).0 ^ 1), &tally).unwrap();
        assert_eq!(count, 0);
        pages += tally.pages();
    }
    assert!(pages <= asked * 2 + asked / 100, "{pages} pages for {} terms", asked * 2);
    let tally = Tally::default();
    let mut locator = View::Sealed { sealed: &sealed, tally: &tally }.locator();
    for position in model.positions().step_by(997) {
        assert_eq!(located(&mut locator, position), Some(model.event(position).1));
    }
    assert!(tally.pages() <= 3, "{} pages for walking 600 frames", tally.pages());
}

#[test]
fn terms_that_all_fall_into_one_bucket_are_found() {
    let first = Position(1);
    let events = (0..3_000).map(|i| {
        let place = Place { segment: first, offset: 64, bytes: None, slot: i };
        (vec![Term(u64::from(i))], place, Timestamp::from_micros(5))
    });
    let model = Model { first, events: events.collect() };
    let (sealed, tally) = (open(model.tail().seal()).unwrap(), Tally::default());
    for i in 0..3_000 {
        let (count, mut cursor) = sealed.postings(Term(i), &tally).unwrap();
        assert_eq!((count, cursor.at_or_after(first).unwrap()), (1, Some(Position(i + 1))));
    }
    assert_eq!(sealed.postings(Term(3_001), &tally).unwrap().0, 0);
}

/// Questions that together read every page of the file of the test below.
fn answers(sealed: &Sealed) -> Result<Vec<Option<Position>>, IndexError> {
    let (tally, mut answers) = (Tally::default(), Vec::new());
    for term in [Term(0), Term(1), Term(2), Term(3)] {
        let (count, mut cursor) = sealed.postings(term, &tally)?;
        answers.push(Some(Position(count)));
        answers.push(cursor.at_or_after(Position(20))?);
        answers.push(cursor.at_or_before(Position(4_105))?);
    }
    let place = sealed.locator(&tally).locate(Position(777))?;
    answers.push(place.map(|place| Position(place.offset + u64::from(place.slot))));
    answers.push(sealed.around(Timestamp::from_micros(55), &tally)?.map(|around| around.0));
    Ok(answers)
}

#[test]
fn a_flipped_byte_is_an_error_and_never_an_answer() {
    let mut model = long(4_200, 100);
    for (i, (terms, ..)) in model.events.iter_mut().enumerate() {
        terms.retain(|term| *term == Term(0));
        terms.extend((i % 50 == 0).then_some(Term(1)));
        terms.extend((i == 99).then_some(Term(2)));
    }
    let bytes = model.tail().seal();
    let parts = "header, frames, packed, 2 leaves, fences, dictionary, filter";
    assert_eq!(bytes.len() / PAGE_BYTES, 8, "{parts}");
    let right = answers(&open(bytes.clone()).unwrap()).unwrap();
    let mut damaged = bytes;
    for at in 0..damaged.len() {
        let flip = 1 << (at % 8);
        damaged[at] ^= flip;
        match open(damaged.clone()).and_then(|sealed| answers(&sealed)) {
            Err(IndexError::Damaged { .. }) => {}
            Err(other) => panic!("byte {at}: {other}"),
            Ok(answers) => panic!("byte {at} is not missed: {answers:?}, right is {right:?}"),
        }
        damaged[at] ^= flip;
    }
}

#[test]
fn a_file_that_was_cut_off_or_is_of_another_kind_is_refused() {
    let bytes = long(500, 1).tail().seal();
    for len in [0, 1, PAGE_BYTES - 1, PAGE_BYTES, bytes.len() - PAGE_BYTES, bytes.len() - 1] {
        assert!(matches!(open(bytes[..len].to_vec()), Err(IndexError::Damaged { .. })), "{len}");
    }
    assert!(matches!(open(vec![0; bytes.len()]), Err(IndexError::Damaged { .. })));
    // A page of another file at the same place, whole and with a fitting checksum of its own.
    let other = long(501, 1).tail().seal();
    let mut mixed = bytes.clone();
    mixed[PAGE_BYTES..2 * PAGE_BYTES].copy_from_slice(&other[PAGE_BYTES..2 * PAGE_BYTES]);
    let (sealed, tally) = (open(mixed).unwrap(), Tally::default());
    assert!(sealed.locator(&tally).locate(Position(10)).is_err());
}

#[test]
fn a_reader_of_the_tail_sees_everything_up_to_its_head_and_nothing_after() {
    const EVENTS: u64 = 40_000;
    let (tail, head) = (Tail::new(Position(1)), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for i in 0..EVENTS {
                let terms = [Term(0), Term(i % 5 + 1), own_term(i)];
                tail.push(&Entry {
                    position: Position(i + 1),
                    recorded_at: Timestamp::from_micros(i / 4),
                    offset: 64 + i / 4 * 100,
                    opens_frame: i % 4 == 0,
                    terms: &terms,
                });
                // A batch of four is published at once.
                if i % 4 == 3 {
                    head.store(i + 1, Ordering::Release);
                }
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = 0;
                while seen < EVENTS {
                    seen = head.load(Ordering::Acquire);
                    let upto = Position(seen);
                    let (count, mut cursor) = tail.postings(Term(0), upto);
                    assert_eq!(count, seen);
                    let last = cursor.at_or_before(Position::END);
                    assert_eq!(last, (seen > 0).then_some(upto));
                    assert_eq!(cursor.at_or_after(upto.next()), None);
                    let (count, _) = tail.postings(Term(3), upto);
                    assert_eq!(count, (seen + 2) / 5);
                    let place = tail.locate(upto, upto).map(|place| (place.offset, place.slot));
                    assert_eq!(place, (seen > 0).then(|| (64 + (seen - 1) / 4 * 100, 3)));
                    assert_eq!(tail.locate(upto.next(), upto), None);
                    let latest = Timestamp::from_micros(u64::MAX - 1);
                    assert_eq!(tail.position_at(latest, upto), (seen > 0).then_some(upto));
                }
            });
        }
    });
}

#[test]
fn the_format_is_frozen() {
    let bytes = long(9_000, 2).tail().seal();
    // Files that were written say the same: a change here is a new version of the format.
    assert_eq!((bytes.len(), crc32fast::hash(&bytes)), (237_568, 166_031_424));
}
