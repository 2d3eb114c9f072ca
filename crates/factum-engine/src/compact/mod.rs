//! Compaction: drops the bodies of the events that retention hides, one closed segment at a time,
//! while the ledger is read, followed and written.
//!
//! A dropped event keeps its position, its id and a digest; its batch keeps its time, its key and so
//! its receipt. What is hidden is decided at the head that a run takes when it begins. A run that
//! was interrupted goes on behind the segments that it has done, at a new head: so it drops nothing
//! that was made visible again meanwhile.

mod record;
mod segment;
mod verdict;

use std::{ops::ControlFlow, path::Path, sync::Arc};

use factum_store::Position;

use self::{
    record::Record,
    verdict::{Judged, Verdicts, judge},
};
use crate::{
    error::EngineError, ledger::Inner, options::Options, reader::IndexedSegment,
    sealing::index_path, shared::Shared,
};

/// What a compaction is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compact {
    /// Change nothing; say what would be dropped.
    pub dry_run: bool,
    /// Compress the segments that are not compressed yet.
    pub compress: bool,
}

/// How far a compaction has come, and what it has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Compacted {
    /// Closed segments in all.
    pub segments: u64,
    /// Those that are done, by this run or by an interrupted one before it.
    pub done: u64,
    /// Those that this run rewrote.
    pub rewritten: u64,
    /// Events that this run dropped.
    pub dropped: u64,
    /// Bytes of the closed segments and their indexes that this run has looked at, before.
    pub bytes_before: u64,
    /// The same afterwards. In a dry run only what would be dropped is counted, as if it were not
    /// compressed, and indexes count as they are.
    pub bytes_after: u64,
    /// Where an interrupted run had stopped, when this one went on there.
    pub resumed_after: Option<Position>,
    /// Whether all was done; not when it was told to stop.
    pub finished: bool,
}

/// Compacts a ledger. `progress` is told after each segment, and can stop the run there.
pub(crate) fn compact(
    inner: &Inner,
    request: Compact,
    progress: &mut dyn FnMut(&Compacted) -> ControlFlow<()>,
) -> Result<Compacted, EngineError> {
    let Some(_held) = inner.shared.compacting.try_lock() else {
        return Err(EngineError::Compacting);
    };
    if let Some(why) = inner.shared.poisoned() {
        return Err(EngineError::Poisoned(why.to_owned()));
    }
    let snapshot = inner.shared.snapshot()?;
    let closed: Vec<_> =
        snapshot.segments.iter().filter(|segment| segment.is_sealed()).cloned().collect();
    let mut run = Run { inner, request, report: Compacted::default(), resumed: None };
    run.report.segments = closed.len() as u64;
    let dir = closed.first().and_then(|segment| segment.log.path.parent()).map(Path::to_owned);
    let Some(dir) = dir else {
        run.report.finished = true;
        return Ok(run.report);
    };
    run.resume(&dir);
    let mut verdicts = Verdicts::new(snapshot, inner.options.machine.now());
    for segment in closed {
        if run.is_done(&segment) {
            run.report.done += 1;
            continue;
        }
        verdicts.refresh(inner.shared.segments());
        run.segment(&segment, &mut verdicts)?;
        if !request.dry_run {
            let record = Record { done: segment.last(), compress: request.compress };
            record.keep(&*inner.options.machine, &dir)?;
        }
        if progress(&run.report).is_break() && run.report.done < run.report.segments {
            return Ok(run.report);
        }
    }
    if !request.dry_run {
        Record::remove(&*inner.options.machine, &dir);
    }
    run.report.finished = true;
    Ok(run.report)
}

/// Compresses a segment that was just closed. Whoever reads it goes on; a failure costs room.
pub(crate) fn pack(shared: &Shared, options: &Options, segment: &IndexedSegment) {
    // A compaction that is under way, or the next one, will come to it.
    let Some(_held) = shared.compacting.try_lock() else { return };
    let all = Judged::keeping_all(segment);
    if let Err(error) = segment::rewrite(shared, options, segment, &all, true) {
        let path = segment.log.path.display();
        tracing::warn!(%path, %error, "a closed segment was not compressed");
    }
}

/// A run that is under way.
struct Run<'a> {
    inner: &'a Inner,
    request: Compact,
    report: Compacted,
    resumed: Option<Position>,
}

impl Run<'_> {
    fn resume(&mut self, dir: &Path) {
        let record = Record::read(&*self.inner.options.machine, dir);
        // A run that compressed has done what one that does not is asked for, too.
        let fits = |record: &Record| record.compress || !self.request.compress;
        self.resumed =
            record.filter(|record| fits(record) && !self.request.dry_run).map(|record| record.done);
        self.report.resumed_after = self.resumed;
    }

    fn is_done(&self, segment: &IndexedSegment) -> bool {
        self.resumed.is_some_and(|done| segment.last() <= done)
    }

    fn segment(
        &mut self,
        segment: &Arc<IndexedSegment>,
        verdicts: &mut Verdicts,
    ) -> Result<(), EngineError> {
        let Inner { shared, options, .. } = self.inner;
        let judged = judge(verdicts, &segment.log, segment.last().0)?;
        let before = self.bytes(segment)?;
        self.report.bytes_before += before;
        self.report.done += 1;
        let packs = self.request.compress && !segment.log.is_packed();
        if judged.dropped == 0 && (self.request.dry_run || !packs) {
            self.report.bytes_after += before;
            return Ok(());
        }
        self.report.dropped += judged.dropped;
        self.report.rewritten += 1;
        self.report.bytes_after += match self.request.dry_run {
            true => before.saturating_sub(segment::saved(segment, &judged)?),
            false => self.bytes(&*segment::rewrite(shared, options, segment, &judged, packs)?)?,
        };
        Ok(())
    }

    /// Bytes of a segment and its index.
    fn bytes(&self, segment: &IndexedSegment) -> Result<u64, EngineError> {
        let path = index_path(&segment.log);
        let index = self.inner.options.machine.open(&path).and_then(|file| file.len());
        Ok(segment.log.disk_bytes()? + index.unwrap_or_default())
    }
}
