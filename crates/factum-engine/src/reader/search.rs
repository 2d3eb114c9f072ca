//! The search: the events of a query in a range, in either direction, with a bound on the work.
//!
//! Segments outside the range are skipped by their positions alone. In each of the others the
//! planner says which events may match, or that every event has to be looked at; each is compared
//! with the query before its body is touched. The search says how far it has looked, so nobody
//! has to look at the same event twice (G6, G12).

use std::ops::ControlFlow;

use factum_store::{Direction, Position, Query};

use super::{
    explain::{Explain, SegmentPlan},
    retention::Visible,
    segment::{FrameFinder, IndexedSegment},
    snapshot::Snapshot,
};
use crate::{
    error::EngineError,
    index::{Asked, Part, Tally, UsedItem, View},
    log::{Frame, Segment},
    sabotage::{Sabotage, Switch},
};

/// What is looked for, and where.
#[derive(Clone, Copy)]
pub(crate) struct Search<'a> {
    pub(crate) query: &'a Query,
    /// What of the streams that it names may be shown, where that is not all.
    pub(crate) visible: Option<&'a Visible>,
    /// Only events after this position.
    pub(crate) after: Position,
    /// Only events up to this position.
    pub(crate) up_to: Position,
    pub(crate) direction: Direction,
    /// At most this many events are taken.
    pub(crate) limit: usize,
    /// After this many looks, at events and at segments, the search stops.
    pub(crate) looks_max: u64,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Every event of the range was looked at.
    Whole,
    /// Every event before this one, in the direction of the search, was looked at.
    Before(Position),
}

/// What takes a matching event: its frame, and which one of the frame it is. When it breaks, the
/// event was not taken and the search ends before it.
pub(crate) type Take<'f> = &'f mut dyn FnMut(&Frame, u32) -> Result<ControlFlow<()>, EngineError>;

impl Search<'_> {
    /// Hands every matching event to `take`, in order.
    pub(crate) fn run(
        &self,
        snapshot: &Snapshot,
        mut explain: Option<&mut Explain>,
        take: Take<'_>,
    ) -> Result<Ended, EngineError> {
        let (low, high) = (self.after.next(), self.up_to.min(snapshot.head.position));
        if low > high || self.query.items.is_empty() {
            return Ok(Ended::Whole);
        }
        let start = self.first_of(low, high);
        let switch = snapshot.switch;
        let (taken, looks, done, explains) = (0, 0, false, explain.is_some());
        let asked = Asked::of(self.query);
        let mut run = Run {
            search: *self,
            asked,
            low,
            high,
            next: start,
            taken,
            looks,
            done,
            explains,
            switch,
        };
        for segment in snapshot.within(low, high, self.direction) {
            let mut plan = run.plan(segment);
            let ended = run.segment(segment, &mut plan, take)?;
            if let Some(explain) = explain.as_deref_mut() {
                explain.segments.push(plan);
            }
            if run.done {
                return Ok(Ended::Whole);
            }
            if ended.is_break() {
                return Ok(Ended::Before(run.next));
            }
        }
        Ok(Ended::Whole)
    }

    fn first_of(&self, low: Position, high: Position) -> Position {
        match self.direction {
            Direction::Forward => low,
            Direction::Backward => high,
        }
    }

    fn beyond(&self, position: Position) -> Position {
        match self.direction {
            Direction::Forward => position.next(),
            Direction::Backward => position.prev(),
        }
    }
}

/// A search that is under way.
struct Run<'a> {
    search: Search<'a>,
    /// What it asks the indexes for.
    asked: Asked,
    low: Position,
    high: Position,
    /// Everything before it, in the direction of the search, was looked at.
    next: Position,
    taken: usize,
    looks: u64,
    /// Nothing that is left can be taken.
    done: bool,
    /// Whether somebody wants to know how the indexes are asked.
    explains: bool,
    switch: Switch,
}

impl Run<'_> {
    fn plan(&self, segment: &IndexedSegment) -> SegmentPlan {
        SegmentPlan {
            first: segment.first().max(self.low),
            last: segment.last().min(self.high),
            scan: false,
            items: Vec::new(),
            looked: 0,
            taken: 0,
            pages: 0,
            frames: 0,
        }
    }

    /// Whether another look is one too many.
    fn is_spent(&self) -> bool {
        self.looks >= self.search.looks_max
    }

    /// Searches one segment. Says whether the search is over.
    fn segment(
        &mut self,
        segment: &IndexedSegment,
        plan: &mut SegmentPlan,
        take: Take<'_>,
    ) -> Result<ControlFlow<()>, EngineError> {
        self.next = self.search.first_of(plan.first, plan.last);
        // A full page does not go into a segment just to learn whether there is more.
        if self.taken == self.search.limit || self.is_spent() {
            return Ok(ControlFlow::Break(()));
        }
        self.looks += 1;
        let tally = Tally::default();
        let ended =
            segment.ask(self.high, &tally, |view| self.candidates(&segment.log, view, plan, take));
        plan.pages = tally.pages();
        ended
    }

    /// Looks at the candidates of one segment, from where the search stands.
    fn candidates(
        &mut self,
        log: &Segment,
        view: View<'_>,
        plan: &mut SegmentPlan,
        take: Take<'_>,
    ) -> Result<ControlFlow<()>, EngineError> {
        let mut part = Part::plan(view, &self.asked, self.search.direction)?;
        match &part {
            Part::Scan => plan.scan = true,
            Part::Candidates(candidates) if self.explains => {
                plan.items = candidates.plans.iter().map(UsedItem::explain).collect();
            }
            Part::Candidates(_) => {}
        }
        let mut frames = FrameFinder::new(log, view);
        loop {
            let candidate = match &mut part {
                Part::Scan => Some(self.next),
                Part::Candidates(candidates) => candidates.seek(self.next)?,
            };
            let within = |position: &Position| (plan.first..=plan.last).contains(position);
            let Some(position) = candidate.filter(within) else {
                return Ok(ControlFlow::Continue(()));
            };
            self.next = position;
            if self.switch.is(Sabotage::IndexEntryDropped) && !plan.scan && position.0 % 5 == 0 {
                self.next = self.search.beyond(position);
                continue;
            }
            if self.is_spent() {
                return Ok(ControlFlow::Break(()));
            }
            let before = frames.fetched;
            let (frame, slot) = frames.holding(position)?;
            let ended = self.look(frame, slot, plan, take)?;
            plan.frames += frames.fetched - before;
            if ended.is_break() {
                return Ok(ended);
            }
            self.next = self.search.beyond(position);
        }
    }

    fn look(
        &mut self,
        frame: &Frame,
        slot: u32,
        plan: &mut SegmentPlan,
        take: Take<'_>,
    ) -> Result<ControlFlow<()>, EngineError> {
        self.looks += 1;
        plan.looked += 1;
        let Some(event) = frame.peek(slot)? else { return Ok(ControlFlow::Continue(())) };
        if !self.search.query.matches_named(&event) {
            return Ok(ControlFlow::Continue(()));
        }
        if let Some(visible) = self.search.visible
            && !visible.shows(self.search.query, &event)
        {
            // Before what is hidden of a stream everything is hidden.
            self.done = self.search.direction == Direction::Backward && visible.of_one_stream();
            if self.done {
                return Ok(ControlFlow::Break(()));
            }
            return Ok(ControlFlow::Continue(()));
        }
        if self.taken == self.search.limit || take(frame, slot)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        self.taken += 1;
        plan.taken += 1;
        Ok(ControlFlow::Continue(()))
    }
}
