//! [`IndexedSegment`]: a segment of the log with its index, and [`FrameFinder`], which fetches the
//! frames that hold asked-for positions. A damaged index is built again from the log; until then
//! nothing is answered from it (G10).

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwap;
use factum_store::{Position, Timestamp};
use parking_lot::Mutex;

use crate::{
    error::{Damage, EngineError},
    index::{IndexError, Locator, Sealed, Tail, Tally, View},
    log::{Frame, Frames, Segment},
};

/// A segment of the log with its index.
pub(crate) struct IndexedSegment {
    pub(crate) log: Arc<Segment>,
    pub(crate) index: SegmentIndex,
}

/// The index of a segment.
pub(crate) enum SegmentIndex {
    /// In memory, until its file is written.
    Tail(Arc<Tail>),
    /// In a file.
    Sealed {
        /// As it is now.
        sealed: ArcSwap<Sealed>,
        /// Builds it again from the log.
        rebuild: Rebuild,
        /// Whether it was held against the log: then damage that is met is the log's.
        compared: AtomicBool,
    },
    /// Positions of a damaged ledger that can't be read.
    Lost {
        /// The first of them.
        first: Position,
        /// The last of them.
        last: Position,
        /// When the event before them was recorded.
        after: Timestamp,
        /// Where they were, and what is wrong there.
        damage: Damage,
    },
}

/// Builds an index file again from the log.
pub(crate) type Rebuild = Box<dyn Fn() -> Result<Sealed, EngineError> + Send + Sync>;

/// Held while an index file is built again, so that it is done once.
static REBUILDING: Mutex<()> = Mutex::new(());

impl SegmentIndex {
    pub(crate) fn sealed(sealed: ArcSwap<Sealed>, rebuild: Rebuild) -> Self {
        Self::Sealed { sealed, rebuild, compared: AtomicBool::new(false) }
    }
}

impl IndexedSegment {
    pub(crate) fn first(&self) -> Position {
        match &self.index {
            // Of a damaged segment it may begin later than its file.
            SegmentIndex::Tail(tail) => tail.first(),
            SegmentIndex::Sealed { .. } => self.log.first(),
            SegmentIndex::Lost { first, .. } => *first,
        }
    }

    /// The last position in it; of the active segment at or after every head that was published.
    pub(crate) fn last(&self) -> Position {
        match &self.index {
            SegmentIndex::Tail(tail) => tail.last(),
            SegmentIndex::Sealed { sealed, .. } => sealed.load().last(),
            SegmentIndex::Lost { last, .. } => *last,
        }
    }

    /// Where the frame begins that holds a position of this segment.
    pub(crate) fn offset_of(&self, position: Position) -> Result<u64, EngineError> {
        // A part of a damaged segment begins later than its file, and what is lost begins nowhere.
        let lost = matches!(self.index, SegmentIndex::Lost { .. });
        if !lost && position == self.log.first() {
            return Ok(self.log.begin());
        }
        self.ask(Position::END, &Tally::default(), |view| {
            let mut frames = FrameFinder::new(&self.log, view);
            frames.holding(position).map(|(frame, _)| frame.offset())
        })
    }

    /// Whether its first event was recorded at or before a time. Reads nothing.
    pub(crate) fn begins_by(&self, time: Timestamp, upto: Position) -> bool {
        match &self.index {
            SegmentIndex::Tail(tail) => tail.position_at(time, upto).is_some(),
            SegmentIndex::Sealed { sealed, .. } => sealed.load().times().0 <= time,
            // It may: whoever needs to know is told of the damage.
            SegmentIndex::Lost { after, .. } => *after <= time,
        }
    }

    /// Whether its index is a file.
    pub(crate) fn is_sealed(&self) -> bool {
        matches!(self.index, SegmentIndex::Sealed { .. })
    }

    /// When its last event was recorded.
    pub(crate) fn ends_at(&self) -> Result<Timestamp, EngineError> {
        let last = self.last();
        self.ask(last, &Tally::default(), |view| {
            let mut frames = FrameFinder::new(&self.log, view);
            Ok(frames.holding(last)?.0.recorded_at())
        })
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
            SegmentIndex::Lost { damage, .. } => Err(EngineError::Damaged(damage.clone())),
            SegmentIndex::Sealed { sealed: now, rebuild, compared } => {
                let sealed = now.load_full();
                match ask(View::Sealed { sealed: &sealed, tally }) {
                    Err(EngineError::Index(error @ IndexError::Damaged { .. })) => {
                        let path = self.log.path.display();
                        tracing::warn!(segment = %path, %error, "building an index again");
                        let sealed = build_again(now, &sealed, rebuild)?;
                        ask(View::Sealed { sealed: &sealed, tally })
                    }
                    // Where the index leads there is no whole frame. That is the log's damage
                    // unless the log is whole: then it is the index that leads astray.
                    Err(error @ EngineError::Damaged(_)) if !compared.load(Ordering::Acquire) => {
                        let sealed = build_again(now, &sealed, rebuild);
                        compared.store(true, Ordering::Release);
                        let Ok(sealed) = sealed else { return Err(error) };
                        ask(View::Sealed { sealed: &sealed, tally })
                    }
                    answer => answer,
                }
            }
        }
    }
}

fn build_again(
    now: &ArcSwap<Sealed>,
    damaged: &Arc<Sealed>,
    rebuild: &Rebuild,
) -> Result<Arc<Sealed>, EngineError> {
    let _held = REBUILDING.lock();
    let sealed = now.load_full();
    // Somebody else may have been faster.
    if !Arc::ptr_eq(&sealed, damaged) {
        return Ok(sealed);
    }
    let sealed = Arc::new(rebuild()?);
    now.store(Arc::clone(&sealed));
    Ok(sealed)
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
    /// The first event of the present frame that was read alone, and how many were.
    alone: Option<(u32, u32)>,
    /// Whether a frame is of use only when all of it was read.
    whole: bool,
}

/// Reading so many bytes in one go takes as long as reading one event alone.
const SINGLE_BYTES: u64 = 16 << 10;
/// After so many events of a frame it can be told how many more are likely.
const SINGLES_MIN: u32 = 4;
/// After so many steps from frame to frame it is worth to read ahead: a short page does not.
const STEPS_MIN: u32 = 16;

impl<'a> FrameFinder<'a> {
    pub(crate) fn new(log: &'a Segment, view: View<'a>) -> Self {
        let (locator, current, walk, whole) = (view.locator(), None, None, false);
        Self { log, locator, current, walk, steps: 0, fetched: 0, alone: None, whole }
    }

    /// One that always fetches all of a frame, for who looks at more than an event of it.
    pub(crate) fn of_whole_frames(log: &'a Segment, view: View<'a>) -> Self {
        Self { whole: true, ..Self::new(log, view) }
    }

    /// The frame that holds a position of the segment, and which of its events that is.
    pub(crate) fn holding(&mut self, position: Position) -> Result<(&Frame, u32), EngineError> {
        let frame = match self.current.take() {
            Some(frame) if holds(&frame, position) => self.with(frame, position)?,
            Some(frame) if position == frame.last().next() => self.step(frame.end(), position)?,
            _ => self.jump(position)?,
        };
        let slot = (position.0 - frame.first().0) as u32;
        Ok((self.current.insert(frame), slot))
    }

    /// The same frame with another of its events. Who is likely to ask for many of them gets all.
    fn with(&mut self, frame: Frame, position: Position) -> Result<Frame, EngineError> {
        let slot = (position.0 - frame.first().0) as u32;
        if frame.has(slot) {
            return Ok(frame);
        }
        let (begin, seen) = self.alone.unwrap_or((frame.read_slot().unwrap_or(slot), 1));
        self.alone = Some((begin, seen + 1));
        let (offset, len) = (frame.offset(), (frame.end() - frame.offset()) as u32);
        let span = u64::from(begin.abs_diff(slot).max(1));
        let likely = u64::from(frame.count()) * u64::from(seen) / span;
        let next = frame.read_slot().is_none_or(|before| before.abs_diff(slot) == 1);
        let many = next || seen >= SINGLES_MIN && likely * SINGLE_BYTES >= u64::from(len);
        let frame = match many {
            true => self.log.frame(offset, Some(len)),
            false => self.log.frame_for(offset, Some(len), slot),
        };
        self.checked(frame.map_err(|error| error.at(position))?, position)
    }

    /// Going on from frame to frame needs no index.
    fn step(&mut self, offset: u64, position: Position) -> Result<Frame, EngineError> {
        self.steps += 1;
        self.fetched += 1;
        if self.steps < STEPS_MIN {
            let frame = self.log.frame(offset, None).map_err(|error| error.at(position))?;
            return self.checked(frame, position);
        }
        let walk = self.walk.get_or_insert_with(|| self.log.frames(offset, u64::MAX));
        match walk.next().map_err(|error| error.at(position))? {
            Some(frame) => self.checked(frame, position),
            None => Err(self.log.damage(offset, "there is no frame")),
        }
    }

    fn jump(&mut self, position: Position) -> Result<Frame, EngineError> {
        (self.walk, self.steps, self.alone) = (None, 0, None);
        self.fetched += 1;
        let astray = |problem| IndexError::Damaged { page: 0, problem };
        let place = self.locator.locate(position)?.ok_or(astray("a position is missing"))?;
        let frame = match self.whole {
            true => self.log.frame(place.offset, place.bytes),
            false => self.log.frame_for(place.offset, place.bytes, place.slot),
        };
        let frame = frame.map_err(|error| error.at(position))?;
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
