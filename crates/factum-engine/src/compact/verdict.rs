//! [`Verdicts`]: what becomes of each event of a segment, by what is said of its stream at the head
//! that the run took.
//!
//! Protects two rules: what a reader of the stream can see at that head stays; and of the last event
//! of a stream enough stays to know the stream's next revision.

use std::collections::HashMap;

use factum_store::{Revision, StreamName, Timestamp, Window};

use crate::{
    error::EngineError,
    log::{Fate, Frame, Segment},
    reader::{Heeded, IndexedSegment, Snapshot, retention},
    sabotage::Sabotage,
    shared::Segments,
};

/// Streams whose window is remembered.
const STREAMS_MAX: usize = 65_536;
/// Streams with metadata that are remembered as such: 16 MiB.
const HEEDED_MAX: usize = 1 << 20;

/// What is kept of a stream.
#[derive(Clone, Copy)]
struct Kept {
    window: Window,
    last: Option<Revision>,
}

/// Decides about events.
pub(super) struct Verdicts {
    snapshot: Snapshot,
    now: Timestamp,
    heeded: Heeded,
    /// `None` for a stream of which everything is kept.
    streams: HashMap<String, Option<Kept>>,
}

/// What becomes of the events of a segment.
pub(super) struct Judged {
    /// One for each event, in order.
    pub(super) fates: Vec<Fate>,
    /// How many are there and are to go.
    pub(super) dropped: u64,
}

impl Verdicts {
    /// By what is said up to the snapshot's head.
    pub(super) fn new(snapshot: Snapshot, now: Timestamp) -> Self {
        let now = now.max(snapshot.head.recorded_at);
        Self { snapshot, now, heeded: Heeded::new(HEEDED_MAX), streams: HashMap::new() }
    }

    /// Goes on with the segments as they are now: to hold on to those that were replaced would hold
    /// on to their room on the disk.
    pub(super) fn refresh(&mut self, segments: Segments) {
        self.snapshot.segments = segments;
    }

    /// Decides about every event of a frame.
    pub(super) fn judge(&mut self, frame: &Frame, judged: &mut Judged) -> Result<(), EngineError> {
        for slot in 0..frame.count() {
            let fate = match frame.peek(slot)? {
                None => self.of_dropped(frame, slot)?,
                Some(event) => match event.stream {
                    None => Fate::Kept,
                    Some((stream, revision)) => {
                        let fate = self.of_event(stream, revision, frame.recorded_at())?;
                        judged.dropped += u64::from(fate != Fate::Kept);
                        fate
                    }
                },
            };
            judged.fates.push(fate);
        }
        Ok(())
    }

    fn of_event(
        &mut self,
        stream: &str,
        revision: Revision,
        recorded_at: Timestamp,
    ) -> Result<Fate, EngineError> {
        Ok(match self.kept(stream)? {
            None => Fate::Kept,
            Some(kept) if kept.window.shows(revision, recorded_at) => Fate::Kept,
            Some(kept) if kept.last == Some(revision) => Fate::End,
            Some(_) => Fate::Dropped,
        })
    }

    /// The end of a stream that went on meanwhile is its end no more.
    fn of_dropped(&mut self, frame: &Frame, slot: u32) -> Result<Fate, EngineError> {
        let Some(end) = frame.dropped(slot)?.and_then(|dropped| dropped.end) else {
            return Ok(Fate::Kept);
        };
        let last = self.kept(end.name.as_str())?.and_then(|kept| kept.last);
        Ok(if last.is_some_and(|last| last > end.revision) { Fate::Dropped } else { Fate::Kept })
    }

    fn kept(&mut self, stream: &str) -> Result<Option<Kept>, EngineError> {
        if let Some(known) = self.streams.get(stream) {
            return Ok(*known);
        }
        let name = StreamName::new(stream.to_owned())?;
        let mut kept = None;
        if self.heeded.perhaps(&self.snapshot, &name)? {
            let info = retention::info(&self.snapshot, &name)?;
            let mut window = info.window(self.now);
            if self.snapshot.switch.is(Sabotage::CompactionDropsMore) && !window.is_whole() {
                window.from = window.from.next();
            }
            kept = (!window.is_whole()).then_some(Kept { window, last: info.last });
        }
        if self.streams.len() >= STREAMS_MAX {
            self.streams.clear();
        }
        self.streams.insert(stream.to_owned(), kept);
        Ok(kept)
    }
}

impl Judged {
    /// Everything stays.
    pub(super) fn keeping_all(segment: &IndexedSegment) -> Self {
        let events = segment.last().0 - segment.first().0 + 1;
        Self { fates: vec![Fate::Kept; events as usize], dropped: 0 }
    }
}

/// Decides about every event of a closed segment.
pub(super) fn judge(
    verdicts: &mut Verdicts,
    log: &Segment,
    last: u64,
) -> Result<Judged, EngineError> {
    let mut judged = Judged { fates: Vec::new(), dropped: 0 };
    super::segment::each_frame(log, last, |frame| verdicts.judge(frame, &mut judged))?;
    Ok(judged)
}
