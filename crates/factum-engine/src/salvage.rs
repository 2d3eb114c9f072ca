//! What can still be read of a damaged ledger, when it is opened for reading only (G10).
//!
//! Every whole frame is found, whatever is bad before it. Between runs of whole frames lie *gaps*:
//! positions that are known to have been there. Whoever reads one gets the damage, and whoever reads
//! anything else gets it. Nothing is written.

use std::{io::ErrorKind, path::Path, sync::Arc};

use factum_store::{Head, Position};

use crate::{
    error::{Damage, EngineError},
    generations::{Named, parse},
    index::Tail,
    log::{POSITION_MOST, Segment, SegmentHeader, Survivors, survivors},
    options::Options,
    reader::{IndexedSegment, SegmentIndex},
    sealing::{closed_at, open_index, push_frame},
    whole::bytes_of,
};

/// What is left of a ledger.
pub(crate) struct Salvaged {
    pub(crate) segments: Vec<Arc<IndexedSegment>>,
    pub(crate) head: Head,
}

/// Opens what can still be read of the ledger in a directory. `why` it could not be opened whole.
pub(crate) fn open(
    dir: &Path,
    options: &Options,
    why: EngineError,
) -> Result<Salvaged, EngineError> {
    let logs = logs(dir, options)?;
    let Some(first) = logs.first() else { return Err(why) };
    tracing::warn!(ledger = %dir.display(), error = %why, "reading what is left of a damaged ledger");
    let mut left = Left { options, segments: Vec::new(), head: Head::default() };
    if first.first() > Position(1) {
        left.lose(
            first,
            Position(1),
            first.first().prev(),
            0,
            "the segments before it are missing",
        );
    }
    let ends = logs.iter().skip(1).map(|next| Some(next.first().prev())).chain([None]);
    for (log, last) in logs.iter().zip(ends) {
        left.segment(log, last)?;
    }
    if let Some(last) = logs.last().filter(|log| closed_at(options, log).is_some()) {
        let lost = left.head.position.next();
        left.lose(last, lost, lost, last.len()?, "the segment after it is missing");
    }
    Ok(Salvaged { segments: left.segments, head: left.head })
}

/// The segments of the ledger, by their first position. A header that is damaged is made anew from
/// the file's name and the other segments: frames say by their checksums whether that is right.
fn logs(dir: &Path, options: &Options) -> Result<Vec<Arc<Segment>>, EngineError> {
    let machine = &*options.machine;
    let names = machine.list(dir).map_err(|error| EngineError::io("listing", dir, error))?;
    let names: Vec<String> = names.into_iter().filter(|name| name.ends_with(".log")).collect();
    let (mut logs, mut headless) = (Vec::new(), Vec::new());
    for name in names {
        match Segment::open(machine, &dir.join(&name), false) {
            Ok(log) => logs.push(Arc::new(log)),
            Err(EngineError::Damaged(_)) => headless.push(name),
            // What can't be read at all is missing.
            Err(EngineError::Io { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let Some(ledger) = most_common(&logs) else { return Ok(Vec::new()) };
    logs.retain(|log| log.header.ledger == ledger);
    for name in headless {
        let Some(Named { first, generation, .. }) = parse(&name) else { continue };
        if first == Position::START || first.0 > POSITION_MOST {
            continue;
        }
        let path = dir.join(&name);
        let file = match machine.open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            file => file.map_err(|error| EngineError::io("opening", &path, error))?,
        };
        let header = SegmentHeader { first, generation, ..logs[0].header };
        logs.push(Arc::new(Segment::with_header(header, &path, file)));
    }
    // Of a segment that was being rewritten the file that was there before is whole.
    logs.sort_by_key(|log| (log.first(), log.header.generation));
    logs.dedup_by_key(|log| log.first());
    Ok(logs)
}

/// The ledger that most segments are of: a foreign one among them is none of ours.
fn most_common(logs: &[Arc<Segment>]) -> Option<u128> {
    let count = |id: u128| logs.iter().filter(|log| log.header.ledger == id).count();
    logs.iter().map(|log| log.header.ledger).max_by_key(|id| count(*id))
}

/// What was found so far.
struct Left<'a> {
    options: &'a Options,
    segments: Vec<Arc<IndexedSegment>>,
    head: Head,
}

impl Left<'_> {
    /// A segment that ends at `last`, unless it is the last one.
    fn segment(&mut self, log: &Arc<Segment>, last: Option<Position>) -> Result<(), EngineError> {
        // With its index a closed segment needs no search: damage in it shows when it is read.
        if let Some(last) = last
            && let Ok(whole) = open_index(self.options, log, last, false)
        {
            let SegmentIndex::Sealed { sealed, .. } = &whole.index else { return Ok(()) };
            self.head = Head { position: last, recorded_at: sealed.load().times().1 };
            self.segments.push(Arc::new(whole));
            return Ok(());
        }
        let bytes = bytes_of(log)?;
        let Survivors { frames, witness } = survivors(&log.header, &log.path, &bytes);
        let (mut next, mut end) = (log.first(), log.begin());
        let mut run = Tail::new(next);
        for frame in &frames {
            if frame.first() > next {
                self.keep(log, run);
                self.lose(log, next, frame.first().prev(), end, "there is no whole frame");
                run = Tail::new(frame.first());
            }
            push_frame(&run, frame, |_, _| {})?;
            self.head = Head { position: frame.last(), recorded_at: frame.recorded_at() };
            (next, end) = (frame.last().next(), frame.end());
        }
        self.keep(log, run);
        let last = last.unwrap_or(witness);
        if last >= next {
            self.lose(log, next, last, end, "the frames that were here are gone");
        }
        Ok(())
    }

    /// A run of whole frames.
    fn keep(&mut self, log: &Arc<Segment>, run: Tail) {
        if run.last() >= run.first() {
            let (log, index) = (Arc::clone(log), SegmentIndex::Tail(Arc::new(run)));
            self.segments.push(Arc::new(IndexedSegment { log, index }));
        }
    }

    /// Positions that can't be read.
    fn lose(&mut self, log: &Arc<Segment>, first: Position, last: Position, at: u64, what: &str) {
        let file = log.path.display().to_string();
        let what = format!("{what}: positions {first} to {last} can't be read");
        let damage = Damage { file, offset: at, position: first, what };
        self.head.position = last;
        let after = self.head.recorded_at;
        let index = SegmentIndex::Lost { first, last, after, damage };
        self.segments.push(Arc::new(IndexedSegment { log: Arc::clone(log), index }));
    }
}
