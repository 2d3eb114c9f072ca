//! [`IndexedSegment`]: a segment of the log with its index, and [`FrameFinder`], which fetches the
//! frames that hold asked-for positions. A damaged index is built again from the log; until then
//! nothing is answered from it (G10).

use std::sync::Arc;

use arc_swap::ArcSwap;
use factum_store::{Position, Timestamp};
use parking_lot::Mutex;

use crate::{
    error::EngineError,
    index::{self, IndexError, Locator, Sealed, Tail, Tally, View},
    log::{Frame, Frames, Segment},
    machine::Machine,
};

/// A segment of the log with its index.
pub(crate) struct IndexedSegment {
    pub(crate) log: Arc<Segment>,
    index: SegmentIndex,
}

enum SegmentIndex {
    /// Of the active segment, in memory.
    Tail(Arc<Tail>),
    /// Of a sealed one, in a file.
    Sealed(SealedIndex),
}

struct SealedIndex {
    machine: Arc<dyn Machine>,
    last: Position,
    /// When its first event was recorded; from the file's header.
    begins: Timestamp,
    now: ArcSwap<Sealed>,
    /// Held while the file is built again, so that it is done once.
    rebuilding: Mutex<()>,
}

impl IndexedSegment {
    /// The active segment.
    pub(crate) fn active(log: Arc<Segment>, tail: Arc<Tail>) -> Self {
        Self { log, index: SegmentIndex::Tail(tail) }
    }

    /// A segment that is full: keeps its index in a file.
    pub(crate) fn seal(
        machine: Arc<dyn Machine>,
        log: Arc<Segment>,
        tail: &Tail,
    ) -> Result<Self, EngineError> {
        let sealed = index::keep(&*machine, &log, tail)?;
        Ok(Self::sealed(machine, log, sealed))
    }

    /// A segment that was sealed earlier, whose last event is at `last`. Reads one page of its
    /// index; builds the index again when it is missing or damaged.
    pub(crate) fn open(
        machine: Arc<dyn Machine>,
        log: Arc<Segment>,
        last: Position,
    ) -> Result<Self, EngineError> {
        let sealed = match index::open(&*machine, &log, last) {
            Ok(sealed) => sealed,
            Err(error) => build_again(&*machine, &log, last, &error)?,
        };
        Ok(Self::sealed(machine, log, sealed))
    }

    fn sealed(machine: Arc<dyn Machine>, log: Arc<Segment>, sealed: Sealed) -> Self {
        let (last, begins) = (sealed.last(), sealed.times().0);
        let (now, rebuilding) = (ArcSwap::from_pointee(sealed), Mutex::new(()));
        let index = SealedIndex { machine, last, begins, now, rebuilding };
        Self { log, index: SegmentIndex::Sealed(index) }
    }

    pub(crate) fn first(&self) -> Position {
        self.log.first()
    }

    /// The last position in it; of the active segment at or after every head that was published.
    pub(crate) fn last(&self) -> Position {
        match &self.index {
            SegmentIndex::Tail(tail) => tail.last(),
            SegmentIndex::Sealed(index) => index.last,
        }
    }

    /// Whether its first event was recorded at or before a time. Reads nothing.
    pub(crate) fn begins_by(&self, time: Timestamp, upto: Position) -> bool {
        match &self.index {
            SegmentIndex::Tail(tail) => tail.position_at(time, upto).is_some(),
            SegmentIndex::Sealed(index) => index.begins <= time,
        }
    }

    /// Asks the index. When that meets damage, the index is built again, and asked once more.
    pub(crate) fn ask<T>(
        &self,
        upto: Position,
        tally: &Tally,
        mut ask: impl FnMut(View<'_>) -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        match &self.index {
            SegmentIndex::Tail(tail) => ask(View::Tail { tail, upto }),
            SegmentIndex::Sealed(index) => {
                let sealed = index.now.load_full();
                match ask(View::Sealed { sealed: &sealed, tally }) {
                    Err(EngineError::Index(error @ IndexError::Damaged { .. })) => {
                        let sealed = index.build_again(&self.log, &sealed, &error)?;
                        ask(View::Sealed { sealed: &sealed, tally })
                    }
                    answer => answer,
                }
            }
        }
    }
}

impl SealedIndex {
    fn build_again(
        &self,
        log: &Segment,
        damaged: &Arc<Sealed>,
        error: &IndexError,
    ) -> Result<Arc<Sealed>, EngineError> {
        let _held = self.rebuilding.lock();
        let now = self.now.load_full();
        if !Arc::ptr_eq(&now, damaged) {
            return Ok(now);
        }
        let again = Arc::new(build_again(&*self.machine, log, self.last, error)?);
        self.now.store(Arc::clone(&again));
        Ok(again)
    }
}

fn build_again(
    machine: &dyn Machine,
    log: &Segment,
    last: Position,
    error: &IndexError,
) -> Result<Sealed, EngineError> {
    let path = index::index_path(log);
    tracing::warn!(path = %path.display(), %error, "building an index again from the log");
    index::keep(machine, log, &index::rebuild(log, last)?)
}

/// Fetches the frames that hold asked-for positions, each once while the positions stay near.
pub(crate) struct FrameFinder<'a> {
    log: &'a Segment,
    locator: Locator<'a>,
    current: Option<Frame>,
    /// Reads ahead, once a reader walks.
    walk: Option<Frames<'a>>,
    /// How many frames were asked for one after the other.
    steps: u32,
    /// How many frames were fetched.
    pub(crate) fetched: u64,
}

/// After so many steps from frame to frame it is worth to read ahead.
const STEPS_MIN: u32 = 4;

impl<'a> FrameFinder<'a> {
    pub(crate) fn new(log: &'a Segment, view: View<'a>) -> Self {
        Self { log, locator: view.locator(), current: None, walk: None, steps: 0, fetched: 0 }
    }

    /// The frame that holds a position of the segment, and which of its events that is.
    pub(crate) fn holding(&mut self, position: Position) -> Result<(&Frame, u32), EngineError> {
        let frame = match self.current.take() {
            Some(frame) if holds(&frame, position) => frame,
            Some(frame) if position == frame.last().next() => self.step(frame.end(), position)?,
            _ => self.jump(position)?,
        };
        let slot = (position.0 - frame.first().0) as u32;
        Ok((self.current.insert(frame), slot))
    }

    /// Going on from frame to frame needs no index.
    fn step(&mut self, offset: u64, position: Position) -> Result<Frame, EngineError> {
        self.steps += 1;
        self.fetched += 1;
        if self.steps < STEPS_MIN {
            return self.checked(self.log.frame(offset)?, position);
        }
        let walk = self.walk.get_or_insert_with(|| self.log.frames(offset, u64::MAX));
        match walk.next()? {
            Some(frame) => self.checked(frame, position),
            None => Err(self.log.damage(offset, "there is no frame")),
        }
    }

    fn jump(&mut self, position: Position) -> Result<Frame, EngineError> {
        (self.walk, self.steps) = (None, 0);
        self.fetched += 1;
        let astray = |problem| IndexError::Damaged { page: 0, problem };
        let place = self.locator.locate(position)?.ok_or(astray("a position is missing"))?;
        let frame = self.log.frame(place.offset)?;
        match holds(&frame, position) {
            true => Ok(frame),
            false => Err(astray("it leads to a frame that does not hold the position").into()),
        }
    }

    fn checked(&self, frame: Frame, position: Position) -> Result<Frame, EngineError> {
        if holds(&frame, position) {
            return Ok(frame);
        }
        let what = format!("the frame does not hold position {position}");
        Err(self.log.damage(frame.offset(), &what))
    }
}

fn holds(frame: &Frame, position: Position) -> bool {
    frame.first() <= position && position <= frame.last()
}
