//! [`Tail`]: the index of the active segment, in memory. One thread pushes, any number read.
//!
//! A reader comes with the position up to which it may see (`upto`, a head that was published after
//! its events were pushed) and finds every event up to there, and none after it (G3). It holds a
//! lock only while it looks a pointer up: lists and tables grow by being replaced, so what a reader
//! has taken stays as it was, and slots that are filled later lie beyond its `upto`.
//!
//! A term costs 16 bytes and a control byte in a hash table, a list 4 bytes a place; an id is a
//! term with one place and needs no list.

use std::sync::{
    Arc,
    atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering},
};

use factum_store::{Position, Timestamp};
use parking_lot::RwLock;

use super::{
    Covered, Place,
    frames::FrameRow,
    sealed::Contents,
    term::{Term, TermMap},
};

/// How many parts the table of terms has. The more, the shorter a part's growth stops its readers.
const SHARDS: usize = 64;

/// An event as the index sees it.
pub(crate) struct Entry<'a> {
    pub(crate) position: Position,
    pub(crate) recorded_at: Timestamp,
    /// Where its frame begins in the segment.
    pub(crate) offset: u64,
    /// Whether it is the first of its frame.
    pub(crate) opens_frame: bool,
    pub(crate) terms: &'a [Term],
}

/// The index of the active segment.
pub(crate) struct Tail {
    first: Position,
    /// See [`Covered::seed`].
    seed: u32,
    /// The position after the last that was pushed.
    end: AtomicU64,
    shards: Vec<RwLock<Shard>>,
    /// For each frame its first place and its offset, packed into one number.
    frames: Column,
    /// For each frame when it was recorded.
    times: Column,
}

#[derive(Default)]
struct Shard {
    /// A term's only place, or the number of its list with [`LIST`] set.
    terms: TermMap<u32>,
    lists: Vec<List>,
}

const LIST: u32 = 1 << 31;

/// Slots that hold a list's places; those not filled yet hold [`UNFILLED`], beyond every place.
#[derive(Clone)]
struct List {
    slots: Arc<[AtomicU32]>,
    filled: u32,
}

const UNFILLED: u32 = u32::MAX;

impl Tail {
    /// The index of a segment whose first event will be at `first`.
    pub(crate) fn new(first: Position) -> Self {
        Self {
            first,
            seed: 0,
            end: AtomicU64::new(first.0),
            shards: std::iter::repeat_with(RwLock::default).take(SHARDS).collect(),
            frames: Column::new(),
            times: Column::new(),
        }
    }

    /// The index of this segment.
    pub(crate) fn of(segment: Covered) -> Self {
        Self { seed: segment.seed, ..Self::new(segment.first) }
    }

    pub(crate) fn first(&self) -> Position {
        self.first
    }

    /// The last position that was pushed; the one before the first while there is none.
    pub(crate) fn last(&self) -> Position {
        Position(self.end.load(Ordering::Acquire) - 1)
    }

    /// Adds the next event. Called by one thread only.
    pub(crate) fn push(&self, entry: &Entry<'_>) {
        let end = self.end.load(Ordering::Relaxed);
        assert_eq!(entry.position.0, end, "an index takes positions without gaps");
        let place = self.place(entry.position);
        assert!(place < LIST, "a segment holds fewer than 2^31 events");
        if entry.opens_frame {
            assert!(entry.offset < u64::from(u32::MAX), "a segment is smaller than 4 GiB");
            self.frames.push(u64::from(place) << 32 | entry.offset);
            self.times.push(entry.recorded_at.micros);
        }
        for term in entry.terms {
            self.shard(*term).write().push(*term, place);
        }
        self.end.store(end + 1, Ordering::Release);
    }

    fn place(&self, position: Position) -> u32 {
        u32::try_from(position.0.saturating_sub(self.first.0)).unwrap_or(UNFILLED - 1)
    }

    fn shard(&self, term: Term) -> &RwLock<Shard> {
        // The table uses the lowest and the highest bits.
        &self.shards[(term.0 >> 32) as usize % SHARDS]
    }

    /// How many events up to `upto` carry a term, and the cursor over them.
    pub(crate) fn postings(&self, term: Term, upto: Position) -> (u64, TailCursor) {
        let slots = self.shard(term).read().slots(term);
        let seen = match (&slots, upto < self.first) {
            (Some(slots), false) => slots.seen(self.place(upto)),
            _ => 0,
        };
        (seen as u64, TailCursor { first: self.first, slots, seen })
    }

    /// Finds where events up to `upto` lie.
    pub(crate) fn locate(&self, position: Position, upto: Position) -> Option<Place> {
        if position < self.first || position > upto.min(self.last()) {
            return None;
        }
        let place = self.place(position);
        let frames = self.frames.cells();
        let frame = frames.last_within(|frame| frame >> 32 <= u64::from(place))?;
        let next = frames.get(frame + 1);
        let frame = frames.get(frame);
        let (opens, offset) = ((frame >> 32) as u32, frame & u64::from(u32::MAX));
        let bytes = (next != Column::UNFILLED).then(|| (next & u64::from(u32::MAX)) - offset);
        let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
        Some(Place { segment: self.first, offset, bytes, slot: place - opens })
    }

    /// The last position up to `upto` recorded at or before a time.
    pub(crate) fn position_at(&self, time: Timestamp, upto: Position) -> Option<Position> {
        let upto = upto.min(self.last());
        if upto < self.first {
            return None;
        }
        // Times are pushed after frames: each time that is seen has its frame.
        let times = self.times.cells();
        let frames = self.frames.cells();
        let row = times.last_within(|micros| micros <= time.micros)?;
        let next = frames.get(row + 1);
        let end = if next == Column::UNFILLED { upto.0 + 1 } else { self.first.0 + (next >> 32) };
        Some(Position(end - 1).min(upto))
    }

    /// The bytes of the sealed index of this segment. Nothing is pushed any more.
    pub(crate) fn seal(&self) -> Vec<u8> {
        let (frames, times) = (self.frames.cells(), self.times.cells());
        let rows = (0..self.frames.len()).map(|row| {
            let frame = frames.get(row);
            let (place, offset) = ((frame >> 32) as u32, frame & u64::from(u32::MAX));
            FrameRow { place, offset, time: times.get(row) }
        });
        let covered = Covered { first: self.first, seed: self.seed };
        let segments = vec![(covered, rows.collect())];
        let contents = Contents { first: self.first, last: self.last(), segments };
        contents.seal(|each| {
            let known = self.shards.iter().map(|shard| shard.read().terms.len()).sum();
            let mut terms = Vec::with_capacity(known);
            self.shards.iter().for_each(|shard| terms.extend(shard.read().terms.keys()));
            terms.sort_unstable();
            let mut places = Vec::new();
            for term in terms {
                if let Some(slots) = self.shard(term).read().slots(term) {
                    places.clear();
                    places.extend((0..slots.seen(UNFILLED - 1)).map(|i| slots.get(i)));
                    each(term, &places);
                }
            }
        })
    }
}

impl Shard {
    fn push(&mut self, term: Term, place: u32) {
        let Some(known) = self.terms.get_mut(&term) else {
            self.terms.insert(term, place);
            return;
        };
        if *known & LIST != 0 {
            self.lists[(*known & !LIST) as usize].push(place);
        } else if *known != place {
            self.lists.push(List::of(*known, place));
            *known = LIST | (self.lists.len() - 1) as u32;
        }
    }

    fn slots(&self, term: Term) -> Option<Slots> {
        let known = *self.terms.get(&term)?;
        if known & LIST == 0 {
            return Some(Slots::One(known));
        }
        let list = &self.lists[(known & !LIST) as usize];
        Some(Slots::Many(Arc::clone(&list.slots)))
    }
}

impl List {
    fn of(first: u32, second: u32) -> Self {
        Self { slots: [first, second].map(AtomicU32::new).into(), filled: 2 }
    }

    fn push(&mut self, place: u32) {
        let filled = self.filled as usize;
        // An event whose terms collide is pushed once.
        if self.slots[filled - 1].load(Ordering::Relaxed) == place {
            return;
        }
        if filled == self.slots.len() {
            let kept = self.slots.iter().map(|slot| slot.load(Ordering::Relaxed));
            let grown = kept.chain(std::iter::repeat_n(UNFILLED, filled));
            self.slots = grown.map(AtomicU32::new).collect();
        }
        self.slots[filled].store(place, Ordering::Release);
        self.filled += 1;
    }
}

/// The places of a term, as a reader has taken them.
#[derive(Clone)]
enum Slots {
    One(u32),
    Many(Arc<[AtomicU32]>),
}

impl Slots {
    fn get(&self, i: usize) -> u32 {
        match self {
            Self::One(place) => *place,
            Self::Many(slots) => slots[i].load(Ordering::Acquire),
        }
    }

    /// How many places lie at or before `upto`.
    fn seen(&self, upto: u32) -> usize {
        match self {
            Self::One(place) => usize::from(*place <= upto),
            Self::Many(slots) => slots.partition_point(|slot| slot.load(Ordering::Acquire) <= upto),
        }
    }
}

/// Walks the events of the tail that carry a term.
pub(crate) struct TailCursor {
    first: Position,
    slots: Option<Slots>,
    /// How many of the slots the reader may see.
    seen: usize,
}

impl TailCursor {
    pub(crate) fn at_or_after(&mut self, target: Position) -> Option<Position> {
        let slots = self.slots.as_ref()?;
        let place = u32::try_from(target.0.saturating_sub(self.first.0)).ok()?;
        let before = place.checked_sub(1).map_or(0, |before| slots.seen(before));
        (before < self.seen).then(|| Position(self.first.0 + u64::from(slots.get(before))))
    }

    pub(crate) fn at_or_before(&mut self, target: Position) -> Option<Position> {
        let slots = self.slots.as_ref()?;
        let place = target.0.checked_sub(self.first.0)?;
        let place = u32::try_from(place).unwrap_or(UNFILLED).min(UNFILLED - 1);
        let last = slots.seen(place).min(self.seen).checked_sub(1)?;
        Some(Position(self.first.0 + u64::from(slots.get(last))))
    }
}

/// A column of numbers that grows at its end; numbers never decrease along it.
struct Column {
    cells: RwLock<Arc<[AtomicU64]>>,
    filled: AtomicUsize,
}

impl Column {
    /// What a cell holds before it is filled: no number of a column is as large.
    const UNFILLED: u64 = u64::MAX;
    const CELLS_MIN: usize = 64;

    fn new() -> Self {
        let cells = std::iter::repeat_with(|| AtomicU64::new(Self::UNFILLED));
        Self {
            cells: RwLock::new(cells.take(Self::CELLS_MIN).collect()),
            filled: AtomicUsize::new(0),
        }
    }

    fn len(&self) -> usize {
        self.filled.load(Ordering::Acquire)
    }

    fn push(&self, number: u64) {
        let filled = self.filled.load(Ordering::Relaxed);
        let mut cells = self.cells();
        if filled == cells.0.len() {
            let kept = cells.0.iter().map(|cell| cell.load(Ordering::Relaxed));
            let grown = kept.chain(std::iter::repeat_n(Self::UNFILLED, filled));
            cells = Cells(grown.map(AtomicU64::new).collect());
            *self.cells.write() = Arc::clone(&cells.0);
        }
        cells.0[filled].store(number, Ordering::Release);
        self.filled.store(filled + 1, Ordering::Release);
    }

    fn cells(&self) -> Cells {
        Cells(Arc::clone(&self.cells.read()))
    }
}

/// A column as a reader has taken it.
struct Cells(Arc<[AtomicU64]>);

impl Cells {
    fn get(&self, i: usize) -> u64 {
        self.0.get(i).map_or(Column::UNFILLED, |cell| cell.load(Ordering::Acquire))
    }

    /// The last cell that is filled and `within`.
    fn last_within(&self, within: impl Fn(u64) -> bool) -> Option<usize> {
        let count = self.0.partition_point(|cell| {
            let number = cell.load(Ordering::Acquire);
            number != Column::UNFILLED && within(number)
        });
        count.checked_sub(1)
    }
}
