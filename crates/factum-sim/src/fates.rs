//! [`Fates`]: which events a compaction has dropped, and which it may have dropped. [`Visible`]: what
//! a reader must see, may see, and may never see (retention).
//!
//! Nothing is hidden that no retention hides, and what is hidden stays hidden; nothing is gone that
//! was not hidden when a compaction looked, and what is gone is gone for ever.

use std::ops::RangeInclusive;

use factum_store::{Position, Query, QueryItem, RecordedEvent, StreamName, Timestamp, Window};

use crate::model;

/// What became of an event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is there.
    #[default]
    Kept,
    /// A compaction that hid it is under way, or failed: it is there or not.
    MayBeGone,
    /// It was dropped, and everybody knows since this step.
    Gone {
        /// The step.
        since: u64,
    },
}

/// What became of each event, and whether it was ever in doubt.
#[derive(Clone, Default)]
pub(crate) struct Fates(Vec<(Fate, bool)>);

impl Fates {
    pub(crate) fn of(&self, position: Position) -> Fate {
        self.0.get(position.0 as usize).map(|(fate, _)| *fate).unwrap_or_default()
    }

    /// Whether a compaction may have dropped it at any time, on the disk if not in memory.
    pub(crate) fn doubted(&self, position: Position) -> bool {
        self.0.get(position.0 as usize).is_some_and(|(_, doubted)| *doubted)
    }

    pub(crate) fn set(&mut self, position: Position, fate: Fate) {
        let at = position.0 as usize;
        if at >= self.0.len() {
            self.0.resize(at + 1, (Fate::Kept, false));
        }
        let (now, doubted) = &mut self.0[at];
        *doubted |= fate != Fate::Kept;
        *now = fate;
    }

    /// Compares what is read of the ledger with what is known of it: what is kept is there byte for
    /// byte, what is gone is not. When no compaction has been at work since the ledger was opened
    /// (`settled`), that also says what became of what may be gone.
    pub(crate) fn compare(
        &mut self,
        known: &[RecordedEvent],
        read: &[RecordedEvent],
        settled: Option<u64>,
    ) -> Result<(), String> {
        let mut read = read.iter().peekable();
        for event in known {
            let at = event.position;
            let found = read.next_if(|found| found.position <= at);
            match (found, self.of(at)) {
                (Some(now), _) if now != event => {
                    return Err(format!("the event {event:?} is now {now:?}"));
                }
                (Some(_), Fate::Gone { .. }) => {
                    return Err(format!("the event at {at} was dropped, and is there again"));
                }
                (None, Fate::Kept) => {
                    return Err(format!("the event at {at} is not there, and was not dropped"));
                }
                (found, Fate::MayBeGone) => {
                    if let Some(since) = settled {
                        let gone = Fate::Gone { since };
                        self.set(at, if found.is_some() { Fate::Kept } else { gone });
                    }
                }
                (Some(_), Fate::Kept) | (None, Fate::Gone { .. }) => {}
            }
        }
        match read.next() {
            None => Ok(()),
            Some(event) => Err(format!("nobody knows the event at {}", event.position)),
        }
    }
}

/// Whether a reader sees an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Must,
    May,
    Never,
}

/// What a query shows.
pub(crate) struct Visible<'a> {
    query: &'a Query,
    /// For each item what it may show of its stream, at each moment at which it may have looked;
    /// `None` for one that names no stream.
    windows: Vec<Option<Vec<Window>>>,
    fates: &'a Fates,
    /// Before this step there was no look: what was gone then is not shown.
    since: u64,
}

impl<'a> Visible<'a> {
    /// To who looked at one of these heads, when the clock was between two times, not before a step.
    pub(crate) fn of(
        query: &'a Query,
        log: &[RecordedEvent],
        fates: &'a Fates,
        heads: RangeInclusive<u64>,
        clock: [Timestamp; 2],
        since: u64,
    ) -> Self {
        let windows = |item: &QueryItem| {
            item.stream.as_ref().map(|stream| windows(log, stream, heads.clone(), clock))
        };
        Self { query, windows: query.items.iter().map(windows).collect(), fates, since }
    }

    pub(crate) fn verdict(&self, event: &RecordedEvent) -> Verdict {
        let (mut surely, mut perhaps) = (false, false);
        for (item, windows) in self.query.items.iter().zip(&self.windows) {
            if !item.matches_named(event) {
                continue;
            }
            let shows = |window: &Window| {
                let revision = event.stream.as_ref().map(|place| place.revision);
                revision.is_some_and(|revision| window.shows(revision, event.recorded_at))
            };
            surely |= windows.as_ref().is_none_or(|windows| windows.iter().all(shows));
            perhaps |= windows.as_ref().is_none_or(|windows| windows.iter().any(shows));
        }
        match self.fates.of(event.position) {
            _ if !perhaps => Verdict::Never,
            Fate::Gone { since } if since < self.since => Verdict::Never,
            Fate::Kept if surely => Verdict::Must,
            _ => Verdict::May,
        }
    }
}

/// What a reader may see of a stream, at each of these heads, while the clock is between two times.
pub(crate) fn windows(
    log: &[RecordedEvent],
    stream: &StreamName,
    heads: RangeInclusive<u64>,
    clock: [Timestamp; 2],
) -> Vec<Window> {
    let says = |event: &RecordedEvent| {
        let place = event.stream.as_ref().map(|place| &place.name);
        place.is_some_and(|name| name == stream || name.described().as_ref() == Some(stream))
    };
    let mut windows = Vec::new();
    for head in heads.clone() {
        let last = head.checked_sub(1).and_then(|at| log.get(at as usize));
        // Between, only what is said of the stream, or its end, makes a difference.
        if head != *heads.start() && head != *heads.end() && !last.is_some_and(says) {
            continue;
        }
        let info = model::info(&log[..(head as usize).min(log.len())], stream);
        let latest = last.map_or(Timestamp::default(), |last| last.recorded_at);
        windows.extend(clock.map(|now| info.window(now.max(latest))));
    }
    windows
}
